// SPDX-License-Identifier: Apache-2.0

/**
 * Waiting for descriptors: epoll, poll, eventfd, signalfd, timerfd. All descriptors are created close-on-exec.
 */
import { allocateNative, defineSyscall, rawSyscall } from './native.ts';
import type { NativeMemory } from './native.ts';

const CLOEXEC = 0x80000;
const NONBLOCK = 0x800;

export function epoll_create(): number {
  return rawSyscall(291, CLOEXEC);
}

let ctlEvent: NativeMemory | null = null;

/** epoll_ctl(2) with `data` = fd. `op`: 1 add, 2 delete, 3 modify. */
export function epoll_ctl(epfd: number, op: number, fd: number, events: number): number {
  if (ctlEvent === null) ctlEvent = allocateNative(16);
  ctlEvent.u32[0] = events;
  ctlEvent.i32[1] = fd;
  ctlEvent.i32[2] = 0;
  return rawSyscall(233, epfd, op, fd, ctlEvent.addr);
}

type EpollWait = (epfd: number, events: number, max: number, timeout: number) => number;
let epollWaitFn: EpollWait | null = null;

/** epoll_wait(2) into native memory (12 bytes an event: u32 events, u64 data). */
export function epoll_wait(epfd: number, eventsAddr: number, max: number, timeoutMs: number): number {
  if (epollWaitFn === null) epollWaitFn = defineSyscall<EpollWait>(232, 'iiii');
  return epollWaitFn(epfd, eventsAddr, max, timeoutMs);
}

type EpollPwait2 = (epfd: number, events: number, max: number, timespec: number, mask: number, size: number) => number;
let epollPwait2Fn: EpollPwait2 | null = null;

/** epoll_pwait2(2) (Linux 5.11; -ENOSYS before): timeout as the address of a struct timespec, 0 = for ever. */
export function epoll_pwait2(epfd: number, eventsAddr: number, max: number, timespecAddr: number): number {
  if (epollPwait2Fn === null) epollPwait2Fn = defineSyscall<EpollPwait2>(441, 'iiiiii');
  return epollPwait2Fn(epfd, eventsAddr, max, timespecAddr, 0, 8);
}

let pollEntry: NativeMemory | null = null;

/** poll(2) of one descriptor. Returns revents (0 on timeout) or a negative errno. */
export function poll_one(fd: number, events: number, timeoutMs: number): number {
  if (pollEntry === null) pollEntry = allocateNative(8);
  pollEntry.i32[0] = fd;
  pollEntry.i32[1] = events & 0xffff;
  const n = rawSyscall(7, pollEntry.addr, 1, timeoutMs);
  return n <= 0 ? n : (pollEntry.u32[1] as number) >>> 16;
}

export function eventfd(initial: number, flags = NONBLOCK): number {
  return rawSyscall(290, initial, CLOEXEC | flags);
}

/** signalfd4(2), non-blocking; `mask` is 8 bytes, bit n-1 = signal n. fd -1 makes a new one. */
export function signalfd(fd: number, mask: Uint8Array): number {
  return rawSyscall(289, fd, mask, 8, CLOEXEC | NONBLOCK);
}

/** timerfd_create(2) on CLOCK_MONOTONIC, non-blocking. */
export function timerfd_create(): number {
  return rawSyscall(283, 1, CLOEXEC | NONBLOCK);
}

let timerSpec: NativeMemory | null = null;

/** Arms a timerfd once, at an absolute CLOCK_MONOTONIC time in ns (0 disarms). */
export function timerfd_set(fd: number, deadlineNs: number): number {
  if (timerSpec === null) timerSpec = allocateNative(32);
  const sec = Math.floor(deadlineNs / 1e9);
  timerSpec.u32[4] = sec % 4294967296;
  timerSpec.u32[5] = Math.floor(sec / 4294967296);
  timerSpec.u32[6] = Math.floor(deadlineNs - sec * 1e9);
  timerSpec.u32[7] = 0;
  return rawSyscall(286, fd, 1, timerSpec.addr, 0);
}
