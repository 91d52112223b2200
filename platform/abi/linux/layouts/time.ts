// SPDX-License-Identifier: Apache-2.0

/**
 * Structures of time and resource calls.
 *
 * Linux: include/uapi/linux/time.h, time_types.h, resource.h, timex.h, times.h
 */
import { array, i32, i64, pad, struct, u32, u64 } from '../../layout/struct.ts';
import type { Infer } from '../../layout/struct.ts';

export const Timespec = struct('timespec', { tv_sec: i64, tv_nsec: i64 }, { size: 16 });
export type Timespec = Infer<typeof Timespec>;

export const Timeval = struct('timeval', { tv_sec: i64, tv_usec: i64 }, { size: 16 });
export type Timeval = Infer<typeof Timeval>;

export const Itimerval = struct('itimerval', { it_interval: Timeval, it_value: Timeval }, { size: 32 });
export type Itimerval = Infer<typeof Itimerval>;

export const Itimerspec = struct('itimerspec', { it_interval: Timespec, it_value: Timespec }, { size: 32 });
export type Itimerspec = Infer<typeof Itimerspec>;

export const Timezone = struct('timezone', { tz_minuteswest: i32, tz_dsttime: i32 }, { size: 8 });

export const Tms = struct('tms', { tms_utime: i64, tms_stime: i64, tms_cutime: i64, tms_cstime: i64 }, { size: 32 });

export const Utimbuf = struct('utimbuf', { actime: i64, modtime: i64 }, { size: 16 });

export const Rusage = struct(
  'rusage',
  {
    ru_utime: Timeval,
    ru_stime: Timeval,
    ru_maxrss: i64,
    ru_ixrss: i64,
    ru_idrss: i64,
    ru_isrss: i64,
    ru_minflt: i64,
    ru_majflt: i64,
    ru_nswap: i64,
    ru_inblock: i64,
    ru_oublock: i64,
    ru_msgsnd: i64,
    ru_msgrcv: i64,
    ru_nsignals: i64,
    ru_nvcsw: i64,
    ru_nivcsw: i64,
  },
  { size: 144 },
);
export type Rusage = Infer<typeof Rusage>;

export const Rlimit64 = struct('rlimit64', { rlim_cur: u64, rlim_max: u64 }, { size: 16 });
export type Rlimit64 = Infer<typeof Rlimit64>;

export const Timex = struct(
  'timex',
  {
    modes: u32,
    __pad0: pad(4),
    offset: i64,
    freq: i64,
    maxerror: i64,
    esterror: i64,
    status: i32,
    __pad1: pad(4),
    constant: i64,
    precision: i64,
    tolerance: i64,
    time: Timeval,
    tick: i64,
    ppsfreq: i64,
    jitter: i64,
    shift: i32,
    __pad2: pad(4),
    stabil: i64,
    jitcnt: i64,
    calcnt: i64,
    errcnt: i64,
    stbcnt: i64,
    tai: i32,
    __unused: pad(44),
  },
  { size: 208 },
);
export type Timex = Infer<typeof Timex>;

export const Sysinfo = struct(
  'sysinfo',
  {
    uptime: i64,
    loads: array(u64, 3),
    totalram: u64,
    freeram: u64,
    sharedram: u64,
    bufferram: u64,
    totalswap: u64,
    freeswap: u64,
    procs: u32,
    __pad0: pad(4),
    totalhigh: u64,
    freehigh: u64,
    mem_unit: u32,
    __pad1: pad(4),
  },
  { size: 112 },
);
export type Sysinfo = Infer<typeof Sysinfo>;
