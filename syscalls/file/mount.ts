// SPDX-License-Identifier: Apache-2.0

/**
 * mount, umount2, pivot_root.
 *
 * Linux: fs/namespace.c
 */
import { EFAULT, EINVAL, ENOENT, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { AT_FDCWD } from '../../platform/abi/linux/fcntl.ts';
import { MS_MGC_MSK, MS_MGC_VAL } from '../../platform/abi/linux/mount.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { samePath } from '../../sentry/vfs/mount.ts';
import { mountAt, pivotRoot, unmount } from '../../sentry/vfs/mount_calls.ts';
import { readPath, readText, resolveAt } from './path_args.ts';

const PAGE = 4096;
const page = Buffer.allocUnsafeSlow(PAGE);

/** The data page: as much of it as can be read, up to a NUL. */
function readData(t: Task, addr: number): string | Errno {
  if (addr === 0) return '';
  const n = t.memory.copyIn(addr, page, 0, PAGE);
  if (n <= 0) return EFAULT;
  const end = page.subarray(0, n).indexOf(0);
  return page.toString('latin1', 0, end < 0 ? Math.min(n, PAGE - 1) : end);
}

export function sys_mount(t: Task, source: number, target: number, type: number, flags: number, data: number): number {
  const typeName = type === 0 ? null : readText(t, type, PAGE);
  if (isErrno(typeName)) return typeName;
  const sourceName = source === 0 ? '' : readText(t, source, PAGE);
  if (isErrno(sourceName)) return sourceName;
  const options = readData(t, data);
  if (isErrno(options)) return options;
  const place = resolveAt(t, AT_FDCWD, target, true, false);
  if (isErrno(place)) return place;
  let words = flags >>> 0;
  if ((words & MS_MGC_MSK) >>> 0 === MS_MGC_VAL) words &= ~MS_MGC_MSK;
  return mountAt(t.kernel.vfs, t, place, { source: sourceName, type: typeName, flags: words, data: options });
}

export function sys_umount2(t: Task, target: number, flags: number): number {
  if ((flags & ~0xf) !== 0) return EINVAL;
  const path = readPath(t, target);
  if (isErrno(path)) return path;
  return path.length === 0 ? ENOENT : unmount(t.kernel.vfs, t, path, flags);
}

export function sys_pivot_root(t: Task, newRoot: number, putOld: number): number {
  const fresh = readPath(t, newRoot);
  if (isErrno(fresh)) return fresh;
  const old = readPath(t, putOld);
  if (isErrno(old)) return old;
  const pivot = pivotRoot(t, fresh, old);
  if (isErrno(pivot)) return pivot;
  for (const task of t.kernel.tasks.values()) {
    const { fsContext } = task;
    if (!task.isLive) continue;
    if (samePath(fsContext.root, pivot.from)) fsContext.setRoot(pivot.to);
    if (samePath(fsContext.cwd, pivot.from)) fsContext.setCwd(pivot.to);
  }
  return 0;
}
