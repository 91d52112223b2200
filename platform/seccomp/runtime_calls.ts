// SPDX-License-Identifier: Apache-2.0

/**
 * What a Node process with one thread and no event loop calls on its own, whatever it is used for.
 */
import { allow, type AllowedCall } from './allow_list.ts';

export const RUNTIME_CALLS: readonly AllowedCall[] = [
  allow(0, 'read', 'descriptors already held'),
  allow(1, 'write', 'descriptors already held'),
  allow(3, 'close', 'descriptors already held'),
  allow(5, 'fstat', 'descriptors already held'),
  allow(7, 'poll', 'waiting without a loop'),
  allow(8, 'lseek', 'descriptors already held'),
  allow(9, 'mmap', 'V8 heap and code pages, malloc'),
  allow(10, 'mprotect', 'V8 code pages'),
  allow(11, 'munmap', 'V8 heap, malloc'),
  allow(12, 'brk', 'malloc'),
  allow(13, 'rt_sigaction', 'abort() and the signal plumbing of libc'),
  allow(14, 'rt_sigprocmask', 'libc around fork and abort'),
  allow(15, 'rt_sigreturn', 'return from a signal handler'),
  allow(24, 'sched_yield', 'V8 spin locks'),
  allow(25, 'mremap', 'realloc of large blocks'),
  allow(28, 'madvise', 'V8 gives pages back'),
  allow(35, 'nanosleep', 'V8 back-off'),
  allow(39, 'getpid', 'abort()'),
  allow(60, 'exit', 'end of a thread'),
  allow(72, 'fcntl', 'descriptor flags'),
  allow(96, 'gettimeofday', 'when the vdso cannot answer'),
  allow(98, 'getrusage', 'accounting'),
  allow(131, 'sigaltstack', 'stack overflow handling of Node'),
  allow(157, 'prctl', 'V8 names its mappings; names of threads'),
  allow(186, 'gettid', 'abort()'),
  allow(202, 'futex', 'V8 and libc locks'),
  allow(204, 'sched_getaffinity', 'processor count'),
  allow(228, 'clock_gettime', 'when the vdso cannot answer'),
  allow(230, 'clock_nanosleep', 'V8 back-off'),
  allow(231, 'exit_group', 'the end'),
  allow(234, 'tgkill', 'abort()'),
  allow(273, 'set_robust_list', 'libc after fork'),
  allow(318, 'getrandom', 'everything random'),
  allow(324, 'membarrier', 'V8; injected: membarrier'),
  allow(329, 'pkey_mprotect', 'V8 code pages where there are protection keys'),
  allow(334, 'rseq', 'libc after fork'),
  allow(436, 'close_range', 'closing what is not needed'),
];
