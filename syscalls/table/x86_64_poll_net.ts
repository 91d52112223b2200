// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of pipes, readiness, event descriptors and sockets.
 */
import { Addr, Choice, DirFd, Fd, Flags, FlagSet, InBuffer, Int, LongFlags, OutBuffer, PathName, Size, UInt } from '../args/kinds.ts';
import { sys_recvfrom, sys_recvmmsg, sys_recvmsg } from '../net/receive.ts';
import { sys_sendmmsg, sys_sendmsg, sys_sendto } from '../net/send.ts';
import {
  sys_accept,
  sys_accept4,
  sys_bind,
  sys_connect,
  sys_getpeername,
  sys_getsockname,
  sys_listen,
  sys_shutdown,
  sys_socket,
  sys_socketpair,
} from '../net/socket.ts';
import { sys_getsockopt, sys_setsockopt } from '../net/sockopt.ts';
import {
  sys_epoll_create,
  sys_epoll_create1,
  sys_epoll_ctl,
  sys_epoll_pwait,
  sys_epoll_pwait2,
  sys_epoll_wait,
} from '../poll/epoll.ts';
import { sys_eventfd, sys_eventfd2 } from '../poll/eventfd.ts';
import { sys_fanotify_init, sys_fanotify_mark } from '../poll/fanotify.ts';
import { sys_inotify_add_watch, sys_inotify_init, sys_inotify_init1, sys_inotify_rm_watch } from '../poll/inotify.ts';
import { sys_pipe, sys_pipe2 } from '../poll/pipe.ts';
import { sys_poll, sys_ppoll } from '../poll/poll.ts';
import { sys_pselect6, sys_select } from '../poll/select.ts';
import { sys_signalfd, sys_signalfd4 } from '../poll/signalfd.ts';
import { sys_timerfd_create, sys_timerfd_gettime, sys_timerfd_settime } from '../poll/timerfd.ts';
import { row, type SyscallRow } from './row.ts';

const EpollOp = Choice('EpollOp', 'i32', [
  ['EPOLL_CTL_ADD', 1],
  ['EPOLL_CTL_DEL', 2],
  ['EPOLL_CTL_MOD', 3],
]);
const Family = Choice('Family', 'i32', [
  ['AF_UNSPEC', 0],
  ['AF_UNIX', 1],
  ['AF_INET', 2],
  ['AF_INET6', 10],
  ['AF_NETLINK', 16],
  ['AF_PACKET', 17],
]);
const MsgFlags = FlagSet('MsgFlags', 'u32', [
  ['MSG_OOB', 1],
  ['MSG_PEEK', 2],
  ['MSG_DONTROUTE', 4],
  ['MSG_TRUNC', 0x20],
  ['MSG_DONTWAIT', 0x40],
  ['MSG_WAITALL', 0x100],
  ['MSG_NOSIGNAL', 0x4000],
  ['MSG_CMSG_CLOEXEC', 0x40000000],
]);
const PipeFlags = FlagSet('PipeFlags', 'u32', [
  ['O_NONBLOCK', 0o4000],
  ['O_DIRECT', 0o40000],
  ['O_CLOEXEC', 0o2000000],
]);
const ClockId = Choice('ClockId', 'i32', [
  ['CLOCK_REALTIME', 0],
  ['CLOCK_MONOTONIC', 1],
  ['CLOCK_BOOTTIME', 7],
  ['CLOCK_REALTIME_ALARM', 8],
  ['CLOCK_BOOTTIME_ALARM', 9],
]);

export const pollNetRows: readonly SyscallRow[] = [
  row(7, 'poll', [Addr, UInt, Int], sys_poll),
  row(22, 'pipe', [Addr], sys_pipe),
  row(23, 'select', [Int, Addr, Addr, Addr, Addr], sys_select),
  row(41, 'socket', [Family, Flags, Int], sys_socket, {
    partial: 'AF_UNIX; AF_INET and AF_INET6 as the network mode provides.',
  }),
  row(42, 'connect', [Fd, Addr, Int], sys_connect),
  row(43, 'accept', [Fd, Addr, Addr], sys_accept),
  row(44, 'sendto', [Fd, InBuffer, Size, MsgFlags, Addr, Int], sys_sendto),
  row(45, 'recvfrom', [Fd, OutBuffer, Size, MsgFlags, Addr, Addr], sys_recvfrom),
  row(46, 'sendmsg', [Fd, Addr, MsgFlags], sys_sendmsg),
  row(47, 'recvmsg', [Fd, Addr, MsgFlags], sys_recvmsg),
  row(48, 'shutdown', [Fd, Int], sys_shutdown),
  row(49, 'bind', [Fd, Addr, Int], sys_bind),
  row(50, 'listen', [Fd, Int], sys_listen),
  row(51, 'getsockname', [Fd, Addr, Addr], sys_getsockname),
  row(52, 'getpeername', [Fd, Addr, Addr], sys_getpeername),
  row(53, 'socketpair', [Family, Flags, Int, Addr], sys_socketpair),
  row(54, 'setsockopt', [Fd, Int, Int, Addr, Int], sys_setsockopt),
  row(55, 'getsockopt', [Fd, Int, Int, Addr, Addr], sys_getsockopt),
  row(213, 'epoll_create', [Int], sys_epoll_create),
  row(232, 'epoll_wait', [Fd, Addr, Int, Int], sys_epoll_wait),
  row(233, 'epoll_ctl', [Fd, EpollOp, Fd, Addr], sys_epoll_ctl),
  row(253, 'inotify_init', [], sys_inotify_init),
  row(300, 'fanotify_init', [Flags, Flags], sys_fanotify_init, {
    partial: 'No FAN_REPORT_FID and its kin, no permission events.',
  }),
  row(301, 'fanotify_mark', [Fd, Flags, LongFlags, DirFd, PathName], sys_fanotify_mark, {
    partial: 'No events about names, no permission events.',
  }),
  row(254, 'inotify_add_watch', [Fd, PathName, Flags], sys_inotify_add_watch, {
    partial: 'Of changes made outside the sandbox only those in bind mounts are reported.',
  }),
  row(255, 'inotify_rm_watch', [Fd, Int], sys_inotify_rm_watch),
  row(270, 'pselect6', [Int, Addr, Addr, Addr, Addr, Addr], sys_pselect6),
  row(271, 'ppoll', [Addr, UInt, Addr, Addr, Size], sys_ppoll),
  row(281, 'epoll_pwait', [Fd, Addr, Int, Int, Addr, Size], sys_epoll_pwait),
  row(282, 'signalfd', [Fd, Addr, Size], sys_signalfd),
  row(283, 'timerfd_create', [ClockId, Flags], sys_timerfd_create),
  row(284, 'eventfd', [UInt], sys_eventfd),
  row(286, 'timerfd_settime', [Fd, Flags, Addr, Addr], sys_timerfd_settime, {
    partial: 'TFD_TIMER_CANCEL_ON_SET is accepted; the clock is never set.',
  }),
  row(287, 'timerfd_gettime', [Fd, Addr], sys_timerfd_gettime),
  row(288, 'accept4', [Fd, Addr, Addr, Flags], sys_accept4),
  row(289, 'signalfd4', [Fd, Addr, Size, Flags], sys_signalfd4),
  row(290, 'eventfd2', [UInt, Flags], sys_eventfd2),
  row(291, 'epoll_create1', [Flags], sys_epoll_create1),
  row(293, 'pipe2', [Addr, PipeFlags], sys_pipe2),
  row(294, 'inotify_init1', [Flags], sys_inotify_init1),
  row(299, 'recvmmsg', [Fd, Addr, UInt, MsgFlags, Addr], sys_recvmmsg),
  row(307, 'sendmmsg', [Fd, Addr, UInt, MsgFlags], sys_sendmmsg),
  row(441, 'epoll_pwait2', [Fd, Addr, Int, Addr, Addr, Size], sys_epoll_pwait2),
];
