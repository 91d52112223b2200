// SPDX-License-Identifier: Apache-2.0

/**
 * Limits and counts that /proc/sys shows and other rooms own: kept here because filesystems do not import each other.
 *
 * Linux: kernel/sysctl.c
 */
export const sysctlHooks = {
  epoll: { maxUserWatches: 262144 },
  inotify: { maxQueuedEvents: 16384, maxUserInstances: 128, maxUserWatches: 65536 },
  fanotify: { maxQueuedEvents: 16384, maxUserGroups: 128, maxUserMarks: 65536 },
  net: {
    somaxconn: 4096,
    maxDgramQlen: 10,
    unprivilegedPortStart: 1024,
    /** Groups that may make ping sockets: first and last. */
    pingGroups: [1, 0],
    /** Does this host pass on packets that are not for it? */
    forwarding: 0,
    /** Ports the kernel chooses from: first and last. */
    localPorts: [32768, 60999],
  },
  /** Ptys open now; set by devpts. */
  ptyCount: (): number => 0,
};
