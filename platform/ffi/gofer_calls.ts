// SPDX-License-Identifier: Apache-2.0

/**
 * Host calls of the Gofer: descriptor-relative file operations and the SEQPACKET channel. Nothing here takes a path of more
 * than one component, except the relative names of /proc/self/fd entries ("17") that reopen a descriptor.
 *
 * Invariants: every function returns >= 0 or a negative errno. Names are byte strings (latin1). The scratch buffers are fixed
 *             and reused: nothing is allocated per call. warmGoferCalls() defines every call: afterwards no executable
 *             memory is needed, so a seccomp filter may come into force.
 */
import { allocateNative, defineSyscall, type NativeMemory, type Ptr } from './native.ts';

/** A system call defined on first use. */
function lazy(nr: number, signature: string): (...args: (Ptr | number)[]) => number {
  let fn: ((...args: (Ptr | number)[]) => number) | null = null;
  const call = (...args: (Ptr | number)[]): number => {
    if (fn === null) fn = defineSyscall<(...args: (Ptr | number)[]) => number>(nr, signature);
    return fn(...args);
  };
  warmers.push(() => {
    if (fn === null) fn = defineSyscall<(...args: (Ptr | number)[]) => number>(nr, signature);
  });
  return call;
}
const warmers: (() => void)[] = [];

/** Defines every call of this file now. */
export function warmGoferCalls(): void {
  for (const warm of warmers) warm();
}

const c_openat = lazy(257, 'ipii');
const c_statx = lazy(332, 'ipiip');
const c_close = lazy(3, 'i');
const c_readlinkat = lazy(267, 'ippi');
const c_mkdirat = lazy(258, 'ipi');
const c_mknodat = lazy(259, 'ipii');
const c_symlinkat = lazy(266, 'pip');
const c_linkat = lazy(265, 'ipipi');
const c_unlinkat = lazy(263, 'ipi');
const c_renameat2 = lazy(316, 'ipipi');
const c_fchmodat = lazy(268, 'ipi');
const c_fchownat = lazy(260, 'ipiii');
const c_utimensat = lazy(280, 'ippi');
const c_truncate = lazy(76, 'pi');
const c_getxattr = lazy(191, 'pppi');
const c_setxattr = lazy(188, 'pppii');
const c_removexattr = lazy(197, 'pp');
const c_listxattr = lazy(194, 'ppi');
const c_getdents64 = lazy(217, 'ipi');
const c_fstatfs = lazy(138, 'ip');
const c_fsync = lazy(74, 'i');
const c_fdatasync = lazy(75, 'i');
const c_fchdir = lazy(81, 'i');
const c_umask = lazy(95, 'i');
const c_sendmsg = lazy(46, 'iii');
const c_recvmsg = lazy(47, 'iii');
const c_inotify_init1 = lazy(294, 'i');
const c_inotify_add_watch = lazy(254, 'ipi');
const c_inotify_rm_watch = lazy(255, 'ii');
const c_dup = lazy(72, 'iii');
const c_socket = lazy(41, 'iii');
const c_connect = lazy(42, 'ipi');
const c_bind = lazy(49, 'ipi');
const c_socketpair = lazy(53, 'iiip');
const c_exit_group = lazy(231, 'i');
const c_prlimit64 = lazy(302, 'iipp');
const c_geteuid = lazy(107, '');
const c_getegid = lazy(108, '');

export const AT_FDCWD = -100;
const UNIX_PATH_MAX = 108;
const EINVAL = -22;
const ENAMETOOLONG = -36;
const AF_INET = 2;
const AF_INET6 = 10;

const nameA = Buffer.alloc(4352);
const nameB = Buffer.alloc(4352);
const empty = Buffer.alloc(1);

function fill(buf: Buffer, name: string): Buffer {
  const n = buf.write(name, 0, 4351, 'latin1');
  buf[n] = 0;
  return buf;
}

/** openat(2). `name`: one component, or a decimal number when the working directory is /proc/self/fd. */
export function openat(dirFd: number, name: string, flags: number, mode: number): number {
  return c_openat(dirFd, fill(nameA, name), flags, mode);
}

/** statx(2) of `name` in dirFd (AT_SYMLINK_NOFOLLOW given by the caller) into out (256 bytes). */
export function statx(dirFd: number, name: string, flags: number, mask: number, out: Uint8Array): number {
  return c_statx(dirFd, fill(nameA, name), flags, mask, out);
}

/** statx(2) of the descriptor itself (AT_EMPTY_PATH). */
export function statxFd(fd: number, mask: number, out: Uint8Array): number {
  return c_statx(fd, empty, 0x1000, mask, out);
}

export function close(fd: number): number {
  return c_close(fd);
}

/** readlinkat(fd, "") of an O_PATH descriptor of a symbolic link. */
export function readlinkFd(fd: number, out: Uint8Array): number {
  return c_readlinkat(fd, empty, out, out.length);
}

export function mkdirat(dirFd: number, name: string, mode: number): number {
  return c_mkdirat(dirFd, fill(nameA, name), mode);
}

export function mknodat(dirFd: number, name: string, mode: number, rdev: number): number {
  return c_mknodat(dirFd, fill(nameA, name), mode, rdev);
}

export function symlinkat(target: string, dirFd: number, name: string): number {
  return c_symlinkat(fill(nameB, target), dirFd, fill(nameA, name));
}

/** linkat(2) of an O_PATH descriptor through its /proc/self/fd name (working directory), following that magic link. */
export function linkFd(fd: number, dirFd: number, name: string): number {
  return c_linkat(AT_FDCWD, fill(nameB, String(fd)), dirFd, fill(nameA, name), 0x400);
}

export function unlinkat(dirFd: number, name: string, flags: number): number {
  return c_unlinkat(dirFd, fill(nameA, name), flags);
}

export function renameat2(oldDir: number, oldName: string, newDir: number, newName: string, flags: number): number {
  return c_renameat2(oldDir, fill(nameA, oldName), newDir, fill(nameB, newName), flags);
}

/** chmod(2) through the descriptor's /proc/self/fd name. */
export function chmodFd(fd: number, mode: number): number {
  return c_fchmodat(AT_FDCWD, fill(nameA, String(fd)), mode);
}

/** Changes owner and group of the descriptor's file (0xffffffff: keep). */
export function chownFd(fd: number, uid: number, gid: number): number {
  return c_fchownat(fd, empty, uid, gid, 0x1000);
}

const times = Buffer.alloc(32);

function putTime(at: number, sec: number, nsec: number): void {
  times.writeUInt32LE(sec >>> 0, at);
  times.writeInt32LE(Math.floor(sec / 0x100000000), at + 4);
  times.writeUInt32LE(nsec, at + 8);
  times.writeUInt32LE(0, at + 12);
}

/** utimensat(2) on the descriptor's file; nsec may be UTIME_OMIT or UTIME_NOW. */
export function utimensFd(
  fd: number,
  atimeSec: number,
  atimeNsec: number,
  mtimeSec: number,
  mtimeNsec: number,
): number {
  putTime(0, atimeSec, atimeNsec);
  putTime(16, mtimeSec, mtimeNsec);
  const r = c_utimensat(fd, empty, times, 0x1000);
  // Before Linux 5.8 AT_EMPTY_PATH is EINVAL here: go through /proc/self/fd.
  return r === -22 ? c_utimensat(AT_FDCWD, fill(nameA, String(fd)), times, 0) : r;
}

/** truncate(2) through the descriptor's /proc/self/fd name. */
export function truncateFd(fd: number, length: number): number {
  return c_truncate(fill(nameA, String(fd)), length);
}

export function getxattrFd(fd: number, name: string, out: Uint8Array, size: number): number {
  return c_getxattr(fill(nameA, String(fd)), fill(nameB, name), out, size);
}

export function setxattrFd(fd: number, name: string, value: Uint8Array, flags: number): number {
  return c_setxattr(
    fill(nameA, String(fd)),
    fill(nameB, name),
    value.length === 0 ? empty : value,
    value.length,
    flags,
  );
}

export function removexattrFd(fd: number, name: string): number {
  return c_removexattr(fill(nameA, String(fd)), fill(nameB, name));
}

export function listxattrFd(fd: number, out: Uint8Array, size: number): number {
  return c_listxattr(fill(nameA, String(fd)), out, size);
}

export function getdents64(fd: number, out: Uint8Array): number {
  return c_getdents64(fd, out, out.length);
}

/** fstatfs(2) into out (struct statfs, 120 bytes). */
export function fstatfs(fd: number, out: Uint8Array): number {
  return c_fstatfs(fd, out);
}

export function fsync(fd: number): number {
  return c_fsync(fd);
}

export function fdatasync(fd: number): number {
  return c_fdatasync(fd);
}

export function fchdir(fd: number): number {
  return c_fchdir(fd);
}

export function umask(mask: number): number {
  return c_umask(mask);
}

export function geteuid(): number {
  return c_geteuid();
}

export function getegid(): number {
  return c_getegid();
}

/** Soft limit of RLIMIT_NOFILE. */
export function openFileLimit(): number {
  const out = Buffer.alloc(16);
  if (c_prlimit64(0, 7, null, out) < 0) return 1024;
  return out.readUInt32LE(4) > 0 ? 0x7fffffff : out.readUInt32LE(0);
}

/** Ends the process at once, without running Node's exit handlers (the child of a fork must not). */
export function exitNow(status: number): never {
  c_exit_group(status);
  throw new Error('unreachable');
}

/** A connected SOCK_SEQPACKET pair, CLOEXEC: [fd, fd] into out; 0 or errno. */
export function socketpairSeqpacket(out: Int32Array): number {
  const buf = Buffer.alloc(8);
  const r = c_socketpair(1, 5 | 0o2000000, 0, buf);
  out[0] = buf.readInt32LE(0);
  out[1] = buf.readInt32LE(4);
  return r;
}

/** A new inotify instance (IN_NONBLOCK | IN_CLOEXEC), or errno. */
export function inotifyInit(): number {
  return c_inotify_init1(0o2004000);
}
/** Watches the file behind an O_PATH descriptor. Returns the watch descriptor or errno. */
export function inotifyAddWatch(notifyFd: number, fd: number, mask: number): number {
  return c_inotify_add_watch(notifyFd, fill(nameA, String(fd)), mask);
}
export function inotifyRmWatch(notifyFd: number, wd: number): number {
  return c_inotify_rm_watch(notifyFd, wd);
}
/** A second descriptor for the same open file (CLOEXEC), or errno. */
export function duplicate(fd: number): number {
  return c_dup(fd, 1030, 0);
}

/** A Unix socket connected to the socket file behind an O_PATH descriptor. Returns the descriptor or errno. */
export function connectUnixFd(fd: number, type: number): number {
  const sock = c_socket(1, type | 0o2000000 | 0o4000, 0);
  if (sock < 0) return sock;
  const addr = Buffer.alloc(110);
  addr.writeUInt16LE(1, 0);
  const n = addr.write(String(fd), 2, 'latin1');
  const r = c_connect(sock, addr, 2 + n + 1);
  if (r < 0) {
    c_close(sock);
    return r;
  }
  return sock;
}

/** A Unix socket bound to `name` in the directory behind an O_PATH descriptor. Returns the descriptor or errno. Errors: ENAMETOOLONG. */
export function bindUnixAt(dirFd: number, name: string, type: number): number {
  const path = Buffer.from(`${dirFd}/${name}\0`, 'latin1');
  if (path.length > UNIX_PATH_MAX) return ENAMETOOLONG;
  const sock = c_socket(1, type | 0o2000000 | 0o4000, 0);
  if (sock < 0) return sock;
  const r = c_bind(sock, Buffer.concat([Buffer.from([1, 0]), path]), 2 + path.length);
  if (r >= 0) return sock;
  c_close(sock);
  return r;
}

const SOCKADDR_IN_SIZE = 16;
const SOCKADDR_IN6_SIZE = 28;

/** Binds an internet socket to a port below 1024, for which this process has the privilege. Returns 0 or errno. Errors: EINVAL (any other address). */
export function bindLowPort(fd: number, address: Uint8Array): number {
  const family = (address[0] ?? 0) | ((address[1] ?? 0) << 8);
  const size = family === AF_INET ? SOCKADDR_IN_SIZE : family === AF_INET6 ? SOCKADDR_IN6_SIZE : 0;
  const port = ((address[2] ?? 0) << 8) | (address[3] ?? 0);
  if (size === 0 || address.length !== size || port === 0 || port >= 1024) return EINVAL;
  return c_bind(fd, address, size);
}

/** One end of a SEQPACKET connection with fixed buffers: at most one descriptor goes or comes with a message. */
/** CMSG_SPACE of one descriptor. */
const CONTROL_SIZE = 24;

export class MessageChannel {
  readonly fd: number;
  readonly recvBuffer: Uint8Array;
  private readonly sendMemory: NativeMemory;
  /** iovec of sends at 0, of receives at 16; msghdr of sends at 64, of receives at 128; control message of sends at 192, of receives at 224. */
  private readonly headers: NativeMemory;

  constructor(fd: number, frameSize: number) {
    this.fd = fd;
    const recv = allocateNative(frameSize);
    this.recvBuffer = recv.bytes.subarray(0, frameSize);
    this.sendMemory = allocateNative(frameSize);
    this.headers = allocateNative(256);
    const u32 = this.headers.u32;
    const put64 = (at: number, value: number): void => {
      u32[at >> 2] = value >>> 0;
      u32[(at >> 2) + 1] = Math.floor(value / 0x100000000);
    };
    put64(0, this.sendMemory.addr);
    put64(16, recv.addr);
    put64(24, frameSize);
    put64(64 + 16, this.headers.addr);
    put64(64 + 24, 1);
    put64(64 + 32, this.headers.addr + 192);
    put64(128 + 16, this.headers.addr + 16);
    put64(128 + 24, 1);
    put64(128 + 32, this.headers.addr + 224);
    // struct cmsghdr { size_t len = 20; int level = SOL_SOCKET; int type = SCM_RIGHTS; int fd }
    put64(192, 20);
    u32[200 >> 2] = 1;
    u32[204 >> 2] = 1;
  }

  /** Waits for one message into recvBuffer. Returns its length, 0 at end of file, or errno. EMSGSIZE: longer than the buffer. takeFd() must follow. */
  recv(): number {
    const u32 = this.headers.u32;
    for (;;) {
      u32[(128 + 40) >> 2] = CONTROL_SIZE;
      // MSG_CMSG_CLOEXEC
      const n = c_recvmsg(this.fd, this.headers.addr + 128, 0x40000000);
      if (n === -4) continue;
      // MSG_TRUNC in msg_flags
      return n >= 0 && ((this.headers.u32[(128 + 48) >> 2] as number) & 0x20) !== 0 ? -90 : n;
    }
  }

  /** The descriptor that came with the last message (the caller owns it), or -1. */
  takeFd(): number {
    const { u32, i32 } = this.headers;
    const hasFd = (u32[(128 + 40) >> 2] as number) >= 20 && u32[(224 + 8) >> 2] === 1 && u32[(224 + 12) >> 2] === 1;
    u32[(128 + 40) >> 2] = 0;
    return hasFd ? (i32[(224 + 16) >> 2] as number) : -1;
  }

  /** Sends frame[0..length], with a descriptor unless passFd is negative. Returns bytes sent or errno. */
  send(frame: Uint8Array, length: number, passFd: number): number {
    this.sendMemory.bytes.set(length === frame.length ? frame : frame.subarray(0, length));
    this.headers.u32[8 >> 2] = length;
    this.headers.i32[208 >> 2] = passFd;
    this.headers.u32[(64 + 40) >> 2] = passFd >= 0 ? 24 : 0;
    for (;;) {
      // MSG_NOSIGNAL
      const n = c_sendmsg(this.fd, this.headers.addr + 64, 0x4000);
      if (n !== -4) return n;
    }
  }
}
