// SPDX-License-Identifier: Apache-2.0

/**
 * What a configuration adds to the container's /dev and /proc/sys: linux.devices, linux.sysctl, and names for a terminal.
 */
import { errnoName, isErrno } from '../../platform/abi/linux/errno.ts';
import { makedev, S_IFBLK, S_IFCHR, S_IFIFO } from '../../platform/abi/linux/stat.ts';
import { DevptsFilesystem, PTS_MAJOR } from '../../sentry/fs/devpts/devpts_filesystem.ts';
import type { HostTty } from '../../sentry/fs/host/host_tty.ts';
import type { ImportedStdio } from '../../sentry/fs/host/host_filesystem.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { mountFlags, mountInstance } from '../../sentry/vfs/mount_calls.ts';
import { makeNode } from '../../sentry/vfs/names.ts';
import { openPath } from '../../sentry/vfs/open.ts';
import { walkPath } from '../../sentry/vfs/path_walk.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { makePath, setupContext } from './mounts.ts';
import { byteString } from './launch.ts';

const EEXIST = -17;
const O_WRONLY = 1;
/** The group that owns terminals (devpts' gid= in every container's configuration). */
const TTY_GROUP = 5;
const CONSOLE = '/dev/console';

/** Makes the nodes of linux.devices. What the sandbox has no driver for can be seen and not opened. */
export function makeDevices(kernel: Kernel, ctx: IoContext, config: SandboxConfig): void {
  for (const { path, type, major, minor, mode, uid, gid } of config.devices ?? []) {
    const at = byteString(path);
    makePath(ctx, at.slice(0, at.lastIndexOf('/')));
    const format = type === 'p' ? S_IFIFO : type === 'b' ? S_IFBLK : S_IFCHR;
    const made = makeNode({ ...ctx, creds: ctx.creds, umask: 0 }, null, at, format | mode, makedev(major, minor));
    if (isErrno(made)) {
      if (made !== EEXIST) kernel.host.log('warn', `device ${path}: ${errnoName(made)}`);
      continue;
    }
    const inode = made.dentry.inode;
    if (inode !== null && (uid !== 0 || gid !== 0)) Object.assign(inode, { uid, gid });
  }
}

/** Writes linux.sysctl where the sandbox's own /proc/sys has it. `ctx`: whose namespaces the settings are of (kernel.domainname, kernel.shm*, net.*). */
export function applySysctl(kernel: Kernel, ctx: IoContext, config: SandboxConfig): void {
  for (const [key, value] of Object.entries(config.sysctl ?? {})) {
    const file = openPath(kernel.vfs, ctx, null, `/proc/sys/${byteString(key).replaceAll('.', '/')}`, O_WRONLY, 0, 0);
    const result = isErrno(file) ? file : file.write(ctx, new BufferIo(Buffer.from(value)));
    if (!isErrno(file)) file.decRef();
    if (result < 0) kernel.host.log('warn', `sysctl ${key}: ${errnoName(result)}`);
  }
}

/** Gives a terminal that came from outside its name in the container, /dev/pts/N (ttyname(3)), and its owner there. */
export function nameTerminal(kernel: Kernel, mountNs: MountNamespace, tty: HostTty | null, uid: number): void {
  const ctx = setupContext(kernel, { mount: mountNs.root, dentry: mountNs.root.root });
  const at = walkPath(ctx, null, '/dev/pts', true);
  if (tty === null || tty.inode === null || tty.name !== null || isErrno(at)) return;
  const { fs } = at.mount;
  if (!(fs instanceof DevptsFilesystem)) return;
  const index = fs.addForeign(tty.inode);
  if (index < 0) return;
  tty.name = `/dev/pts/${index}`;
  tty.rdev = makedev(PTS_MAJOR, index);
  Object.assign(tty.inode, { rdev: tty.rdev, mode: S_IFCHR | 0o620, uid, gid: TTY_GROUP });
  tty.onClosed = () => fs.removeForeign(index);
}

/** The container's terminal as /dev/console too. */
export function bindConsole(kernel: Kernel, mountNs: MountNamespace, stdio: ImportedStdio): void {
  const ctx = setupContext(kernel, { mount: mountNs.root, dentry: mountNs.root.root });
  const file = stdio.files.find((f) => f.inode === stdio.tty?.inode);
  if (file === undefined || stdio.tty === null) return;
  makeNode(ctx, null, CONSOLE, S_IFCHR | 0o620, makedev(5, 1));
  const at = walkPath(ctx, null, CONSOLE, true);
  if (isErrno(at)) return;
  mountInstance(at, kernel.vfs.newMount(file.path.mount.fs, mountFlags(0), file.path.dentry), 'devpts');
}
