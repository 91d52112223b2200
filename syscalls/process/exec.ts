// SPDX-License-Identifier: Apache-2.0

/**
 * execve, execveat.
 *
 * Linux: fs/exec.c
 */
import { E2BIG, EBADF, EFAULT, EINVAL, ENOENT, ENOTDIR, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../platform/abi/linux/fcntl.ts';
import { RLIMIT_STACK } from '../../sentry/kernel/process/rlimits.ts';
import { execTask } from '../../sentry/kernel/task_exec.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import type { ByteString } from '../../sentry/vfs/inode.ts';
import { openForExec, openPlaceForExec } from '../../sentry/vfs/open.ts';
import type { SyscallReturn } from '../../sentry/wait/blocking.ts';

const PATH_MAX = 4096;
/** Longest single argument (MAX_ARG_STRLEN). */
const MAX_ARG_STRLEN = 131072;
/** Least and most room for arguments, whatever the stack limit says. */
const MIN_ARG_BYTES = 131072;
const MAX_ARG_BYTES = 6 * 1024 * 1024;

/** Reads a NULL-terminated array of strings; `budget.left` is what argv and envp together may still take. */
function readStrings(t: Task, addr: number, budget: { left: number }): ByteString[] | Errno {
  const strings: ByteString[] = [];
  if (addr === 0) return strings;
  for (let at = addr; ; at += 8) {
    const pointer = t.memory.readU64(at);
    if (pointer < 0) return EFAULT;
    if (pointer === 0) return strings;
    const text = t.memory.readCString(pointer, Math.min(MAX_ARG_STRLEN, Math.max(budget.left, 1)));
    if (isErrno(text)) return text === EFAULT ? EFAULT : E2BIG;
    budget.left -= text.length + 9;
    if (budget.left < 0) return E2BIG;
    strings.push(text);
  }
}

function exec(t: Task, open: () => { file: FileDescription; filename: ByteString; scriptUnreachable: boolean } | Errno, argvAddr: number, envpAddr: number): SyscallReturn {
  const opened = open();
  if (isErrno(opened)) return opened;
  const stack = t.threadGroup.rlimits.soft(RLIMIT_STACK);
  const budget = { left: Math.max(MIN_ARG_BYTES, Math.min(stack / 4, MAX_ARG_BYTES)) };
  const argv = readStrings(t, argvAddr, budget);
  const envp = isErrno(argv) ? argv : readStrings(t, envpAddr, budget);
  if (isErrno(argv) || isErrno(envp)) {
    opened.file.decRef();
    return isErrno(argv) ? argv : (envp as Errno);
  }
  // Linux has run programs with an empty argv[0] rather than none since 5.18.
  if (argv.length === 0) argv.push('');
  return execTask(t, { ...opened, argv, envp });
}

export function sys_execve(t: Task, pathAddr: number, argvAddr: number, envpAddr: number): SyscallReturn {
  const path = t.memory.readCString(pathAddr, PATH_MAX);
  if (isErrno(path)) return path;
  if (path === '') return ENOENT;
  return exec(t, () => {
    const file = openForExec(t.kernel.vfs, t, null, path);
    return isErrno(file) ? file : { file, filename: path, scriptUnreachable: false };
  }, argvAddr, envpAddr);
}

export function sys_execveat(t: Task, dirfd: number, pathAddr: number, argvAddr: number, envpAddr: number, flags: number): SyscallReturn {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return EINVAL;
  const path = t.memory.readCString(pathAddr, PATH_MAX);
  if (isErrno(path)) return path;
  if (path === '' && (flags & AT_EMPTY_PATH) === 0) return ENOENT;
  return exec(t, () => openAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0), argvAddr, envpAddr);
}

function openAt(t: Task, dirfd: number, path: ByteString, follow: boolean): { file: FileDescription; filename: ByteString; scriptUnreachable: boolean } | Errno {
  const { vfs } = t.kernel;
  if (dirfd === AT_FDCWD || path.startsWith('/')) {
    const file = path === '' ? openPlaceForExec(vfs, t, t.cwd) : openForExec(vfs, t, null, path, follow);
    return isErrno(file) ? file : { file, filename: path, scriptUnreachable: false };
  }
  const base = t.fdTable.get(dirfd);
  if (base === null) return EBADF;
  const isCloexec = t.fdTable.isCloseOnExec(dirfd);
  if (path === '') {
    const file = openPlaceForExec(vfs, t, base.path);
    return isErrno(file) ? file : { file, filename: `/dev/fd/${dirfd}`, scriptUnreachable: isCloexec };
  }
  if (((base.inode.mode >> 12) & 0xf) !== 4) return ENOTDIR;
  const file = openForExec(vfs, t, base.path, path, follow);
  return isErrno(file) ? file : { file, filename: `/dev/fd/${dirfd}/${path}`, scriptUnreachable: isCloexec };
}

