// SPDX-License-Identifier: Apache-2.0

/**
 * The host descriptors the Sentry watches: one epoll set and who listens.
 *
 * Linux:      fs/eventpoll.c
 * Invariants: one listener a descriptor; a descriptor with an empty mask is known but not in the set (epoll would report hang-ups).
 */
import { EEXIST, EINTR, ENOENT, ENOSYS } from '../../abi/linux/errno.ts';
import { epoll_create, epoll_ctl, epoll_pwait2, epoll_wait } from '../../ffi/epoll.ts';
import { allocateNative } from '../../ffi/native.ts';
import type { HostListener } from '../../platform.ts';

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const MAX_EVENTS = 64;
const EVENT_WORDS = 3;

interface Watched {
  listener: HostListener;
  mask: number;
}

export class Descriptors {
  readonly epollFd: number;
  private readonly watched = new Map<number, Watched>();
  private readonly events = allocateNative(MAX_EVENTS * 12);
  private readonly timeout = allocateNative(16);
  private hasPwait2 = true;

  constructor() {
    this.epollFd = epoll_create();
  }

  /** Starts watching. Returns 0, EEXIST, or what epoll_ctl(2) says (EPERM for regular files). */
  watch(fd: number, mask: number, listener: HostListener): number {
    if (this.watched.has(fd)) return EEXIST;
    if (mask !== 0) {
      const r = epoll_ctl(this.epollFd, EPOLL_CTL_ADD, fd, mask);
      if (r < 0) return r;
    }
    this.watched.set(fd, { listener, mask });
    return 0;
  }

  /** Changes what is watched for; 0 silences the descriptor. Returns 0 or a negative errno. */
  rewatch(fd: number, mask: number): number {
    const entry = this.watched.get(fd);
    if (entry === undefined) return ENOENT;
    if (entry.mask === mask) return 0;
    const op = mask === 0 ? EPOLL_CTL_DEL : entry.mask === 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const r = epoll_ctl(this.epollFd, op, fd, mask);
    if (r >= 0) entry.mask = mask;
    return r;
  }

  unwatch(fd: number): number {
    const entry = this.watched.get(fd);
    if (entry === undefined) return ENOENT;
    this.watched.delete(fd);
    return entry.mask === 0 ? 0 : epoll_ctl(this.epollFd, EPOLL_CTL_DEL, fd, 0);
  }

  /** Runs the listeners of what is ready now. Returns how many ran. */
  poll(): number {
    return this.watched.size === 0 ? 0 : this.dispatch(epoll_wait(this.epollFd, this.events.addr, MAX_EVENTS, 0));
  }

  /** As poll(), but sleeps up to `timeoutNs` (Infinity: for ever). */
  wait(timeoutNs: number): number {
    return this.dispatch(this.sleep(timeoutNs));
  }

  private sleep(timeoutNs: number): number {
    if (timeoutNs === Number.POSITIVE_INFINITY) return epoll_wait(this.epollFd, this.events.addr, MAX_EVENTS, -1);
    if (this.hasPwait2) {
      const sec = Math.floor(timeoutNs / 1e9);
      const t = this.timeout.u32;
      t[0] = Math.min(sec, 0x7fffffff);
      t[1] = 0;
      t[2] = timeoutNs - sec * 1e9;
      t[3] = 0;
      const n = epoll_pwait2(this.epollFd, this.events.addr, MAX_EVENTS, this.timeout.addr);
      if (n !== ENOSYS) return n;
      this.hasPwait2 = false;
    }
    return epoll_wait(this.epollFd, this.events.addr, MAX_EVENTS, Math.min(Math.ceil(timeoutNs / 1e6), 0x7fffffff));
  }

  private dispatch(count: number): number {
    if (count === EINTR) return 0;
    let ran = 0;
    for (let i = 0; i < count; i++) {
      const fd = this.events.i32[i * EVENT_WORDS + 1] as number;
      const revents = this.events.u32[i * EVENT_WORDS] as number;
      // An earlier listener of this batch may have stopped watching it.
      const entry = this.watched.get(fd);
      if (entry === undefined || entry.mask === 0) continue;
      entry.listener.onHostEvent(fd, revents);
      ran++;
    }
    return ran;
  }
}
