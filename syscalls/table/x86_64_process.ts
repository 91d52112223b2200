// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of processes, signals, time, identity and the system.
 */
import {
  Addr,
  Choice,
  Fd,
  Flags,
  FlagSet,
  Int,
  Long,
  OutBuffer,
  PathName,
  Pid,
  Signal,
  Size,
  StringArray,
  UInt,
  DirFd,
} from '../args/kinds.ts';
import { sys_futex, sys_futex_requeue, sys_futex_wait, sys_futex_waitv, sys_futex_wake } from '../ipc/futex.ts';
import { sys_lsm_get_self_attr, sys_lsm_list_modules, sys_lsm_set_self_attr } from '../process/lsm.ts';
import { sys_capget, sys_capset } from '../process/capabilities.ts';
import { sys_execve, sys_execveat } from '../process/exec.ts';
import * as ids from '../process/ids.ts';
import * as life from '../process/lifecycle.ts';
import { sys_getrlimit, sys_prlimit64, sys_setrlimit } from '../process/limits.ts';
import { sys_add_key, sys_request_key } from '../process/keys.ts';
import { sys_keyctl } from '../process/keyctl.ts';
import { sys_kcmp, sys_setns, sys_unshare } from '../process/namespaces.ts';
import * as pt from '../../platform/abi/linux/ptrace.ts';
import { sys_membarrier } from '../memory/membarrier.ts';
import { sys_ptrace } from '../process/ptrace.ts';
import { sys_pidfd_getfd, sys_pidfd_open, sys_pidfd_send_signal } from '../process/pidfd.ts';
import { sys_arch_prctl, sys_personality, sys_prctl } from '../process/prctl.ts';
import { sys_rseq } from '../process/rseq.ts';
import { sys_seccomp } from '../process/seccomp.ts';
import * as sched from '../process/sched.ts';
import { sys_wait4, sys_waitid } from '../process/wait.ts';
import {
  sys_rt_sigaction,
  sys_rt_sigpending,
  sys_rt_sigprocmask,
  sys_rt_sigreturn,
  sys_sigaltstack,
} from '../signal/action.ts';
import { sys_kill, sys_rt_sigqueueinfo, sys_rt_tgsigqueueinfo, sys_tgkill, sys_tkill } from '../signal/send.ts';
import { sys_pause, sys_rt_sigsuspend, sys_rt_sigtimedwait } from '../signal/wait.ts';
import * as system from '../system/system.ts';
import * as clock from '../time/clock.ts';
import { sys_clock_nanosleep, sys_nanosleep, sys_restart_syscall } from '../time/sleep.ts';
import * as timers from '../time/timers.ts';
import { sys_getrusage, sys_times } from '../time/usage.ts';
import { row, type SyscallRow } from './row.ts';

const CloneFlags = FlagSet('CloneFlags', 'u64', [
  ['CLONE_VM', 0x100],
  ['CLONE_FS', 0x200],
  ['CLONE_FILES', 0x400],
  ['CLONE_SIGHAND', 0x800],
  ['CLONE_PIDFD', 0x1000],
  ['CLONE_VFORK', 0x4000],
  ['CLONE_PARENT', 0x8000],
  ['CLONE_THREAD', 0x10000],
  ['CLONE_NEWNS', 0x20000],
  ['CLONE_SYSVSEM', 0x40000],
  ['CLONE_SETTLS', 0x80000],
  ['CLONE_PARENT_SETTID', 0x100000],
  ['CLONE_CHILD_CLEARTID', 0x200000],
  ['CLONE_DETACHED', 0x400000],
  ['CLONE_CHILD_SETTID', 0x1000000],
  ['CLONE_NEWCGROUP', 0x2000000],
  ['CLONE_NEWUTS', 0x4000000],
  ['CLONE_NEWIPC', 0x8000000],
  ['CLONE_NEWUSER', 0x10000000],
  ['CLONE_NEWPID', 0x20000000],
  ['CLONE_NEWNET', 0x40000000],
  ['CLONE_IO', 0x80000000],
  ['SIGCHLD', 17],
]);
const WaitOptions = FlagSet('WaitOptions', 'i32', [
  ['WNOHANG', 1],
  ['WSTOPPED', 2],
  ['WEXITED', 4],
  ['WCONTINUED', 8],
  ['WNOWAIT', 0x1000000],
  ['__WNOTHREAD', 0x20000000],
  ['__WALL', 0x40000000],
]);
const How = Choice('How', 'i32', [
  ['SIG_BLOCK', 0],
  ['SIG_UNBLOCK', 1],
  ['SIG_SETMASK', 2],
]);
const FutexOp = Choice('FutexOp', 'i32', [
  ['FUTEX_WAIT', 0],
  ['FUTEX_WAKE', 1],
  ['FUTEX_REQUEUE', 3],
  ['FUTEX_CMP_REQUEUE', 4],
  ['FUTEX_WAKE_OP', 5],
  ['FUTEX_WAIT_PRIVATE', 128],
  ['FUTEX_WAKE_PRIVATE', 129],
  ['FUTEX_REQUEUE_PRIVATE', 131],
  ['FUTEX_CMP_REQUEUE_PRIVATE', 132],
  ['FUTEX_WAKE_OP_PRIVATE', 133],
  ['FUTEX_LOCK_PI_PRIVATE', 134],
  ['FUTEX_UNLOCK_PI_PRIVATE', 135],
  ['FUTEX_WAIT_BITSET_PRIVATE', 137],
  ['FUTEX_WAKE_BITSET_PRIVATE', 138],
  ['FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME', 393],
]);
const ClockId = Choice('ClockId', 'i32', [
  ['CLOCK_REALTIME', 0],
  ['CLOCK_MONOTONIC', 1],
  ['CLOCK_PROCESS_CPUTIME_ID', 2],
  ['CLOCK_THREAD_CPUTIME_ID', 3],
  ['CLOCK_MONOTONIC_RAW', 4],
  ['CLOCK_REALTIME_COARSE', 5],
  ['CLOCK_MONOTONIC_COARSE', 6],
  ['CLOCK_BOOTTIME', 7],
  ['CLOCK_TAI', 11],
]);
const Resource = Choice('Resource', 'u32', [
  ['RLIMIT_CPU', 0],
  ['RLIMIT_FSIZE', 1],
  ['RLIMIT_DATA', 2],
  ['RLIMIT_STACK', 3],
  ['RLIMIT_CORE', 4],
  ['RLIMIT_RSS', 5],
  ['RLIMIT_NPROC', 6],
  ['RLIMIT_NOFILE', 7],
  ['RLIMIT_MEMLOCK', 8],
  ['RLIMIT_AS', 9],
  ['RLIMIT_LOCKS', 10],
  ['RLIMIT_SIGPENDING', 11],
  ['RLIMIT_MSGQUEUE', 12],
  ['RLIMIT_NICE', 13],
  ['RLIMIT_RTPRIO', 14],
  ['RLIMIT_RTTIME', 15],
]);
const ArchOperation = Choice('ArchOperation', 'i32', [
  ['ARCH_SET_GS', 0x1001],
  ['ARCH_SET_FS', 0x1002],
  ['ARCH_GET_FS', 0x1003],
  ['ARCH_GET_GS', 0x1004],
]);

const PtraceRequest = Choice(
  'PtraceRequest',
  'i64',
  (Object.entries(pt) as [string, number][]).filter(([name]) => /^PTRACE_(?!EVENT_|O_)/.test(name)),
);

// The Sentry waits for its threads to do what it asks in their address space: one starved by its own low priority would hold up everybody.
const HOST_SCHEDULES = { partial: 'Kept and reported; all threads have the same priority on the host.' };
const NAMESPACES = {
  partial: 'User, mount, UTS, IPC, pid, network and time namespaces; one cgroup namespace.',
};

const signalRows: readonly SyscallRow[] = [
  row(13, 'rt_sigaction', [Signal, Addr, Addr, Size], sys_rt_sigaction),
  row(14, 'rt_sigprocmask', [How, Addr, Addr, Size], sys_rt_sigprocmask),
  row(15, 'rt_sigreturn', [], sys_rt_sigreturn),
  row(34, 'pause', [], sys_pause),
  row(62, 'kill', [Pid, Signal], sys_kill),
  row(127, 'rt_sigpending', [Addr, Size], sys_rt_sigpending),
  row(128, 'rt_sigtimedwait', [Addr, Addr, Addr, Size], sys_rt_sigtimedwait),
  row(129, 'rt_sigqueueinfo', [Pid, Signal, Addr], sys_rt_sigqueueinfo),
  row(130, 'rt_sigsuspend', [Addr, Size], sys_rt_sigsuspend),
  row(131, 'sigaltstack', [Addr, Addr], sys_sigaltstack),
  row(200, 'tkill', [Pid, Signal], sys_tkill),
  row(234, 'tgkill', [Pid, Pid, Signal], sys_tgkill),
  row(297, 'rt_tgsigqueueinfo', [Pid, Pid, Signal, Addr], sys_rt_tgsigqueueinfo),
];

const lifeRows: readonly SyscallRow[] = [
  row(56, 'clone', [CloneFlags, Addr, Addr, Addr, Addr], life.sys_clone, NAMESPACES),
  row(57, 'fork', [], life.sys_fork),
  row(58, 'vfork', [], life.sys_vfork),
  row(59, 'execve', [PathName, StringArray, StringArray], sys_execve),
  row(60, 'exit', [Int], life.sys_exit),
  row(61, 'wait4', [Pid, Addr, WaitOptions, Addr], sys_wait4),
  row(101, 'ptrace', [PtraceRequest, Pid, Addr, Addr], sys_ptrace),
  row(202, 'futex', [Addr, FutexOp, UInt, Addr, Addr, UInt], sys_futex, {
    partial: 'PI locks do not lend priority.',
  }),
  row(218, 'set_tid_address', [Addr], life.sys_set_tid_address),
  row(219, 'restart_syscall', [], sys_restart_syscall),
  row(231, 'exit_group', [Int], life.sys_exit_group),
  row(247, 'waitid', [Int, Pid, Addr, WaitOptions, Addr], sys_waitid),
  row(272, 'unshare', [Flags], sys_unshare, NAMESPACES),
  row(273, 'set_robust_list', [Addr, Size], life.sys_set_robust_list),
  row(334, 'rseq', [Addr, UInt, Flags, Flags], sys_rseq),
  row(274, 'get_robust_list', [Pid, Addr, Addr], life.sys_get_robust_list),
  row(248, 'add_key', [Addr, Addr, Addr, Size, Int], sys_add_key, {
    partial: 'Types keyring, user, logon and big_key.',
  }),
  row(249, 'request_key', [Addr, Addr, Addr, Int], sys_request_key, {
    partial: 'Nobody is asked for keys that are not there.',
  }),
  row(250, 'keyctl', [Int, Long, Long, Long, Long], sys_keyctl, {
    partial: 'No public-key operations, no restrictions, no watches.',
  }),
  row(308, 'setns', [Fd, Flags], sys_setns, NAMESPACES),
  row(312, 'kcmp', [Pid, Pid, Int, Int, Int], sys_kcmp),
  row(322, 'execveat', [DirFd, PathName, StringArray, StringArray, Flags], sys_execveat),
  row(424, 'pidfd_send_signal', [Fd, Signal, Addr, Flags], sys_pidfd_send_signal),
  row(434, 'pidfd_open', [Pid, Flags], sys_pidfd_open),
  row(438, 'pidfd_getfd', [Fd, Fd, Flags], sys_pidfd_getfd),
  row(435, 'clone3', [Addr, Size], life.sys_clone3, NAMESPACES),
  row(449, 'futex_waitv', [Addr, UInt, UInt, Addr, Int], sys_futex_waitv),
  row(454, 'futex_wake', [Addr, Size, Int, UInt], sys_futex_wake),
  row(455, 'futex_wait', [Addr, Size, Size, UInt, Addr, Int], sys_futex_wait),
  row(456, 'futex_requeue', [Addr, UInt, Int, Int], sys_futex_requeue),
];

const idRows: readonly SyscallRow[] = [
  row(39, 'getpid', [], ids.sys_getpid),
  row(102, 'getuid', [], ids.sys_getuid),
  row(104, 'getgid', [], ids.sys_getgid),
  row(105, 'setuid', [UInt], ids.sys_setuid),
  row(106, 'setgid', [UInt], ids.sys_setgid),
  row(107, 'geteuid', [], ids.sys_geteuid),
  row(108, 'getegid', [], ids.sys_getegid),
  row(109, 'setpgid', [Pid, Pid], ids.sys_setpgid),
  row(110, 'getppid', [], ids.sys_getppid),
  row(111, 'getpgrp', [], ids.sys_getpgrp),
  row(112, 'setsid', [], ids.sys_setsid),
  row(113, 'setreuid', [UInt, UInt], ids.sys_setreuid),
  row(114, 'setregid', [UInt, UInt], ids.sys_setregid),
  row(115, 'getgroups', [Int, Addr], ids.sys_getgroups),
  row(116, 'setgroups', [Int, Addr], ids.sys_setgroups),
  row(117, 'setresuid', [UInt, UInt, UInt], ids.sys_setresuid),
  row(118, 'getresuid', [Addr, Addr, Addr], ids.sys_getresuid),
  row(119, 'setresgid', [UInt, UInt, UInt], ids.sys_setresgid),
  row(120, 'getresgid', [Addr, Addr, Addr], ids.sys_getresgid),
  row(121, 'getpgid', [Pid], ids.sys_getpgid),
  row(122, 'setfsuid', [UInt], ids.sys_setfsuid),
  row(123, 'setfsgid', [UInt], ids.sys_setfsgid),
  row(124, 'getsid', [Pid], ids.sys_getsid),
  row(125, 'capget', [Addr, Addr], sys_capget),
  row(126, 'capset', [Addr, Addr], sys_capset),
  row(186, 'gettid', [], ids.sys_gettid),
];

const attributeRows: readonly SyscallRow[] = [
  row(24, 'sched_yield', [], sched.sys_sched_yield),
  row(97, 'getrlimit', [Resource, Addr], sys_getrlimit),
  row(135, 'personality', [UInt], sys_personality, {
    partial: 'ADDR_NO_RANDOMIZE acts; other personalities are kept and reported.',
  }),
  row(140, 'getpriority', [Int, Int], sched.sys_getpriority),
  row(141, 'setpriority', [Int, Int, Int], sched.sys_setpriority, HOST_SCHEDULES),
  row(142, 'sched_setparam', [Pid, Addr], sched.sys_sched_setparam, HOST_SCHEDULES),
  row(143, 'sched_getparam', [Pid, Addr], sched.sys_sched_getparam),
  row(144, 'sched_setscheduler', [Pid, Int, Addr], sched.sys_sched_setscheduler, HOST_SCHEDULES),
  row(145, 'sched_getscheduler', [Pid], sched.sys_sched_getscheduler),
  row(146, 'sched_get_priority_max', [Int], sched.sys_sched_get_priority_max),
  row(147, 'sched_get_priority_min', [Int], sched.sys_sched_get_priority_min),
  row(148, 'sched_rr_get_interval', [Pid, Addr], sched.sys_sched_rr_get_interval),
  row(157, 'prctl', [Int, Size, Size, Size, Size], sys_prctl, {
    partial: 'PR_SET_MM and speculation controls are refused as by a kernel built without them.',
  }),
  row(158, 'arch_prctl', [ArchOperation, Addr], sys_arch_prctl),
  row(160, 'setrlimit', [Resource, Addr], sys_setrlimit),
  row(203, 'sched_setaffinity', [Pid, UInt, Addr], sched.sys_sched_setaffinity),
  row(204, 'sched_getaffinity', [Pid, UInt, Addr], sched.sys_sched_getaffinity),
  row(251, 'ioprio_set', [Int, Int, Int], sched.sys_ioprio_set, HOST_SCHEDULES),
  row(252, 'ioprio_get', [Int, Int], sched.sys_ioprio_get),
  row(302, 'prlimit64', [Pid, Resource, Addr, Addr], sys_prlimit64),
  row(459, 'lsm_get_self_attr', [UInt, Addr, Addr, Flags], sys_lsm_get_self_attr),
  row(460, 'lsm_set_self_attr', [UInt, Addr, UInt, Flags], sys_lsm_set_self_attr),
  row(461, 'lsm_list_modules', [Addr, Addr, Flags], sys_lsm_list_modules),
  row(317, 'seccomp', [UInt, Flags, Addr], sys_seccomp, {
    partial: 'No notification descriptors (SECCOMP_FILTER_FLAG_NEW_LISTENER).',
  }),
  row(314, 'sched_setattr', [Pid, Addr, UInt], sched.sys_sched_setattr, HOST_SCHEDULES),
  row(315, 'sched_getattr', [Pid, Addr, UInt, UInt], sched.sys_sched_getattr),
];

const timeRows: readonly SyscallRow[] = [
  row(35, 'nanosleep', [Addr, Addr], sys_nanosleep),
  row(36, 'getitimer', [Int, Addr], timers.sys_getitimer),
  row(37, 'alarm', [UInt], timers.sys_alarm),
  row(38, 'setitimer', [Int, Addr, Addr], timers.sys_setitimer),
  row(96, 'gettimeofday', [Addr, Addr], clock.sys_gettimeofday),
  row(98, 'getrusage', [Int, Addr], sys_getrusage, { partial: 'CPU times and resident size; other counters are 0.' }),
  row(100, 'times', [Addr], sys_times),
  row(159, 'adjtimex', [Addr], clock.sys_adjtimex, { partial: "Reading only: the clocks are the host's." }),
  row(201, 'time', [Addr], clock.sys_time),
  row(222, 'timer_create', [ClockId, Addr, Addr], timers.sys_timer_create),
  row(223, 'timer_settime', [Int, Flags, Addr, Addr], timers.sys_timer_settime),
  row(224, 'timer_gettime', [Int, Addr], timers.sys_timer_gettime),
  row(225, 'timer_getoverrun', [Int], timers.sys_timer_getoverrun),
  row(226, 'timer_delete', [Int], timers.sys_timer_delete),
  row(227, 'clock_settime', [ClockId, Addr], clock.sys_clock_settime, { partial: "EPERM: the clocks are the host's." }),
  row(228, 'clock_gettime', [ClockId, Addr], clock.sys_clock_gettime),
  row(229, 'clock_getres', [ClockId, Addr], clock.sys_clock_getres),
  row(305, 'clock_adjtime', [ClockId, Addr], clock.sys_clock_adjtime, {
    partial: "Reading only: the clocks are the host's.",
  }),
  row(230, 'clock_nanosleep', [ClockId, Flags, Addr, Addr], sys_clock_nanosleep),
];

const systemRows: readonly SyscallRow[] = [
  row(63, 'uname', [Addr], system.sys_uname),
  row(99, 'sysinfo', [Addr], system.sys_sysinfo),
  row(103, 'syslog', [Int, Addr, Int], system.sys_syslog, { partial: 'The kernel log is empty.' }),
  row(170, 'sethostname', [PathName, Int], system.sys_sethostname),
  row(171, 'setdomainname', [PathName, Int], system.sys_setdomainname),
  row(309, 'getcpu', [Addr, Addr, Addr], system.sys_getcpu, {
    partial: 'Reports the first processor the thread may run on.',
  }),
  row(318, 'getrandom', [OutBuffer, Size, Flags], system.sys_getrandom),
  row(324, 'membarrier', [Int, UInt, Int], sys_membarrier, { partial: 'Not for restartable sequences.' }),
];

export const processRows: readonly SyscallRow[] = [
  ...signalRows,
  ...lifeRows,
  ...idRows,
  ...attributeRows,
  ...timeRows,
  ...systemRows,
];
