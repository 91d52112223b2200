// SPDX-License-Identifier: Apache-2.0

/**
 * Makes the running Node forkable (docs/architecture.md, "One Node boot"), and runs a signal handler of a few bytes.
 *
 * V8 marks its code pages MADV_DONTFORK: a child without them dies at once. So (1) a seccomp filter answers such an
 * madvise with success without doing it, and (2) every private anonymous mapping is marked MADV_DOFORK.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { eventfd } from './epoll.ts';
import { close, closeAllExcept, dup2, prctl, seccompFilter, setSignalHandler } from './lifecycle.ts';
import { cstring, emitCode, rawSyscall, viewMemory } from './native.ts';

const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;
const SYS_madvise = 28;
const SYS_readlink = 89;
const ENOMEM = -12;
/** Where user addresses end, with four levels of page tables. */
const ADDRESS_SPACE_END = 0x7fffffff_f000;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_FILTER_FLAG_TSYNC = 1;

/** if (nr == madvise && args[2] == MADV_DONTFORK) return errno 0; else allow. */
const DONTFORK_FILTER: readonly (readonly [number, number, number, number])[] = [
  [0x20, 0, 0, 0], // load nr
  [0x15, 0, 3, SYS_madvise],
  [0x20, 0, 0, 32], // load the low half of args[2]
  [0x15, 0, 1, MADV_DONTFORK],
  [0x06, 0, 0, 0x00050000], // SECCOMP_RET_ERRNO | 0
  [0x06, 0, 0, 0x7fff0000], // SECCOMP_RET_ALLOW
];

let done = false;
/** Descriptors through which libuv is woken: the garbage collector writes to them when it frees memory that is not V8's. */
let loopEvents: readonly number[] = [];

/** Where the kernel put the environment: [start, end). */
let environment: readonly [number, number] = [0, 0];

/** Was Node started with what forking needs? */
export function hasForkFlags(): boolean {
  return process.execArgv.includes('--single-threaded') && process.execArgv.includes('--v8-pool-size=0');
}

/** Prepares the process for fork(). Returns 0 or errno. Idempotent. */
export function makeForkable(): number {
  if (done) return 0;
  let result = seccompFilter(encode(DONTFORK_FILTER), SECCOMP_FILTER_FLAG_TSYNC);
  if (result < 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1);
    result = seccompFilter(encode(DONTFORK_FILTER), SECCOMP_FILTER_FLAG_TSYNC);
  }
  if (result !== 0) return result < 0 ? result : -1;
  doForkAll();
  loopEvents = eventDescriptors();
  environment = environmentRange();
  done = true;
  return 0;
}

/**
 * In a child: closes everything but `keep`. libuv aborts when the eventfd of its loop is gone, so each becomes one of the
 * child's own that nobody reads. Returns 0 or errno.
 */
export function keepOnlyDescriptors(keep: readonly number[]): number {
  const fresh = loopEvents.length > 0 ? eventfd(0) : -1;
  for (const fd of loopEvents) if (fresh >= 0 && fresh !== fd) dup2(fresh, fd);
  if (fresh >= 0 && !loopEvents.includes(fresh)) close(fresh);
  return closeAllExcept([...keep, ...loopEvents]);
}

/** In a child: the caller's environment may hold secrets, and neither the Sentry nor the Gofer has a use for it. */
export function forgetEnvironment(): void {
  const [start, end] = environment;
  if (end > start) viewMemory(start, end - start).fill(0);
}

/** env_start and env_end of proc(5)'s stat. */
function environmentRange(): readonly [number, number] {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [Number(fields[47]) || 0, Number(fields[48]) || 0];
}

function eventDescriptors(): number[] {
  const link = Buffer.alloc(32);
  const isEvent = (name: string): boolean => {
    const length = rawSyscall(SYS_readlink, cstring(`/proc/self/fd/${name}`), link, link.length);
    return length > 0 && link.toString('latin1', 0, length) === 'anon_inode:[eventfd]';
  };
  return readdirSync('/proc/self/fd').filter(isEvent).map(Number);
}

function encode(program: readonly (readonly [number, number, number, number])[]): Buffer {
  const out = Buffer.alloc(program.length * 8);
  program.forEach(([code, jt, jf, k], i) => {
    out.writeUInt16LE(code, i * 8);
    out[i * 8 + 2] = jt;
    out[i * 8 + 3] = jf;
    out.writeUInt32LE(k, i * 8 + 4);
  });
  return out;
}

/**
 * One call for everything below the vdso's data and one for everything above: the kernel goes on behind holes (and says ENOMEM at the
 * end), and stops at a mapping that is not memory (EINVAL). Should there be another one of those, each mapping gets a call of its own.
 */
function doForkAll(): void {
  const lines = readFileSync('/proc/self/maps', 'latin1').split('\n');
  let from = 0;
  let isWhole = true;
  for (const line of lines) {
    if (!line.includes('[v')) continue;
    const [start, end] = rangeOf(line);
    if (start > from && start < ADDRESS_SPACE_END) isWhole = doForkRange(from, start) && isWhole;
    from = end;
  }
  if (from < ADDRESS_SPACE_END) isWhole = doForkRange(from, ADDRESS_SPACE_END) && isWhole;
  if (isWhole) return;
  for (const line of lines) if (/^\S+ ...p \S+ \S+ 0 *(?!.*\[v)/.test(line)) doForkRange(...rangeOf(line));
}

/** True: all of it, as far as it is mapped. */
function doForkRange(start: number, end: number): boolean {
  const result = rawSyscall(SYS_madvise, start, end - start, MADV_DOFORK);
  return result === 0 || result === ENOMEM;
}

function rangeOf(line: string): [number, number] {
  const dash = line.indexOf('-');
  return [Number.parseInt(line.slice(0, dash), 16), Number.parseInt(line.slice(dash + 1, line.indexOf(' ')), 16)];
}

let handlerCode = 0;
/** The descriptor it writes to. */
let handlerFd = -1;
const SA_ONSTACK = 0x08000000;
const SA_RESTART = 0x10000000;

/**
 * Makes each of `signals` write its number (one int) to `fd`, whatever thread takes it: code that needs no event loop.
 * Returns 0 or errno. A forked child calls it again for a descriptor of its own.
 */
export function signalsToPipe(signals: readonly number[], fd: number): number {
  if (handlerCode === 0 || handlerFd !== fd) {
    handlerFd = fd;
    // push rdi; mov rsi,rsp; mov edi,fd; mov edx,4; mov eax,SYS_write; syscall; pop rdi; ret
    handlerCode = emitCode([
      0x57,
      0x48,
      0x89,
      0xe6,
      0xbf,
      ...int32(fd),
      0xba,
      4,
      0,
      0,
      0,
      0xb8,
      1,
      0,
      0,
      0,
      0x0f,
      0x05,
      0x5f,
      0xc3,
    ]);
  }
  for (const signo of signals) {
    const result = setSignalHandler(signo, handlerCode, SA_RESTART | SA_ONSTACK);
    if (result < 0) return result;
  }
  return 0;
}

function int32(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];
}
