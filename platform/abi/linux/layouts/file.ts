// SPDX-License-Identifier: Apache-2.0

/**
 * Structures of file, poll and descriptor calls.
 *
 * Linux: arch/x86/include/uapi/asm/stat.h, include/uapi/linux/stat.h, statfs.h, openat2.h, eventpoll.h, fcntl.h, uio.h, dirent.h
 */
import { array, bytes, i16, i32, i64, pad, struct, u16, u32, u64, u8 } from '../../layout/struct.ts';
import type { Infer } from '../../layout/struct.ts';
import { Timespec } from './time.ts';

export const Stat = struct(
  'stat',
  {
    st_dev: u64,
    st_ino: u64,
    st_nlink: u64,
    st_mode: u32,
    st_uid: u32,
    st_gid: u32,
    __pad0: pad(4),
    st_rdev: u64,
    st_size: i64,
    st_blksize: i64,
    st_blocks: i64,
    st_atim: Timespec,
    st_mtim: Timespec,
    st_ctim: Timespec,
    __unused: pad(24),
  },
  { size: 144 },
);
export type Stat = Infer<typeof Stat>;

export const Statfs = struct(
  'statfs',
  {
    f_type: i64,
    f_bsize: i64,
    f_blocks: u64,
    f_bfree: u64,
    f_bavail: u64,
    f_files: u64,
    f_ffree: u64,
    f_fsid: array(i32, 2),
    f_namelen: i64,
    f_frsize: i64,
    f_flags: i64,
    f_spare: pad(32),
  },
  { size: 120 },
);
export type Statfs = Infer<typeof Statfs>;

export const StatxTimestamp = struct(
  'statx_timestamp',
  { tv_sec: i64, tv_nsec: u32, __reserved: pad(4) },
  { size: 16 },
);

export const Statx = struct(
  'statx',
  {
    stx_mask: u32,
    stx_blksize: u32,
    stx_attributes: u64,
    stx_nlink: u32,
    stx_uid: u32,
    stx_gid: u32,
    stx_mode: u16,
    __spare0: pad(2),
    stx_ino: u64,
    stx_size: u64,
    stx_blocks: u64,
    stx_attributes_mask: u64,
    stx_atime: StatxTimestamp,
    stx_btime: StatxTimestamp,
    stx_ctime: StatxTimestamp,
    stx_mtime: StatxTimestamp,
    stx_rdev_major: u32,
    stx_rdev_minor: u32,
    stx_dev_major: u32,
    stx_dev_minor: u32,
    stx_mnt_id: u64,
    stx_dio_mem_align: u32,
    stx_dio_offset_align: u32,
    __spare3: pad(96),
  },
  { size: 256 },
);
export type Statx = Infer<typeof Statx>;

export const OpenHow = struct('open_how', { flags: u64, mode: u64, resolve: u64 }, { size: 24 });
export type OpenHow = Infer<typeof OpenHow>;

export const EpollEvent = struct(
  'epoll_event',
  { events: u32, data_lo: u32, data_hi: u32 },
  { size: 12, packed: true },
);
export type EpollEvent = Infer<typeof EpollEvent>;

export const Pollfd = struct('pollfd', { fd: i32, events: i16, revents: i16 }, { size: 8 });
export type Pollfd = Infer<typeof Pollfd>;

export const Iovec = struct('iovec', { iov_base: u64, iov_len: u64 }, { size: 16 });
export type Iovec = Infer<typeof Iovec>;

export const Flock64 = struct(
  'flock',
  { l_type: i16, l_whence: i16, __pad0: pad(4), l_start: i64, l_len: i64, l_pid: i32, __pad1: pad(4) },
  { size: 32 },
);
export type Flock64 = Infer<typeof Flock64>;

export const FOwnerEx = struct('f_owner_ex', { type: i32, pid: i32 }, { size: 8 });

/** The fixed head of struct linux_dirent64; the name follows, the record is padded to 8 bytes. */
export const Dirent64Header = struct(
  'linux_dirent64',
  { d_ino: u64, d_off: i64, d_reclen: u16, d_type: u8 },
  { size: 19, packed: true },
);
/** The fixed head of struct linux_dirent; the name follows, then a NUL and the type in the last byte. */
export const DirentHeader = struct(
  'linux_dirent',
  { d_ino: u64, d_off: u64, d_reclen: u16 },
  { size: 18, packed: true },
);

export const InotifyEventHeader = struct('inotify_event', { wd: i32, mask: u32, cookie: u32, len: u32 }, { size: 16 });

export const SignalfdSiginfo = struct(
  'signalfd_siginfo',
  {
    ssi_signo: u32,
    ssi_errno: i32,
    ssi_code: i32,
    ssi_pid: u32,
    ssi_uid: u32,
    ssi_fd: i32,
    ssi_tid: u32,
    ssi_band: u32,
    ssi_overrun: u32,
    ssi_trapno: u32,
    ssi_status: i32,
    ssi_int: i32,
    ssi_ptr: u64,
    ssi_utime: u64,
    ssi_stime: u64,
    ssi_addr: u64,
    ssi_addr_lsb: u16,
    __pad2: pad(2),
    ssi_syscall: i32,
    ssi_call_addr: u64,
    ssi_arch: u32,
    __pad: pad(28),
  },
  { size: 128 },
);
export type SignalfdSiginfo = Infer<typeof SignalfdSiginfo>;

/** struct utsname: six NUL-terminated fields. */
export const Utsname = struct(
  'utsname',
  {
    sysname: bytes(65),
    nodename: bytes(65),
    release: bytes(65),
    version: bytes(65),
    machine: bytes(65),
    domainname: bytes(65),
  },
  { size: 390 },
);
