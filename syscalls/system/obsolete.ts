// SPDX-License-Identifier: Apache-2.0

/**
 * Calls that old programs make: ustat, sysfs, vhangup.
 *
 * Linux: fs/statfs.c, fs/filesystems.c, fs/open.c, drivers/tty/tty_io.c (tty_vhangup_self)
 */
import { CAP_SYS_TTY_CONFIG } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EPERM, isErrno } from '../../platform/abi/linux/errno.ts';
import { releaseTerminal } from '../../sentry/kernel/task_exit.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { Mount } from '../../sentry/vfs/mount.ts';
import { emptyStatFs, statMount } from '../../sentry/vfs/statfs.ts';

const USTAT_SIZE = 32;
const FS_BY_NAME = 1;
const FS_BY_INDEX = 2;
const FS_COUNT = 3;
const PATH_MAX = 4096;

export function sys_ustat(t: Task, dev: number, addr: number): number {
  let found: Mount | null = null;
  t.mountNs.forEach((mount) => {
    if (mount.fs.dev === dev) found = mount;
  });
  if (found === null) return EINVAL;
  const stat = emptyStatFs();
  const err = statMount(found, stat);
  if (err !== 0) return err;
  const bytes = new Uint8Array(USTAT_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, stat.bfree % 4294967296, true);
  view.setBigUint64(8, BigInt(stat.ffree), true);
  return t.memory.copyOut(addr, bytes, 0, USTAT_SIZE) === USTAT_SIZE ? 0 : EFAULT;
}

export function sys_sysfs(t: Task, option: number, arg: number, bufAddr: number): number {
  const types = t.kernel.vfs.filesystemTypes();
  if (option === FS_COUNT) return types.length;
  if (option === FS_BY_NAME) {
    const name = t.memory.readCString(arg, PATH_MAX);
    if (isErrno(name)) return name;
    const at = types.findIndex((type) => type.name === name);
    return at < 0 ? EINVAL : at;
  }
  if (option !== FS_BY_INDEX) return EINVAL;
  const type = types[arg];
  if (type === undefined) return EINVAL;
  const text = Buffer.from(`${type.name}\0`, 'latin1');
  return t.memory.copyOut(bufAddr, text, 0, text.length) === text.length ? 0 : EFAULT;
}

export function sys_vhangup(t: Task): number {
  if (!t.creds.hasCap(CAP_SYS_TTY_CONFIG)) return EPERM;
  releaseTerminal(t.threadGroup.session);
  return 0;
}
