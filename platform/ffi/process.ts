// SPDX-License-Identifier: Apache-2.0

/**
 * Processes: birth, death, identity, limits, signals. Everything is the raw system call (so it acts on the calling thread, where
 * glibc would act on all of them), except fork(), which is glibc's: a Node child needs its thread ids, locks and rseq kept right.
 */
import { allocateNative, cstring, libcErrno, libcFunction, rawSyscall } from './native.ts';
import type { Ptr } from './native.ts';

let forkFn: (() => number) | null = null;

/** glibc's fork(). Returns 0 in the child, its pid in the parent, or a negative errno. */
export function fork(): number {
  if (forkFn === null) forkFn = libcFunction<() => number>('fork', 'int', []);
  const pid = forkFn();
  return pid === -1 ? libcErrno() : pid;
}

/** exit_group(2): ends the process at once, running nothing. */
export function _exit(status: number): never {
  rawSyscall(231, status);
  throw new Error('unreachable');
}

/** Packs strings into native memory as a NULL-terminated char*[]; returns its address. */
function stringVector(strings: readonly string[]): number {
  const texts = strings.map((s) => Buffer.from(`${s}\0`, 'latin1'));
  const total = texts.reduce((n, t) => n + t.length, 0);
  const head = (texts.length + 1) * 8;
  const mem = allocateNative(head + total);
  const pointers = new BigUint64Array(mem.bytes.buffer, mem.bytes.byteOffset, texts.length + 1);
  let at = head;
  texts.forEach((text, i) => {
    mem.bytes.set(text, at);
    pointers[i] = BigInt(mem.addr + at);
    at += text.length;
  });
  pointers[texts.length] = 0n;
  return mem.addr;
}

/** execve(2) with byte strings. Returns only a negative errno. */
export function execve(path: string, argv: readonly string[], envp: readonly string[]): number {
  return rawSyscall(59, cstring(path), stringVector(argv), stringVector(envp));
}

/** waitpid with the status in out[0]. Returns pid, 0 (WNOHANG) or a negative errno. */
export function waitpid(pid: number, out: Int32Array, options: number): number {
  return rawSyscall(61, pid, out, options, 0);
}

export function kill(pid: number, signo: number): number {
  return rawSyscall(62, pid, signo);
}

export function tgkill(tgid: number, tid: number, signo: number): number {
  return rawSyscall(234, tgid, tid, signo);
}

export function getpid(): number {
  return rawSyscall(39);
}

export function getppid(): number {
  return rawSyscall(110);
}

export function gettid(): number {
  return rawSyscall(186);
}

export function setsid(): number {
  return rawSyscall(112);
}

export function setpgid(pid: number, pgid: number): number {
  return rawSyscall(109, pid, pgid);
}

export function getpgid(pid: number): number {
  return rawSyscall(121, pid);
}

export function getuid(): number {
  return rawSyscall(102);
}

export function getgid(): number {
  return rawSyscall(104);
}

export function geteuid(): number {
  return rawSyscall(107);
}

export function getegid(): number {
  return rawSyscall(108);
}

export function setresuid(ruid: number, euid: number, suid: number): number {
  return rawSyscall(117, ruid, euid, suid);
}

export function setresgid(rgid: number, egid: number, sgid: number): number {
  return rawSyscall(119, rgid, egid, sgid);
}

/** setfsuid(2): returns the previous value; only the calling thread. */
export function setfsuid(uid: number): number {
  return rawSyscall(122, uid);
}

export function setfsgid(gid: number): number {
  return rawSyscall(123, gid);
}

export function setgroups(gids: readonly number[]): number {
  return rawSyscall(116, gids.length, Uint32Array.from(gids));
}

export function umask(mask: number): number {
  return rawSyscall(95, mask);
}

/** prctl(2) with integer (or pointer) arguments. */
export function prctl(option: number, a: Ptr = 0, b: Ptr = 0, c: Ptr = 0, d: Ptr = 0): number {
  return rawSyscall(157, option, a, b, c, d);
}

/** arch_prctl(2). */
export function arch_prctl(code: number, arg: Ptr): number {
  return rawSyscall(158, code, arg);
}

const CAPABILITY_VERSION_3 = 0x20080522;

/** capset(2) of the calling thread: three 64-bit sets, each as [low 32 bits, high 32 bits]. */
export function capset(
  effective: readonly [number, number],
  permitted: readonly [number, number],
  inheritable: readonly [number, number],
): number {
  const header = Uint32Array.of(CAPABILITY_VERSION_3, 0);
  const data = Uint32Array.of(effective[0], permitted[0], inheritable[0], effective[1], permitted[1], inheritable[1]);
  return rawSyscall(126, header, data);
}

/** capget(2) of the calling thread: out = [effective, permitted, inheritable] low words, then the high ones. */
export function capget(out: Uint32Array): number {
  return rawSyscall(125, Uint32Array.of(CAPABILITY_VERSION_3, 0), out);
}

/** prlimit64(2); limits as [soft, hard] in 64-bit words, or null. */
export function prlimit(
  pid: number,
  resource: number,
  newLimit: BigUint64Array | null,
  oldLimit: BigUint64Array | null,
): number {
  return rawSyscall(302, pid, resource, newLimit, oldLimit);
}

/** sched_setaffinity(2); the mask as bytes, bit n of byte n/8 is CPU n. */
export function sched_setaffinity(tid: number, mask: Uint8Array): number {
  return rawSyscall(203, tid, mask.length, mask);
}

/** sched_getaffinity(2): returns the number of bytes written. */
export function sched_getaffinity(tid: number, mask: Uint8Array): number {
  return rawSyscall(204, tid, mask.length, mask);
}

/** getcpu(2): the processor the caller runs on. */
export function getcpu(): number {
  const out = new Int32Array(1);
  const r = rawSyscall(309, out, 0, 0);
  return r < 0 ? r : (out[0] as number);
}

/** rt_sigprocmask(2) with an 8-byte set (bit n-1 = signal n). `how`: 0 block, 1 unblock, 2 set. */
export function sigprocmask(how: number, set: Uint8Array | null, old: Uint8Array | null): number {
  return rawSyscall(14, how, set, old, 8);
}

/** rt_sigaction(2) with the kernel's own structure: handler, flags, restorer, mask (8 bytes each). */
export function sigaction(signo: number, act: Uint8Array | null, old: Uint8Array | null): number {
  return rawSyscall(13, signo, act, old, 8);
}

/** pidfd_open(2). */
export function pidfd_open(pid: number, flags: number): number {
  return rawSyscall(434, pid, flags);
}

export function pidfd_send_signal(fd: number, signo: number): number {
  return rawSyscall(424, fd, signo, 0, 0);
}

/** seccomp(2) SECCOMP_SET_MODE_FILTER over a struct sock_filter array. */
export function seccomp_set_filter(program: Uint8Array, flags: number): number {
  const mem = allocateNative(16 + program.length);
  mem.bytes.set(program, 16);
  const view = new DataView(mem.bytes.buffer, mem.bytes.byteOffset, 16);
  view.setUint16(0, program.length / 8, true);
  view.setBigUint64(8, BigInt(mem.addr + 16), true);
  return rawSyscall(317, 1, flags, mem.addr);
}
