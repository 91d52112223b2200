// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of pipes, readiness, event descriptors and sockets.
 */
import { Addr, Choice, Fd, Flags, FlagSet, Int, PathName, Size, UInt } from '../args/kinds.ts';
import {
  sys_epoll_create, sys_epoll_create1, sys_epoll_ctl, sys_epoll_pwait, sys_epoll_pwait2, sys_epoll_wait,
} from '../poll/epoll.ts';
import { sys_eventfd, sys_eventfd2 } from '../poll/eventfd.ts';
import { sys_inotify_add_watch, sys_inotify_init, sys_inotify_init1, sys_inotify_rm_watch } from '../poll/inotify.ts';
import { sys_pipe, sys_pipe2 } from '../poll/pipe.ts';
import { sys_poll, sys_ppoll } from '../poll/poll.ts';
import { sys_pselect6, sys_select } from '../poll/select.ts';
import { sys_signalfd, sys_signalfd4 } from '../poll/signalfd.ts';
import { sys_timerfd_create, sys_timerfd_gettime, sys_timerfd_settime } from '../poll/timerfd.ts';
import { row, type SyscallRow } from './row.ts';

const EpollOp = Choice('EpollOp', 'i32', [['EPOLL_CTL_ADD', 1], ['EPOLL_CTL_DEL', 2], ['EPOLL_CTL_MOD', 3]]);
const PipeFlags = FlagSet('PipeFlags', 'u32', [['O_NONBLOCK', 0o4000], ['O_DIRECT', 0o40000], ['O_CLOEXEC', 0o2000000]]);
const ClockId = Choice('ClockId', 'i32', [
  ['CLOCK_REALTIME', 0], ['CLOCK_MONOTONIC', 1], ['CLOCK_BOOTTIME', 7], ['CLOCK_REALTIME_ALARM', 8], ['CLOCK_BOOTTIME_ALARM', 9],
]);

export const pollNetRows: readonly SyscallRow[] = [
  row(7, 'poll', [Addr, UInt, Int], sys_poll),
  row(22, 'pipe', [Addr], sys_pipe),
  row(23, 'select', [Int, Addr, Addr, Addr, Addr], sys_select),
  row(213, 'epoll_create', [Int], sys_epoll_create),
  row(232, 'epoll_wait', [Fd, Addr, Int, Int], sys_epoll_wait),
  row(233, 'epoll_ctl', [Fd, EpollOp, Fd, Addr], sys_epoll_ctl),
  row(253, 'inotify_init', [], sys_inotify_init),
  row(254, 'inotify_add_watch', [Fd, PathName, Flags], sys_inotify_add_watch, { partial: 'Changes made outside the sandbox are not reported.' }),
  row(255, 'inotify_rm_watch', [Fd, Int], sys_inotify_rm_watch),
  row(270, 'pselect6', [Int, Addr, Addr, Addr, Addr, Addr], sys_pselect6),
  row(271, 'ppoll', [Addr, UInt, Addr, Addr, Size], sys_ppoll),
  row(281, 'epoll_pwait', [Fd, Addr, Int, Int, Addr, Size], sys_epoll_pwait),
  row(282, 'signalfd', [Fd, Addr, Size], sys_signalfd),
  row(283, 'timerfd_create', [ClockId, Flags], sys_timerfd_create),
  row(284, 'eventfd', [UInt], sys_eventfd),
  row(286, 'timerfd_settime', [Fd, Flags, Addr, Addr], sys_timerfd_settime, { partial: 'TFD_TIMER_CANCEL_ON_SET is accepted; the clock is never set.' }),
  row(287, 'timerfd_gettime', [Fd, Addr], sys_timerfd_gettime),
  row(289, 'signalfd4', [Fd, Addr, Size, Flags], sys_signalfd4),
  row(290, 'eventfd2', [UInt, Flags], sys_eventfd2),
  row(291, 'epoll_create1', [Flags], sys_epoll_create1),
  row(293, 'pipe2', [Addr, PipeFlags], sys_pipe2),
  row(294, 'inotify_init1', [Flags], sys_inotify_init1),
  row(441, 'epoll_pwait2', [Fd, Addr, Int, Addr, Addr, Size], sys_epoll_pwait2),
];
