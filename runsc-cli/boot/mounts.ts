// SPDX-License-Identifier: Apache-2.0

/**
 * The container's mount namespace, from its configuration.
 *
 * Invariants: mounts are made in the order of the configuration, each inside what was mounted before. A mount point that is missing is
 *             made; where that cannot be done the error names it.
 */
import { type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { rootCredentials } from '../../sentry/auth/credentials.ts';
import type { GuestContainer } from '../../sentry/kernel/guest_container.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import type { Filesystem } from '../../sentry/vfs/filesystem.ts';
import type { Inode } from '../../sentry/vfs/inode.ts';
import type { Mount, MountNamespace, Path } from '../../sentry/vfs/mount.ts';
import { mountFlags, mountInstance } from '../../sentry/vfs/mount_calls.ts';
import { makeDirectory, makeNode } from '../../sentry/vfs/names.ts';
import { leaveNamespace } from '../../sentry/vfs/mount_tree.ts';
import { walkPath } from '../../sentry/vfs/path_walk.ts';
import { errnoWords, EXIT_OWN_FAILURE } from '../errors.ts';
import { copyTree } from './copy_up.ts';
import type { MountConfig, SandboxConfig } from '../sandbox/config.ts';
import { hasFilesystem, makeFilesystem, makeOverlay } from './filesystems.ts';
import { applySysctl, makeDevices } from './devices.ts';
import type { GoferTrees } from './gofer_trees.ts';
import { StartError } from './start_error.ts';

const MS_RDONLY = 1;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const EEXIST = -17;

/** Builds the namespace. Throws StartError. */
export function buildMounts(kernel: Kernel, trees: GoferTrees, config: SandboxConfig, container: GuestContainer): MountNamespace {
  const { vfs } = kernel;
  const lower = trees[0] as Filesystem;
  // A read-only root gets a layer for mount points that are missing in it: its own files stay untouched.
  const rootFs = config.rootOverlay || config.rootReadonly ? makeOverlay(kernel, lower) : lower;
  if (isErrno(rootFs)) throw failure(`overlay: ${errnoWords(rootFs)}`);
  const root = vfs.newMount(rootFs, mountFlags(0));
  root.source = 'none';
  const namespace = vfs.namespaceOf(root);
  try {
    fill(kernel, setupContext(kernel, { mount: root, dentry: root.root }, container), trees, config);
  } catch (error) {
    leaveNamespace(vfs, namespace);
    throw error;
  }
  if (config.rootReadonly) root.flags |= MS_RDONLY;
  return namespace;
}

/** Everything that is in the namespace besides its root. */
function fill(kernel: Kernel, ctx: SetupContext, trees: GoferTrees, config: SandboxConfig): void {
  const made: [Mount, MountConfig][] = [];
  for (const mount of config.mounts) {
    // Filesystem types of rooms that have not been built yet are left out.
    if (!hasFilesystem(kernel, mount)) {
      kernel.host.log('warn', `mount ${mount.destination}: no ${mount.kind} filesystem yet`);
      continue;
    }
    const placed = placeFor(ctx, mount);
    const fs = mount.kind === 'bind' ? (trees[mount.tree] as Filesystem) : makeFilesystem(kernel, ctx, placed);
    if (isErrno(fs)) throw failure(`mount ${mount.destination} (${mount.kind}): ${errnoWords(fs)}`);
    // As on Linux, where programs find the container's id in it.
    if (mount.kind === 'bind' && mount.source !== '/') fs.rootPath = latin1(mount.source);
    made.push([attach(kernel, ctx, placed, fs), placed]);
  }
  makeDevices(kernel, ctx, config);
  // Now that there is a mount point for each: a read-only /dev holds other mounts.
  for (const [mount, { flags }] of made) mount.flags = mountFlags(flags);
  if (config.process.createCwd) makePath(ctx, latin1(config.process.cwd));
  // Before /proc/sys becomes read-only.
  applySysctl(kernel, ctx, config);
  hidePaths(kernel, ctx, config);
}

function attach(kernel: Kernel, ctx: IoContext, mount: MountConfig, fs: Filesystem): Mount {
  const destination = latin1(mount.destination);
  const isDirectory = (fs.root.mode & S_IFMT) === S_IFDIR;
  const at = ensureMountPoint(ctx, destination, isDirectory);
  if (isErrno(at)) throw failure(`mount ${mount.destination}: ${errnoWords(at)}`);
  const made = kernel.vfs.newMount(fs, mountFlags(mount.flags & ~MS_RDONLY));
  mountInstance(at, made, latin1(mount.source));
  const err = mount.copiesUp === true ? copyTree(kernel, { ...ctx, creds: ctx.creds, umask: 0 }, at, destination) : 0;
  if (err !== 0) throw failure(`mount ${mount.destination}: tmpcopyup: ${errnoWords(err)}`);
  return made;
}

/** Looks at the mount point before it is used: /proc and /sys may not be led elsewhere; a tmpfs takes a directory's permissions over. */
function placeFor(ctx: IoContext, mount: MountConfig): MountConfig {
  const at = walkPath(ctx, null, latin1(mount.destination), mount.kind !== 'proc' && mount.kind !== 'sysfs');
  if (isErrno(at)) return mount;
  const mode = at.dentry.inode?.mode ?? 0;
  if (mount.kind === 'proc' || mount.kind === 'sysfs') {
    if ((mode & S_IFMT) !== S_IFDIR) throw failure(`filesystem "${mount.kind}" must be mounted on ordinary directory`);
  } else if (mount.kind === 'tmpfs' && !/(^|,)mode=/.test(mount.data)) {
    return { ...mount, data: `${mount.data}${mount.data === '' ? '' : ','}mode=${(mode & 0o7777).toString(8)}` };
  }
  return mount;
}

/** Finds a mount point, making it (a directory, or an empty file for a file) when it is missing. */
function ensureMountPoint(ctx: IoContext, path: string, isDirectory: boolean): Path | Errno {
  const found = walkPath(ctx, null, path, true);
  if (!isErrno(found)) return found;
  const parent = path.slice(0, path.lastIndexOf('/')) || '/';
  const err = makePath(ctx, isDirectory ? path : parent);
  if (err !== 0) return err as Errno;
  if (!isDirectory) {
    const node = makeNode(ctx, null, path, S_IFREG | 0o644, 0);
    if (isErrno(node)) return node;
  }
  return walkPath(ctx, null, path, true);
}

/** mkdir -p. Returns 0 or errno. */
export function makePath(ctx: IoContext, path: string): number {
  let at = '';
  for (const part of path.split('/')) {
    if (part === '') continue;
    at += `/${part}`;
    if (!isErrno(walkPath(ctx, null, at, true))) continue;
    const err = makeDirectory(ctx, null, at, 0o755);
    if (err !== 0 && err !== EEXIST) return err;
  }
  return 0;
}

/** maskedPaths show nothing, readonlyPaths cannot be written. What is not there needs neither. */
function hidePaths(kernel: Kernel, ctx: IoContext, config: SandboxConfig): void {
  const { vfs } = kernel;
  for (const masked of config.maskedPaths) {
    const at = walkPath(ctx, null, latin1(masked), true);
    if (isErrno(at)) continue;
    const isDirectory = ((at.dentry.inode as Inode).mode & S_IFMT) === S_IFDIR;
    if (isDirectory) {
      const empty = vfs.filesystemType('tmpfs')?.mount(ctx, 'tmpfs', 'size=0k');
      if (empty === undefined || isErrno(empty)) continue;
      mountInstance(at, vfs.newMount(empty, mountFlags(MS_RDONLY)), 'tmpfs');
      continue;
    }
    const nothing = walkPath(ctx, null, '/dev/null', true);
    if (isErrno(nothing)) continue;
    mountInstance(at, vfs.newMount(nothing.mount.fs, nothing.mount.flags, nothing.dentry), 'null');
  }
  for (const readonly of config.readonlyPaths) {
    const at = walkPath(ctx, null, latin1(readonly), true);
    if (isErrno(at)) continue;
    const copy = vfs.newMount(at.mount.fs, at.mount.flags | MS_RDONLY, at.dentry);
    mountInstance(at, copy, at.mount.source ?? 'none');
  }
}

/** What filesystems ask of a task that mounts them. */
export type SetupContext = IoContext & Pick<Task, 'pidNs' | 'uts' | 'ipcNs' | 'netNs'> & { readonly container: GuestContainer };

/** The runtime itself, as root of the container, before there is a task. */
export function setupContext(kernel: Kernel, root: Path, container = kernel.container): SetupContext {
  const fault = (): Errno => -14 as Errno;
  const { pid, uts, ipc, net } = container.namespaces;
  return {
    container,
    pidNs: pid,
    uts,
    ipcNs: ipc,
    netNs: net,
    creds: rootCredentials(kernel.userNs),
    memory: {
      copyIn: fault, copyOut: fault, readCString: fault, readU32: fault, readU64: fault, writeU32: fault, writeU64: fault, zero: fault, compareExchangeU32: fault, forceCopyOut: fault,
    },
    rootDir: root,
    cwd: root,
    umask: 0,
    fileSizeLimit: Number.POSITIVE_INFINITY,
    lockOwnerPid: 0,
    raiseSignal: () => {},
  };
}

function failure(message: string): StartError {
  return new StartError(message, EXIT_OWN_FAILURE);
}

function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
