// SPDX-License-Identifier: Apache-2.0

/**
 * Structures of process, thread and signal calls.
 *
 * Linux: include/uapi/linux/sched.h, futex.h, rseq.h, capability.h; asm-generic/siginfo.h; arch/x86/include/uapi/asm/signal.h
 */
import { array, i32, pad, struct, u32, u64, u64big } from '../../layout/struct.ts';
import type { Infer } from '../../layout/struct.ts';

export const CloneArgs = struct(
  'clone_args',
  {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
  },
  { size: 88 },
);
export type CloneArgs = Infer<typeof CloneArgs>;

/** What rt_sigaction(2) takes: the kernel's own structure, not libc's. */
export const KernelSigaction = struct(
  'kernel_sigaction',
  { sa_handler: u64, sa_flags: u64, sa_restorer: u64, sa_mask: u64big },
  { size: 32 },
);
export type KernelSigaction = Infer<typeof KernelSigaction>;

export const StackT = struct('stack_t', { ss_sp: u64, ss_flags: i32, __pad0: pad(4), ss_size: u64 }, { size: 24 });
export type StackT = Infer<typeof StackT>;

/** siginfo_t's head, and its common shapes, each of 128 bytes. */
export const SiginfoKill = struct(
  'siginfo_kill',
  {
    si_signo: i32,
    si_errno: i32,
    si_code: i32,
    __pad0: pad(4),
    si_pid: i32,
    si_uid: u32,
    si_value: u64big,
    __rest: pad(96),
  },
  { size: 128 },
);
export const SiginfoFault = struct(
  'siginfo_fault',
  { si_signo: i32, si_errno: i32, si_code: i32, __pad0: pad(4), si_addr: u64, __rest: pad(104) },
  { size: 128 },
);
export const SiginfoChild = struct(
  'siginfo_child',
  {
    si_signo: i32,
    si_errno: i32,
    si_code: i32,
    __pad0: pad(4),
    si_pid: i32,
    si_uid: u32,
    si_status: i32,
    __pad1: pad(4),
    si_utime: u64,
    si_stime: u64,
    __rest: pad(80),
  },
  { size: 128 },
);
export const SiginfoTimer = struct(
  'siginfo_timer',
  {
    si_signo: i32,
    si_errno: i32,
    si_code: i32,
    __pad0: pad(4),
    si_timerid: i32,
    si_overrun: i32,
    si_value: u64big,
    __rest: pad(96),
  },
  { size: 128 },
);

export const Sigevent = struct(
  'sigevent',
  { sigev_value: u64big, sigev_signo: i32, sigev_notify: i32, sigev_notify_thread_id: i32, __rest: pad(44) },
  { size: 64 },
);
export type Sigevent = Infer<typeof Sigevent>;

export const RobustListHead = struct(
  'robust_list_head',
  { list_next: u64, futex_offset: u64, list_op_pending: u64 },
  { size: 24 },
);
export type RobustListHead = Infer<typeof RobustListHead>;

export const Rseq = struct(
  'rseq',
  { cpu_id_start: u32, cpu_id: u32, rseq_cs: u64, flags: u32, node_id: u32, mm_cid: u32, __pad0: pad(4) },
  { size: 32 },
);

export const CapUserHeader = struct('__user_cap_header_struct', { version: u32, pid: i32 }, { size: 8 });
export const CapUserData = struct(
  '__user_cap_data_struct',
  { effective: u32, permitted: u32, inheritable: u32 },
  { size: 12 },
);

export const SchedParam = struct('sched_param', { sched_priority: i32 }, { size: 4 });

export const SockFilter = struct('sock_filter', { code_jt_jf: u32, k: u32 }, { size: 8 });

/** struct futex_waitv. */
export const FutexWaitv = struct('futex_waitv', { val: u64, uaddr: u64, flags: u32, __reserved: pad(4) }, { size: 24 });

/** The x87/SSE part of a signal frame's floating-point state. */
export const FpxSwBytes = struct(
  '_fpx_sw_bytes',
  { magic1: u32, extended_size: u32, xfeatures: u64big, xstate_size: u32, padding: array(u32, 7) },
  { size: 48 },
);
