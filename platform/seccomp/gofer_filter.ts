// SPDX-License-Identifier: Apache-2.0

/**
 * What the Gofer may call: file operations relative to descriptors, its socket, and the runtime's own needs. No exec, no
 * fork, no ptrace, no mount, no signals to others, no sockets but AF_UNIX ones.
 */
import { allow, type AllowedCall, equals } from './allow_list.ts';
import { RUNTIME_CALLS } from './runtime_calls.ts';

const AF_UNIX = 1;

export const GOFER_CALLS: readonly AllowedCall[] = [
  ...RUNTIME_CALLS,
  allow(41, 'socket', 'connecting to a host socket file (only where the root allows it)', [[equals(0, AF_UNIX)]]),
  allow(42, 'connect', 'the same'),
  allow(49, 'bind', 'making one (only where the root allows that), privileged ports of a socket of the Sentry\'s'),
  allow(46, 'sendmsg', 'replies, donated descriptors'),
  allow(47, 'recvmsg', 'requests'),
  allow(76, 'truncate', 'O_TRUNC and truncate through /proc/self/fd'),
  allow(77, 'ftruncate', 'the same by descriptor'),
  allow(74, 'fsync', 'fsync of directories'),
  allow(75, 'fdatasync', 'the same'),
  allow(81, 'fchdir', 'names relative to /proc/self/fd'),
  allow(90, 'chmod', "by the descriptor's number in /proc/self/fd"),
  allow(95, 'umask', "creation modes are the Sentry's"),
  allow(102, 'getuid', 'who am I'),
  allow(107, 'geteuid', 'who am I'),
  allow(108, 'getegid', 'who am I'),
  allow(138, 'fstatfs', 'statfs'),
  allow(188, 'setxattr', 'extended attributes through /proc/self/fd'),
  allow(189, 'lsetxattr', 'extended attributes through /proc/self/fd'),
  allow(191, 'getxattr', 'extended attributes through /proc/self/fd'),
  allow(192, 'lgetxattr', 'extended attributes through /proc/self/fd'),
  allow(194, 'listxattr', 'extended attributes through /proc/self/fd'),
  allow(195, 'llistxattr', 'extended attributes through /proc/self/fd'),
  allow(197, 'removexattr', 'extended attributes through /proc/self/fd'),
  allow(198, 'lremovexattr', 'extended attributes through /proc/self/fd'),
  allow(190, 'fsetxattr', 'extended attributes'),
  allow(193, 'fgetxattr', 'extended attributes'),
  allow(196, 'flistxattr', 'extended attributes'),
  allow(199, 'fremovexattr', 'extended attributes'),
  allow(217, 'getdents64', 'directory listings'),
  allow(254, 'inotify_add_watch', 'changes from outside, by /proc/self/fd'),
  allow(255, 'inotify_rm_watch', 'the same'),
  allow(257, 'openat', 'one component, O_NOFOLLOW'),
  allow(258, 'mkdirat', 'one component'),
  allow(259, 'mknodat', 'one component'),
  allow(260, 'fchownat', 'one component'),
  allow(262, 'newfstatat', 'one component'),
  allow(263, 'unlinkat', 'one component'),
  allow(265, 'linkat', 'one component'),
  allow(266, 'symlinkat', 'one component'),
  allow(267, 'readlinkat', 'one component'),
  allow(268, 'fchmodat', 'one component'),
  allow(280, 'utimensat', 'one component'),
  allow(294, 'inotify_init1', 'changes from outside'),
  allow(285, 'fallocate', 'space for files'),
  allow(292, 'dup3', 'descriptor moves'),
  allow(302, 'prlimit64', 'how many descriptors there may be'),
  allow(316, 'renameat2', 'one component each'),
  allow(332, 'statx', 'attributes'),
  allow(437, 'openat2', 'one component, RESOLVE_* checked by the host'),
  allow(452, 'fchmodat2', 'one component'),
];
