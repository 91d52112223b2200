// SPDX-License-Identifier: Apache-2.0

/**
 * poll(2), select(2) and epoll(7) words.
 *
 * Linux: include/uapi/asm-generic/poll.h, include/uapi/linux/eventpoll.h, fs/select.c
 */

export const POLLIN = 0x0001;
export const POLLPRI = 0x0002;
export const POLLOUT = 0x0004;
export const POLLERR = 0x0008;
export const POLLHUP = 0x0010;
export const POLLNVAL = 0x0020;
export const POLLRDNORM = 0x0040;
export const POLLRDBAND = 0x0080;
export const POLLWRNORM = 0x0100;
export const POLLWRBAND = 0x0200;
export const POLLMSG = 0x0400;
export const POLLREMOVE = 0x1000;
export const POLLRDHUP = 0x2000;

export const EPOLLIN = 0x0001;
export const EPOLLPRI = 0x0002;
export const EPOLLOUT = 0x0004;
export const EPOLLERR = 0x0008;
export const EPOLLHUP = 0x0010;
export const EPOLLNVAL = 0x0020;
export const EPOLLRDNORM = 0x0040;
export const EPOLLRDBAND = 0x0080;
export const EPOLLWRNORM = 0x0100;
export const EPOLLWRBAND = 0x0200;
export const EPOLLMSG = 0x0400;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 0x10000000;
export const EPOLLWAKEUP = 0x20000000;
export const EPOLLONESHOT = 0x40000000;
export const EPOLLET = 0x80000000;

export const EPOLL_CLOEXEC = 0o2000000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
/** sizeof(struct epoll_event), packed on x86-64. */
export const EPOLL_EVENT_SIZE = 12;

/** What select(2)'s three sets ask of a file. */
export const POLLIN_SET = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
export const POLLOUT_SET = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
export const POLLEX_SET = POLLPRI;
