// SPDX-License-Identifier: Apache-2.0

/**
 * What the start-up code needs beyond the plain calls of process.ts, namespaces.ts and files.ts, in the shape it needs it:
 * waits, polls, limits, terminals, mounts with host paths (ordinary strings here, not byte strings), closing everything.
 *
 * Invariants: every function returns >= 0 or a negative errno (exitNow never returns). Nothing here is reachable from a
 *             guest's system call.
 */
import * as files from './files.ts';
import * as namespaces from './namespaces.ts';
import { allocateNative, emitCode, libcFunction, rawSyscall, viewMemory } from './native.ts';
import * as proc from './process.ts';

export { fork, getegid, geteuid, getpid, getppid, kill, setpgid, setsid } from './process.ts';
export { unshare, fchdir } from './namespaces.ts';
export { close, dup2, fcntl } from './files.ts';

const SYS_poll = 7;
const SYS_clone = 56;
const SIGCHLD = 17;
const SYS_ioctl = 16;
const SYS_getpgrp = 111;
const SYS_mkdir = 83;
const SYS_waitid = 247;
const P_ALL = 0;
const WNOHANG_WEXITED_WNOWAIT = 1 | 4 | 0x01000000;
/** Of siginfo_t, in words. */
const SI_PID = 4;
const EINTR = -4;
const ENOSYS = -38;
const EPERM = -1;

/** A JavaScript string as the byte string that the calls below this file take. */
export function hostBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

// Processes

/**
 * clone(2) with namespaces and nothing shared: a fork() that is born in them, also from a process with threads (which may not unshare a user
 * namespace). Around glibc: its fork handlers do not run, which is sound while no other thread of Node is inside malloc; the idle helpers of a
 * Node without a worker pool are not. 0 in the child.
 */
export function cloneInto(namespaces: number): number {
  return rawSyscall(SYS_clone, namespaces + SIGCHLD, 0, 0, 0, 0);
}

/** _exit(2): no atexit handlers, no event loop. */
export function exitNow(status: number): never {
  proc._exit(status & 255);
}

const status = new Int32Array(1);
/** waitpid(2): the pid (0 with WNOHANG and nothing to report); the wait status is in waitStatus(). */
export function waitPid(pid: number, options: number): number {
  for (;;) {
    const result = proc.waitpid(pid, status, options);
    if (result !== EINTR) return result;
  }
}
/** waitid(2) of any child with WNOWAIT: a child that has ended and is not reaped, 0 when there is none, or errno. */
export function endedChild(): number {
  const info = new Int32Array(32);
  const result = rawSyscall(SYS_waitid, P_ALL, 0, info, WNOHANG_WEXITED_WNOWAIT, 0);
  return result < 0 ? result : (info[SI_PID] as number);
}
/** The status that the last waitPid() reported. */
export function waitStatus(): number {
  return status[0] as number;
}
/** Replaces the process image. Returns only on failure. */
export function execve(path: string, args: readonly string[], env: readonly string[]): number {
  return proc.execve(hostBytes(path), args.map(hostBytes), env.map(hostBytes));
}

/** posix_spawn(3): starts `path` with descriptors moved as `moves` [from, to] says. Returns the pid or errno. */
export function spawn(
  path: string,
  args: readonly string[],
  env: readonly string[],
  moves: readonly (readonly [number, number])[],
): number {
  const init = libcFunction<(actions: Uint8Array) => number>('posix_spawn_file_actions_init', 'int', ['uint8_t *']);
  const add = libcFunction<(actions: Uint8Array, from: number, to: number) => number>(
    'posix_spawn_file_actions_adddup2',
    'int',
    ['uint8_t *', 'int', 'int'],
  );
  const run = libcFunction<
    (
      pid: Uint8Array,
      path: Uint8Array,
      actions: Uint8Array,
      attr: null,
      argv: BigUint64Array,
      envp: BigUint64Array,
    ) => number
  >('posix_spawn', 'int', ['uint8_t *', 'uint8_t *', 'uint8_t *', 'void *', 'uint64_t *', 'uint64_t *']);
  const actions = Buffer.alloc(128);
  init(actions);
  for (const [from, to] of moves) add(actions, from, to);
  const pid = Buffer.alloc(8);
  const result = run(pid, Buffer.from(`${path}\0`), actions, null, pointers(args), pointers(env));
  return result !== 0 ? -result : pid.readInt32LE(0);
}
function pointers(items: readonly string[]): BigUint64Array {
  const out = new BigUint64Array(items.length + 1);
  items.forEach((item, i) => {
    const bytes = Buffer.from(`${item}\0`);
    const memory = allocateNative(bytes.length);
    memory.bytes.set(bytes);
    out[i] = BigInt(memory.addr);
  });
  return out;
}

// Confinement

export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return proc.prctl(option, a, b, c, d);
}
/** Installs a classic BPF filter (an array of sock_filter) with SECCOMP_SET_MODE_FILTER. */
export function seccompFilter(program: Uint8Array, flags: number): number {
  return proc.seccomp_set_filter(program, flags);
}
/** Sets the three capability sets of the calling thread, each [caps 0..31, caps 32..63]. */
export function capset(
  effective: readonly [number, number],
  permitted: readonly [number, number],
  inheritable: readonly [number, number],
): number {
  return proc.capset(effective, permitted, inheritable);
}
export function setresuid(uid: number): number {
  return proc.setresuid(uid, uid, uid);
}
export function setresgid(gid: number): number {
  return proc.setresgid(gid, gid, gid);
}
/** setgroups(2) with an empty list. */
export function clearGroups(): number {
  return proc.setgroups([]);
}

// Mounts

export function mount(source: string, target: string, type: string | null, flags: number, data: string | null): number {
  return namespaces.mount(hostBytes(source), hostBytes(target), type, flags, data);
}
export function umount(target: string, flags: number): number {
  return namespaces.umount2(hostBytes(target), flags);
}
/** mount_setattr(2) with AT_RECURSIVE: sets `attributes` (MOUNT_ATTR_*) on the tree at `target`. ENOSYS before Linux 5.12. */
export function mountSetAttributes(target: string, attributes: number): number {
  const attr = Buffer.alloc(32);
  attr.writeUInt32LE(attributes, 0);
  return namespaces.mount_setattr(-100, hostBytes(target), 0x8000, attr);
}
/** pivot_root(".", ".") in a new root that is the working directory, then lets go of the old one. */
export function pivotHere(): number {
  const result = namespaces.pivot_root('.', '.');
  if (result < 0) return result;
  const detached = umount('.', 2);
  return detached < 0 ? detached : chdir('/');
}
export function chdir(path: string): number {
  return namespaces.chdir(hostBytes(path));
}
export function mkdir(path: string, mode: number): number {
  return rawSyscall(SYS_mkdir, Buffer.from(`${path}\0`), mode);
}
export function sethostname(name: string): number {
  return namespaces.sethostname(hostBytes(name));
}

// Descriptors

export function open(path: string, flags: number, mode = 0): number {
  return files.open(hostBytes(path), flags, mode);
}
const twoFds = new Int32Array(2);
/** [read end, write end] or errno. */
export function pipe(flags: number): [number, number] | number {
  const result = files.pipe2(twoFds, flags);
  return result < 0 ? result : [twoFds[0] as number, twoFds[1] as number];
}
/** A pair of connected AF_UNIX sockets or errno. */
export function socketpair(type: number): [number, number] | number {
  const result = rawSyscall(53, 1, type, 0, twoFds);
  return result < 0 ? result : [twoFds[0] as number, twoFds[1] as number];
}
/** Closes every descriptor that is not in `keep`. */
export function closeAllExcept(keep: readonly number[]): number {
  let from = 0;
  let result = 0;
  for (const fd of [...new Set(keep)].filter((fd) => fd >= 0).sort((a, b) => a - b)) {
    if (fd > from) result = Math.min(result, closeRange(from, fd - 1));
    from = fd + 1;
  }
  return Math.min(result, closeRange(from, 0xffffffff));
}
/** close_range(2), with a loop where the kernel (before 5.9) or a filter does not have it. */
export function closeRange(first: number, last: number): number {
  const result = files.close_range(first, last);
  if (result !== ENOSYS && result !== EPERM) return result;
  for (let fd = first; fd <= Math.min(last, 65535); fd++) files.close(fd);
  return 0;
}
export function read(fd: number, buf: Uint8Array): number {
  return files.read(fd, buf);
}
/** Writes all of buf unless an error stops it. */
export function write(fd: number, buf: Uint8Array): number {
  let at = 0;
  while (at < buf.length) {
    const n = files.write(fd, buf, at);
    if (n < 0 && n !== EINTR) return n;
    if (n > 0) at += n;
  }
  return at;
}

export interface PollEntry {
  fd: number;
  events: number;
  revents: number;
}
/** poll(2) of several descriptors; revents replaces each entry's. Returns how many are ready, 0 at the timeout. */
export function poll(entries: PollEntry[], timeoutMs: number): number {
  const buf = Buffer.alloc(entries.length * 8);
  entries.forEach((entry, i) => {
    buf.writeInt32LE(entry.fd, i * 8);
    buf.writeInt16LE(entry.events, i * 8 + 4);
  });
  const n = rawSyscall(SYS_poll, buf, entries.length, timeoutMs);
  entries.forEach((entry, i) => {
    entry.revents = n > 0 ? buf.readInt16LE(i * 8 + 6) : 0;
  });
  return n;
}

// Limits

const limits = new BigUint64Array(2);
const INFINITE = 0xffffffffffffffffn;
/** [soft, hard] as Numbers (Infinity: none) or errno. */
export function getrlimit(resource: number): [number, number] | number {
  const result = proc.prlimit(0, resource, null, limits);
  if (result < 0) return result;
  const value = (i: number): number => (limits[i] === INFINITE ? Number.POSITIVE_INFINITY : Number(limits[i]));
  return [value(0), value(1)];
}
export function setrlimit(resource: number, soft: number, hard: number): number {
  [soft, hard].forEach((limit, i) => {
    limits[i] = Number.isFinite(limit) ? BigInt(limit) : INFINITE;
  });
  return proc.prlimit(0, resource, limits, null);
}

// Signals

const SA_RESTORER = 0x04000000;
let restorer = 0;

/** Sets the disposition of a signal to an address (0 SIG_DFL, 1 SIG_IGN, or a machine code handler). */
export function setSignalHandler(signo: number, handler: number, flags: number): number {
  const action = Buffer.alloc(32);
  action.writeBigUInt64LE(BigInt(handler), 0);
  if (handler > 1) {
    if (restorer === 0) restorer = emitCode([0xb8, 15, 0, 0, 0, 0x0f, 0x05]); // mov eax, SYS_rt_sigreturn; syscall
    action.writeBigUInt64LE(BigInt(flags | SA_RESTORER), 8);
    action.writeBigUInt64LE(BigInt(restorer), 16);
  } else action.writeBigUInt64LE(BigInt(flags), 8);
  return proc.sigaction(signo, action, null);
}
/** The current handler's address of a signal (0 SIG_DFL, 1 SIG_IGN). */
export function getSignalHandler(signo: number): number {
  const action = Buffer.alloc(32);
  proc.sigaction(signo, null, action);
  return Number(action.readBigUInt64LE(0));
}
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;
/** Changes the calling thread's mask; `signals` are numbers. */
export function sigprocmask(how: number, signals: readonly number[]): number {
  const set = Buffer.alloc(8);
  for (const s of signals) set[(s - 1) >> 3] = (set[(s - 1) >> 3] as number) | (1 << ((s - 1) & 7));
  return proc.sigprocmask(how, set, null);
}

// Terminals

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCGPGRP = 0x540f;
const TIOCSPGRP = 0x5410;
/** The terminal's settings (struct termios, opaque), or null when fd is not a terminal. */
export function tcgetattr(fd: number): Buffer | null {
  const attributes = Buffer.alloc(64);
  return rawSyscall(SYS_ioctl, fd, TCGETS, attributes) === 0 ? attributes : null;
}
/** Sets the terminal at once (TCSANOW). */
export function tcsetattr(fd: number, attributes: Buffer): number {
  return rawSyscall(SYS_ioctl, fd, TCSETS, attributes);
}
export function tcgetpgrp(fd: number): number {
  const out = new Int32Array(1);
  const result = rawSyscall(SYS_ioctl, fd, TIOCGPGRP, out);
  return result < 0 ? result : (out[0] as number);
}
export function tcsetpgrp(fd: number, group: number): number {
  return rawSyscall(SYS_ioctl, fd, TIOCSPGRP, Int32Array.of(group));
}
export function isatty(fd: number): boolean {
  return tcgetattr(fd) !== null;
}
export function getpgrp(): number {
  return rawSyscall(SYS_getpgrp);
}

export { viewMemory };
