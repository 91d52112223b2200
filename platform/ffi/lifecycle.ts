// SPDX-License-Identifier: Apache-2.0

/**
 * Host calls that make, confine, await and end processes of our own (CLI, Sentry, Gofer): fork, waits, namespaces, mounts,
 * credentials, descriptors, terminals. Nothing here is reachable from a guest's system call.
 *
 * Invariants: every function returns >= 0 or a negative errno (exitNow never returns).
 */
import koffi from 'koffi';

const lib = koffi.load('libc.so.6');

const c_fork = lib.func('int fork()');
const c_exit = lib.func('void _exit(int)');
const c_waitpid = lib.func('int waitpid(int, uint8_t *, int)');
const c_kill = lib.func('int kill(int, int)');
const c_syscall = lib.func('int64_t syscall(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t)');
const c_prctl = lib.func('int prctl(int, uint64_t, uint64_t, uint64_t, uint64_t)');
const c_unshare = lib.func('int unshare(int)');
const c_mount = lib.func('int mount(const char *, const char *, const char *, uint64_t, const char *)');
const c_umount2 = lib.func('int umount2(const char *, int)');
const c_chdir = lib.func('int chdir(const char *)');
const c_fchdir = lib.func('int fchdir(int)');
const c_chroot = lib.func('int chroot(const char *)');
const c_mkdir = lib.func('int mkdir(const char *, uint32_t)');
const c_open = lib.func('int open(const char *, int, uint32_t)');
const c_close = lib.func('int close(int)');
const c_dup2 = lib.func('int dup2(int, int)');
const c_fcntl = lib.func('int fcntl(int, int, int64_t)');
const c_pipe2 = lib.func('int pipe2(uint8_t *, int)');
const c_socketpair = lib.func('int socketpair(int, int, int, uint8_t *)');
const c_poll = lib.func('int poll(uint8_t *, uint64_t, int)');
const c_read = lib.func('int64_t read(int, uint8_t *, uint64_t)');
const c_write = lib.func('int64_t write(int, uint8_t *, uint64_t)');
const c_sethostname = lib.func('int sethostname(uint8_t *, uint64_t)');
const c_getrlimit = lib.func('int getrlimit(int, uint8_t *)');
const c_setrlimit = lib.func('int setrlimit(int, uint8_t *)');
const c_sigaction = lib.func('int sigaction(int, uint8_t *, uint8_t *)');
const c_sigprocmask = lib.func('int sigprocmask(int, uint8_t *, uint8_t *)');
const c_tcgetattr = lib.func('int tcgetattr(int, uint8_t *)');
const c_tcsetattr = lib.func('int tcsetattr(int, int, uint8_t *)');
const c_tcgetpgrp = lib.func('int tcgetpgrp(int)');
const c_tcsetpgrp = lib.func('int tcsetpgrp(int, int)');
const c_setsid = lib.func('int setsid()');
const c_getpgrp = lib.func('int getpgrp()');
const c_setpgid = lib.func('int setpgid(int, int)');
const c_isatty = lib.func('int isatty(int)');
const c_geteuid = lib.func('uint32_t geteuid()');
const c_getegid = lib.func('uint32_t getegid()');
const c_posix_spawn = lib.func('int posix_spawn(uint8_t *, const char *, uint8_t *, uint8_t *, uint64_t *, uint64_t *)');
const c_fa_init = lib.func('int posix_spawn_file_actions_init(uint8_t *)');
const c_fa_dup2 = lib.func('int posix_spawn_file_actions_adddup2(uint8_t *, int, int)');
const c_execve = lib.func('int execve(const char *, uint64_t *, uint64_t *)');

const SYS_capset = 126;
const SYS_pivot_root = 155;
const SYS_setresuid = 117;
const SYS_setresgid = 119;
const SYS_setgroups = 116;
const SYS_getpid = 39;
const SYS_getppid = 110;
const SYS_seccomp = 317;
const SYS_close_range = 436;
const SYS_mount_setattr = 442;

const scratch = Buffer.alloc(256);

function check(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}
function raw(n: number, a = 0, b = 0, c = 0, d = 0, e = 0): number {
  return check(Number(c_syscall(n, a, b, c, d, e, 0)));
}
function address(buf: Uint8Array): number {
  return Number(koffi.address(buf));
}
/** A C string in memory that stays alive as long as the returned buffer. */
function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`, 'utf8');
}

// Processes

/** fork(2) through glibc, so that thread ids, locks and rseq are right in the child. 0 in the child. */
export function fork(): number {
  return check(c_fork());
}
/** _exit(2): no atexit handlers, no event loop. */
export function exitNow(status: number): never {
  c_exit(status);
  for (;;) c_kill(raw(SYS_getpid), 9);
}
/** waitpid(2): the pid (0 with WNOHANG and nothing to report); the wait status is in waitStatus. */
export function waitPid(pid: number, options: number): number {
  return check(c_waitpid(pid, scratch, options));
}
/** The status that the last waitPid() reported. */
export function waitStatus(): number {
  return scratch.readInt32LE(0);
}
export function kill(pid: number, signo: number): number {
  return check(c_kill(pid, signo));
}
/** getpid(2): the truth after a fork, unlike Node's cached process.pid. */
export function getpid(): number {
  return raw(SYS_getpid);
}
export function getppid(): number {
  return raw(SYS_getppid);
}
/** Replaces the process image. Returns only on failure. */
export function execve(path: string, args: readonly string[], env: readonly string[]): number {
  const argv = stringArray(args);
  const envp = stringArray(env);
  return check(c_execve(path, argv.pointers, envp.pointers));
}
/** posix_spawn(3): starts `path` with descriptors moved as `moves` [from, to] says. Returns the pid or errno. */
export function spawn(path: string, args: readonly string[], env: readonly string[], moves: readonly (readonly [number, number])[]): number {
  const actions = Buffer.alloc(128);
  const pid = Buffer.alloc(8);
  c_fa_init(actions);
  for (const [from, to] of moves) c_fa_dup2(actions, from, to);
  const argv = stringArray(args);
  const envp = stringArray(env);
  const result = c_posix_spawn(pid, path, actions, Buffer.alloc(512).fill(0), argv.pointers, envp.pointers);
  return result !== 0 ? -result : pid.readInt32LE(0);
}
function stringArray(items: readonly string[]): { pointers: BigUint64Array; keep: Buffer[] } {
  const keep = items.map(cstring);
  const pointers = new BigUint64Array(items.length + 1);
  for (let i = 0; i < keep.length; i++) pointers[i] = BigInt(koffi.address(keep[i] as Buffer));
  return { pointers, keep };
}

// Confinement

export function prctl(option: number, a = 0, b = 0, c = 0, d = 0): number {
  return check(c_prctl(option, a, b, c, d));
}
export function unshare(flags: number): number {
  return check(c_unshare(flags));
}
/** Installs a classic BPF filter (an array of sock_filter, 8 bytes each) with SECCOMP_SET_MODE_FILTER. */
export function seccompFilter(program: Uint8Array, flags: number): number {
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length / 8, 0);
  header.writeBigUInt64LE(BigInt(address(program)), 8);
  return raw(SYS_seccomp, 1, flags, address(header));
}
/** Sets the three capability sets of the calling thread, each [caps 0..31, caps 32..63]. */
export function capset(effective: readonly [number, number], permitted: readonly [number, number], inheritable: readonly [number, number]): number {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x20080522, 0);
  const data = Buffer.alloc(24);
  for (let i = 0; i < 2; i++) {
    data.writeUInt32LE((effective[i] as number) >>> 0, i * 12);
    data.writeUInt32LE((permitted[i] as number) >>> 0, i * 12 + 4);
    data.writeUInt32LE((inheritable[i] as number) >>> 0, i * 12 + 8);
  }
  return raw(SYS_capset, address(header), address(data));
}
export function setresuid(uid: number): number {
  return raw(SYS_setresuid, uid, uid, uid);
}
export function setresgid(gid: number): number {
  return raw(SYS_setresgid, gid, gid, gid);
}
/** setgroups(2) with an empty list. */
export function clearGroups(): number {
  return raw(SYS_setgroups, 0, 0);
}
export function geteuid(): number {
  return c_geteuid();
}
export function getegid(): number {
  return c_getegid();
}

// Mounts

export function mount(source: string, target: string, type: string | null, flags: number, data: string | null): number {
  return check(c_mount(source, target, type, flags, data));
}
export function umount(target: string, flags: number): number {
  return check(c_umount2(target, flags));
}
/** mount_setattr(2) with AT_RECURSIVE: sets `attributes` (MOUNT_ATTR_*) on the tree at `target`. ENOSYS before Linux 5.12. */
export function mountSetAttributes(target: string, attributes: number): number {
  const path = cstring(target);
  const attr = Buffer.alloc(32);
  attr.writeUInt32LE(attributes, 0);
  return raw(SYS_mount_setattr, -100, address(path), 0x8000, address(attr), 32);
}
/** pivot_root(".", ".") in a new root that is the working directory, then lets go of the old one. */
export function pivotHere(): number {
  const dot = cstring('.');
  const result = raw(SYS_pivot_root, address(dot), address(dot));
  if (result < 0) return result;
  const detached = umount('.', 2);
  return detached < 0 ? detached : chdir('/');
}
export function chdir(path: string): number {
  return check(c_chdir(path));
}
export function fchdir(fd: number): number {
  return check(c_fchdir(fd));
}
export function chroot(path: string): number {
  return check(c_chroot(path));
}
export function mkdir(path: string, mode: number): number {
  return check(c_mkdir(path, mode));
}
export function sethostname(name: string): number {
  const bytes = Buffer.from(name, 'utf8');
  return check(c_sethostname(bytes, bytes.length));
}

// Descriptors

export function open(path: string, flags: number, mode = 0): number {
  return check(c_open(path, flags, mode));
}
export function close(fd: number): number {
  return check(c_close(fd));
}
export function dup2(from: number, to: number): number {
  return check(c_dup2(from, to));
}
export function fcntl(fd: number, command: number, arg: number): number {
  return check(c_fcntl(fd, command, arg));
}
/** [read end, write end] or errno. */
export function pipe(flags: number): [number, number] | number {
  const result = check(c_pipe2(scratch, flags));
  return result < 0 ? result : [scratch.readInt32LE(0), scratch.readInt32LE(4)];
}
export function socketpair(type: number): [number, number] | number {
  const result = check(c_socketpair(1, type, 0, scratch));
  return result < 0 ? result : [scratch.readInt32LE(0), scratch.readInt32LE(4)];
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
  const result = raw(SYS_close_range, first, last, 0);
  if (result !== -38 && result !== -1) return result;
  for (let fd = first; fd <= Math.min(last, 65535); fd++) c_close(fd);
  return 0;
}
export function read(fd: number, buf: Uint8Array): number {
  return check(Number(c_read(fd, buf, buf.length)));
}
/** Writes all of buf unless an error stops it. */
export function write(fd: number, buf: Uint8Array): number {
  let at = 0;
  while (at < buf.length) {
    const n = check(Number(c_write(fd, buf.subarray(at), buf.length - at)));
    if (n < 0 && n !== -4) return n;
    if (n > 0) at += n;
  }
  return at;
}
/** poll(2) of several descriptors; revents replaces each entry's `revents`. Returns how many are ready, 0 at the timeout. */
export function poll(entries: { fd: number; events: number; revents: number }[], timeoutMs: number): number {
  const buf = Buffer.alloc(entries.length * 8);
  entries.forEach((entry, i) => {
    buf.writeInt32LE(entry.fd, i * 8);
    buf.writeInt16LE(entry.events, i * 8 + 4);
  });
  const n = check(c_poll(buf, entries.length, timeoutMs));
  entries.forEach((entry, i) => {
    entry.revents = n > 0 ? buf.readInt16LE(i * 8 + 6) : 0;
  });
  return n;
}

// Limits, signals, terminals

/** [soft, hard] as Numbers (Infinity: none) or errno. */
export function getrlimit(resource: number): [number, number] | number {
  const result = check(c_getrlimit(resource, scratch));
  if (result < 0) return result;
  const value = (at: number): number => {
    const big = scratch.readBigUInt64LE(at);
    return big === 0xffffffffffffffffn ? Number.POSITIVE_INFINITY : Number(big);
  };
  return [value(0), value(8)];
}
export function setrlimit(resource: number, soft: number, hard: number): number {
  [soft, hard].forEach((limit, i) => {
    scratch.writeBigUInt64LE(Number.isFinite(limit) ? BigInt(limit) : 0xffffffffffffffffn, i * 8);
  });
  return check(c_setrlimit(resource, scratch));
}
/** Sets the disposition of a signal to an address (0 SIG_DFL, 1 SIG_IGN, or a machine code handler). */
export function setSignalHandler(signo: number, handler: number, flags: number): number {
  const action = Buffer.alloc(152);
  action.writeBigUInt64LE(BigInt(handler), 0);
  action.writeInt32LE(flags, 136);
  return check(c_sigaction(signo, action, null));
}
/** The current handler's address of a signal (0 SIG_DFL, 1 SIG_IGN). */
export function getSignalHandler(signo: number): number {
  const action = Buffer.alloc(152);
  c_sigaction(signo, null, action);
  return Number(action.readBigUInt64LE(0));
}
export const SIG_BLOCK = 0;
export const SIG_UNBLOCK = 1;
export const SIG_SETMASK = 2;
/** Changes the calling thread's mask; `signals` are numbers. */
export function sigprocmask(how: number, signals: readonly number[]): number {
  const set = Buffer.alloc(128);
  for (const s of signals) set[(s - 1) >> 3] = (set[(s - 1) >> 3] as number) | (1 << ((s - 1) & 7));
  return check(c_sigprocmask(how, set, null));
}
/** The terminal's settings (struct termios, opaque), or null when fd is not a terminal. */
export function tcgetattr(fd: number): Buffer | null {
  const attributes = Buffer.alloc(64);
  return c_tcgetattr(fd, attributes) === 0 ? attributes : null;
}
/** Sets the terminal at once (TCSANOW). */
export function tcsetattr(fd: number, attributes: Buffer): number {
  return check(c_tcsetattr(fd, 0, attributes));
}
export function tcgetpgrp(fd: number): number {
  return check(c_tcgetpgrp(fd));
}
export function tcsetpgrp(fd: number, group: number): number {
  return check(c_tcsetpgrp(fd, group));
}
export function isatty(fd: number): boolean {
  return c_isatty(fd) === 1;
}
export function getpgrp(): number {
  return c_getpgrp();
}
export function setsid(): number {
  return check(c_setsid());
}
export function setpgid(pid: number, group: number): number {
  return check(c_setpgid(pid, group));
}
