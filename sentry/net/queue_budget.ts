// SPDX-License-Identifier: Apache-2.0

/**
 * Bound on what all sockets of the sandbox queue together, beside each socket's own: the queues are the Sentry's memory.
 *
 * Linux: net/core/sock.c (memory accounting by cgroup)
 */
const LIMIT = 512 * 1024 * 1024;

export const queueBudget = {
  /** Bytes queued now, as charged. */
  used: 0,
  /** No more may be queued: senders get ENOBUFS. */
  get isExhausted(): boolean {
    return this.used >= LIMIT;
  },
};
