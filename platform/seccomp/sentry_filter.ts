// SPDX-License-Identifier: Apache-2.0

/**
 * What the Sentry may call. Stubs are its children and inherit the list, so what is injected into them is on it too; they
 * add a narrower filter of their own.
 *
 * No exec, no opening of files but through the Gofer (its own root holds nothing but an empty procfs of its pid namespace),
 * no mount, no credentials, no sockets unless the container uses the host's network.
 */
import {
  AF_INET,
  AF_INET6,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOL_SOCKET,
} from '../abi/linux/socket.ts';
import { allow, type AllowedCall, equals } from './allow_list.ts';
import { RUNTIME_CALLS } from './runtime_calls.ts';

const SENTRY_CALLS: readonly AllowedCall[] = [
  ...RUNTIME_CALLS,
  // Donated files
  allow(17, 'pread64', 'donated files'),
  allow(18, 'pwrite64', 'donated files'),
  allow(19, 'readv', 'donated files'),
  allow(20, 'writev', 'donated files'),
  allow(16, 'ioctl', 'terminals given as stdio; the Sentry allows a fixed list of requests'),
  allow(32, 'dup', 'descriptors for mappings'),
  allow(33, 'dup2', 'descriptor moves'),
  allow(292, 'dup3', 'descriptor moves'),
  allow(40, 'sendfile', 'copies between donated files'),
  allow(74, 'fsync', 'donated files'),
  allow(75, 'fdatasync', 'donated files'),
  allow(77, 'ftruncate', 'donated files and memfds'),
  allow(138, 'fstatfs', 'donated files'),
  allow(221, 'fadvise64', 'donated files'),
  allow(262, 'newfstatat', 'fstat in newer libc'),
  allow(275, 'splice', 'copies between donated files'),
  allow(277, 'sync_file_range', 'donated files'),
  allow(285, 'fallocate', 'memfds and donated files'),
  allow(293, 'pipe2', 'pipes for stdio'),
  allow(295, 'preadv', 'donated files'),
  allow(296, 'pwritev', 'donated files'),
  allow(327, 'preadv2', 'pipes given as stdio, without waiting'),
  allow(328, 'pwritev2', 'pipes given as stdio, without waiting'),
  allow(319, 'memfd_create', 'shared memory and tmpfs files'),
  allow(326, 'copy_file_range', 'donated files'),
  allow(332, 'statx', 'attributes of donated files'),
  allow(257, 'openat', 'its own procfs: sizes and times of stubs'),
  allow(217, 'getdents64', 'its own procfs'),
  allow(267, 'readlinkat', 'its own procfs'),
  // The Gofer and the control socket
  allow(46, 'sendmsg', 'requests to the Gofer'),
  allow(47, 'recvmsg', 'replies of the Gofer'),
  allow(53, 'socketpair', 'internal channels'),
  allow(288, 'accept4', 'commands that connect to the control socket'),
  // The one wait point
  allow(23, 'select', 'waiting'),
  allow(232, 'epoll_wait', 'the wait point'),
  allow(233, 'epoll_ctl', 'the wait point'),
  allow(271, 'ppoll', 'waiting'),
  allow(281, 'epoll_pwait', 'the wait point'),
  allow(283, 'timerfd_create', 'the next timer'),
  allow(286, 'timerfd_settime', 'the next timer'),
  allow(289, 'signalfd4', 'stops of stubs'),
  allow(290, 'eventfd2', 'wake-ups'),
  allow(291, 'epoll_create1', 'the wait point'),
  allow(441, 'epoll_pwait2', 'the wait point, with nanoseconds'),
  // Stubs
  allow(56, 'clone', 'stubs and their threads'),
  allow(61, 'wait4', 'stops of stubs'),
  allow(62, 'kill', 'ending stubs (nobody else is in its pid namespace)'),
  allow(101, 'ptrace', 'stubs'),
  allow(128, 'rt_sigtimedwait', 'stops of stubs, when there are many'),
  allow(203, 'sched_setaffinity', "keeping a lone stub on the Sentry's processor"),
  allow(247, 'waitid', 'stops of stubs'),
  allow(309, 'getcpu', 'which processor that is'),
  allow(310, 'process_vm_readv', 'application memory'),
  allow(311, 'process_vm_writev', 'application memory'),
  allow(317, 'seccomp', 'the narrower filter of stubs'),
  allow(302, 'prlimit64', 'limits of stubs'),
  // Injected into stubs
  allow(26, 'msync', 'injected: msync of shared mappings'),
  allow(27, 'mincore', 'injected: mincore'),
  allow(34, 'pause', 'a stub at rest'),
  allow(109, 'setpgid', "a stub leaves the Sentry's group"),
  allow(112, 'setsid', "a stub leaves the Sentry's session"),
  allow(149, 'mlock', 'injected: mlock'),
  allow(150, 'munlock', 'injected: munlock'),
  allow(158, 'arch_prctl', 'segment bases, XSAVE size'),
  allow(218, 'set_tid_address', "a stub forgets libc's thread"),
  allow(325, 'mlock2', 'injected: mlock2'),
  allow(435, 'clone3', 'libc tries it first'),
];

/** Levels of the socket options that are passed on. */
const OPTION_LEVELS = [IPPROTO_IP, SOL_SOCKET, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_IPV6].map((level) => [
  equals(1, level),
]);

/** AF_INET and AF_INET6 sockets of the guest are host sockets with --network=host. */
const NETWORK_CALLS: readonly AllowedCall[] = [
  allow(41, 'socket', 'guest sockets are host sockets: internet families only', [
    [equals(0, AF_INET)],
    [equals(0, AF_INET6)],
  ]),
  allow(42, 'connect', 'guest sockets'),
  allow(48, 'shutdown', 'guest sockets'),
  allow(49, 'bind', 'guest sockets'),
  allow(50, 'listen', 'guest sockets'),
  allow(51, 'getsockname', 'guest sockets'),
  allow(52, 'getpeername', 'guest sockets'),
  allow(54, 'setsockopt', 'guest sockets; the Sentry allows a fixed list of options', OPTION_LEVELS),
  allow(55, 'getsockopt', 'guest sockets; the Sentry allows a fixed list of options', OPTION_LEVELS),
  allow(288, 'accept4', 'guest sockets'),
];

/** Host sockets the Gofer has connected or bound, with --host-uds. */
const UNIX_CALLS: readonly AllowedCall[] = [
  allow(48, 'shutdown', 'guest sockets connected to a host socket file'),
  allow(50, 'listen', 'guest sockets bound to one'),
];

/** The list for a container with or without the host's network. */
export function sentryCalls(network: 'none' | 'host', hostUds: 'none' | 'open' | 'all' = 'none'): readonly AllowedCall[] {
  if (network === 'host') return [...SENTRY_CALLS, ...NETWORK_CALLS];
  return hostUds === 'none' ? SENTRY_CALLS : [...SENTRY_CALLS, ...UNIX_CALLS];
}
