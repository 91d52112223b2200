// SPDX-License-Identifier: Apache-2.0

/**
 * Readiness of a donated descriptor: watched on the host only while somebody was told "not ready".
 *
 * Invariants: a watch is one-shot: after an event the descriptor is unwatched, so one that stays ready (or hung up) costs nothing
 *             until it is asked about again.
 */
import { EEXIST } from '../../../platform/abi/linux/errno.ts';
import type { HostListener, Platform } from '../../../platform/platform.ts';
import type { WaitQueue } from '../../wait/wait_queue.ts';

export class HostWatch implements HostListener {
  private readonly platform: Pick<Platform, 'watch' | 'rewatch' | 'unwatch'>;
  private readonly fd: number;
  private readonly queues = new Set<WaitQueue>();
  private armed = 0;

  constructor(platform: Pick<Platform, 'watch' | 'rewatch' | 'unwatch'>, fd: number) {
    this.platform = platform;
    this.fd = fd;
  }

  /** Wakes `queue` when any of `mask` becomes true. Files epoll cannot watch are always ready: nothing to do. */
  arm(mask: number, queue: WaitQueue): void {
    this.queues.add(queue);
    const wanted = this.armed | mask;
    if (wanted === this.armed) return;
    const r = this.armed === 0 ? this.platform.watch(this.fd, wanted, this) : this.platform.rewatch(this.fd, wanted);
    if (r >= 0 || r === EEXIST) this.armed = wanted;
  }

  onHostEvent(_fd: number, revents: number): void {
    this.disarm();
    for (const queue of this.queues) queue.wake(revents);
  }

  /** An open file is gone. */
  forget(queue: WaitQueue): void {
    this.queues.delete(queue);
    if (this.queues.size === 0) this.disarm();
  }

  private disarm(): void {
    if (this.armed === 0) return;
    this.platform.unwatch(this.fd);
    this.armed = 0;
  }
}
