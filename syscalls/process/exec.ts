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

/** Pointers read at once from argv and envp. */
const POINTERS = 64;
/** Bytes of strings read at once: argv and envp usually lie side by side, so one read serves many. */
const WINDOW = 8192;
const pointerBytes = new Uint8Array(POINTERS * 8);
const pointerWords = new Uint32Array(pointerBytes.buffer);
const windowBytes = Buffer.alloc(WINDOW);

/** Reads strings through a window of memory that stays for the next one. */
class StringReader {
  private readonly t: Task;
  private start = 0;
  /** The window's bytes as one string: its slices cost nothing. */
  private text = '';
  constructor(t: Task) {
    this.t = t;
  }

  /** The string at addr, at most `max` bytes with its NUL. Errors: EFAULT, E2BIG. */
  read(addr: number, max: number): ByteString | Errno {
    let from = addr - this.start;
    let end = from >= 0 && from < this.text.length ? this.text.indexOf('\0', from) : -1;
    if (end < 0) {
      if (!this.fill(addr)) return EFAULT;
      from = 0;
      end = this.text.indexOf('\0');
    }
    if (end >= 0) return end - from < max ? this.text.slice(from, end) : E2BIG;
    const text = this.t.memory.readCString(addr, max);
    return isErrno(text) && text !== EFAULT ? E2BIG : text;
  }

  private fill(addr: number): boolean {
    const n = this.t.memory.copyIn(addr, windowBytes, 0, WINDOW);
    this.start = addr;
    this.text = windowBytes.toString('latin1', 0, Math.max(n, 0));
    return n > 0;
  }
}

/** Reads a NULL-terminated array of strings; `budget.left` is what argv and envp together may still take. */
function readStrings(t: Task, addr: number, reader: StringReader, budget: { left: number }): ByteString[] | Errno {
  const strings: ByteString[] = [];
  if (addr === 0) return strings;
  for (let at = addr; ; at += POINTERS * 8) {
    const n = t.memory.copyIn(at, pointerBytes, 0, pointerBytes.length);
    for (let i = 0; i < POINTERS; i++) {
      if (i * 8 + 8 > n) return EFAULT;
      const pointer = (pointerWords[i * 2] as number) + (pointerWords[i * 2 + 1] as number) * 4294967296;
      if (pointer === 0) return strings;
      const text = reader.read(pointer, Math.min(MAX_ARG_STRLEN, Math.max(budget.left, 1)));
      if (isErrno(text)) return text;
      budget.left -= text.length + 9;
      if (budget.left < 0) return E2BIG;
      strings.push(text);
    }
  }
}

function exec(
  t: Task,
  open: () => { file: FileDescription; filename: ByteString; scriptUnreachable: boolean } | Errno,
  argvAddr: number,
  envpAddr: number,
): SyscallReturn {
  const opened = open();
  if (isErrno(opened)) return opened;
  const stack = t.threadGroup.rlimits.soft(RLIMIT_STACK);
  const budget = { left: Math.max(MIN_ARG_BYTES, Math.min(stack / 4, MAX_ARG_BYTES)) };
  const reader = new StringReader(t);
  const argv = readStrings(t, argvAddr, reader, budget);
  const envp = isErrno(argv) ? argv : readStrings(t, envpAddr, reader, budget);
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
  return exec(
    t,
    () => {
      const file = openForExec(t.kernel.vfs, t, null, path);
      return isErrno(file) ? file : { file, filename: path, scriptUnreachable: false };
    },
    argvAddr,
    envpAddr,
  );
}

export function sys_execveat(
  t: Task,
  dirfd: number,
  pathAddr: number,
  argvAddr: number,
  envpAddr: number,
  flags: number,
): SyscallReturn {
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return EINVAL;
  const path = t.memory.readCString(pathAddr, PATH_MAX);
  if (isErrno(path)) return path;
  if (path === '' && (flags & AT_EMPTY_PATH) === 0) return ENOENT;
  return exec(t, () => openAt(t, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) === 0), argvAddr, envpAddr);
}

function openAt(
  t: Task,
  dirfd: number,
  path: ByteString,
  follow: boolean,
): { file: FileDescription; filename: ByteString; scriptUnreachable: boolean } | Errno {
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
