// SPDX-License-Identifier: Apache-2.0

/**
 * Host calls of the Gofer: descriptor-relative file operations and the SEQPACKET channel. Nothing here takes a path of more
 * than one component, except the relative names of /proc/self/fd entries ("17") that reopen a descriptor.
 *
 * Invariants: every function returns >= 0 or a negative errno. Names are byte strings (latin1). The scratch buffers are fixed
 *             and reused: nothing is allocated per call.
 */
import koffi from 'koffi';

const lib = koffi.load('libc.so.6');

const c_openat = lib.func('int openat(int, uint8_t *, int, uint32_t)');
const c_statx = lib.func('int statx(int, uint8_t *, int, uint32_t, uint8_t *)');
const c_close = lib.func('int close(int)');
const c_readlinkat = lib.func('int64_t readlinkat(int, uint8_t *, uint8_t *, size_t)');
const c_mkdirat = lib.func('int mkdirat(int, uint8_t *, uint32_t)');
const c_mknodat = lib.func('int mknodat(int, uint8_t *, uint32_t, uint64_t)');
const c_symlinkat = lib.func('int symlinkat(uint8_t *, int, uint8_t *)');
const c_linkat = lib.func('int linkat(int, uint8_t *, int, uint8_t *, int)');
const c_unlinkat = lib.func('int unlinkat(int, uint8_t *, int)');
const c_renameat2 = lib.func('int renameat2(int, uint8_t *, int, uint8_t *, uint32_t)');
const c_chmod = lib.func('int chmod(uint8_t *, uint32_t)');
const c_fchownat = lib.func('int fchownat(int, uint8_t *, uint32_t, uint32_t, int)');
const c_utimensat = lib.func('int utimensat(int, uint8_t *, uint8_t *, int)');
const c_truncate = lib.func('int truncate(uint8_t *, int64_t)');
const c_getxattr = lib.func('int64_t getxattr(uint8_t *, uint8_t *, uint8_t *, size_t)');
const c_setxattr = lib.func('int setxattr(uint8_t *, uint8_t *, uint8_t *, size_t, int)');
const c_removexattr = lib.func('int removexattr(uint8_t *, uint8_t *)');
const c_listxattr = lib.func('int64_t listxattr(uint8_t *, uint8_t *, size_t)');
const c_getdents64 = lib.func('int64_t getdents64(int, uint8_t *, size_t)');
const c_fstatfs = lib.func('int fstatfs(int, uint8_t *)');
const c_fsync = lib.func('int fsync(int)');
const c_fdatasync = lib.func('int fdatasync(int)');
const c_fchdir = lib.func('int fchdir(int)');
const c_umask = lib.func('uint32_t umask(uint32_t)');
const c_sendmsg = lib.func('int64_t sendmsg(int, uint8_t *, int)');
const c_recvmsg = lib.func('int64_t recvmsg(int, uint8_t *, int)');
const c_socket = lib.func('int socket(int, int, int)');
const c_connect = lib.func('int connect(int, uint8_t *, uint32_t)');
const c_socketpair = lib.func('int socketpair(int, int, int, uint8_t *)');
const c_geteuid = lib.func('uint32_t geteuid()');
const c_getegid = lib.func('uint32_t getegid()');
const c_exit = lib.func('void _exit(int)');
const c_getrlimit = lib.func('int getrlimit(int, uint8_t *)');

export const AT_FDCWD = -100;

const nameA = Buffer.alloc(4352);
const nameB = Buffer.alloc(4352);
const empty = Buffer.alloc(1);

function fill(buf: Buffer, name: string): Buffer {
  const n = buf.write(name, 0, 4351, 'latin1');
  buf[n] = 0;
  return buf;
}

function check(result: number): number {
  return result < 0 ? -koffi.errno() : result;
}

/** openat(2). `name`: one component, or a decimal number when the working directory is /proc/self/fd. */
export function openat(dirFd: number, name: string, flags: number, mode: number): number {
  return check(c_openat(dirFd, fill(nameA, name), flags, mode));
}

/** statx(2) of `name` in dirFd (AT_SYMLINK_NOFOLLOW given by the caller) into out (256 bytes). */
export function statx(dirFd: number, name: string, flags: number, mask: number, out: Uint8Array): number {
  return check(c_statx(dirFd, fill(nameA, name), flags, mask, out));
}

/** statx(2) of the descriptor itself (AT_EMPTY_PATH). */
export function statxFd(fd: number, mask: number, out: Uint8Array): number {
  return check(c_statx(fd, empty, 0x1000, mask, out));
}

export function close(fd: number): number {
  return check(c_close(fd));
}

/** readlinkat(fd, "") of an O_PATH descriptor of a symbolic link. */
export function readlinkFd(fd: number, out: Uint8Array): number {
  return check(Number(c_readlinkat(fd, empty, out, out.length)));
}

export function mkdirat(dirFd: number, name: string, mode: number): number {
  return check(c_mkdirat(dirFd, fill(nameA, name), mode));
}

export function mknodat(dirFd: number, name: string, mode: number, rdev: number): number {
  return check(c_mknodat(dirFd, fill(nameA, name), mode, rdev));
}

export function symlinkat(target: string, dirFd: number, name: string): number {
  return check(c_symlinkat(fill(nameB, target), dirFd, fill(nameA, name)));
}

/** linkat(2) of an O_PATH descriptor through its /proc/self/fd name (working directory), following that magic link. */
export function linkFd(fd: number, dirFd: number, name: string): number {
  return check(c_linkat(AT_FDCWD, fill(nameB, String(fd)), dirFd, fill(nameA, name), 0x400));
}

export function unlinkat(dirFd: number, name: string, flags: number): number {
  return check(c_unlinkat(dirFd, fill(nameA, name), flags));
}

export function renameat2(oldDir: number, oldName: string, newDir: number, newName: string, flags: number): number {
  return check(c_renameat2(oldDir, fill(nameA, oldName), newDir, fill(nameB, newName), flags));
}

/** chmod(2) through the descriptor's /proc/self/fd name. */
export function chmodFd(fd: number, mode: number): number {
  return check(c_chmod(fill(nameA, String(fd)), mode));
}

/** Changes owner and group of the descriptor's file (0xffffffff: keep). */
export function chownFd(fd: number, uid: number, gid: number): number {
  return check(c_fchownat(fd, empty, uid, gid, 0x1000));
}

const times = Buffer.alloc(32);

function putTime(at: number, sec: number, nsec: number): void {
  times.writeUInt32LE(sec >>> 0, at);
  times.writeInt32LE(Math.floor(sec / 0x100000000), at + 4);
  times.writeUInt32LE(nsec, at + 8);
  times.writeUInt32LE(0, at + 12);
}

/** utimensat(2) on the descriptor's file; nsec may be UTIME_OMIT or UTIME_NOW. */
export function utimensFd(fd: number, atimeSec: number, atimeNsec: number, mtimeSec: number, mtimeNsec: number): number {
  putTime(0, atimeSec, atimeNsec);
  putTime(16, mtimeSec, mtimeNsec);
  const r = check(c_utimensat(fd, empty, times, 0x1000));
  // Before Linux 5.8 AT_EMPTY_PATH is EINVAL here: go through /proc/self/fd.
  return r === -22 ? check(c_utimensat(AT_FDCWD, fill(nameA, String(fd)), times, 0)) : r;
}

/** truncate(2) through the descriptor's /proc/self/fd name. */
export function truncateFd(fd: number, length: number): number {
  return check(c_truncate(fill(nameA, String(fd)), length));
}

export function getxattrFd(fd: number, name: string, out: Uint8Array, size: number): number {
  return check(Number(c_getxattr(fill(nameA, String(fd)), fill(nameB, name), out, size)));
}

export function setxattrFd(fd: number, name: string, value: Uint8Array, flags: number): number {
  return check(c_setxattr(fill(nameA, String(fd)), fill(nameB, name), value.length === 0 ? empty : value, value.length, flags));
}

export function removexattrFd(fd: number, name: string): number {
  return check(c_removexattr(fill(nameA, String(fd)), fill(nameB, name)));
}

export function listxattrFd(fd: number, out: Uint8Array, size: number): number {
  return check(Number(c_listxattr(fill(nameA, String(fd)), out, size)));
}

export function getdents64(fd: number, out: Uint8Array): number {
  return check(Number(c_getdents64(fd, out, out.length)));
}

/** fstatfs(2) into out (struct statfs, 120 bytes). */
export function fstatfs(fd: number, out: Uint8Array): number {
  return check(c_fstatfs(fd, out));
}

export function fsync(fd: number): number {
  return check(c_fsync(fd));
}

export function fdatasync(fd: number): number {
  return check(c_fdatasync(fd));
}

export function fchdir(fd: number): number {
  return check(c_fchdir(fd));
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
  if (c_getrlimit(7, out) < 0) return 1024;
  return out.readUInt32LE(4) > 0 ? 0x7fffffff : out.readUInt32LE(0);
}

/** Ends the process at once, without running Node's exit handlers (the child of a fork must not). */
export function exitNow(status: number): never {
  c_exit(status);
  throw new Error('unreachable');
}

/** A connected SOCK_SEQPACKET pair, CLOEXEC: [fd, fd] into out; 0 or errno. */
export function socketpairSeqpacket(out: Int32Array): number {
  const buf = Buffer.alloc(8);
  const r = check(c_socketpair(1, 5 | 0o2000000, 0, buf));
  out[0] = buf.readInt32LE(0);
  out[1] = buf.readInt32LE(4);
  return r;
}

/** A Unix socket connected to the socket file behind an O_PATH descriptor. Returns the descriptor or errno. */
export function connectUnixFd(fd: number, type: number): number {
  const sock = check(c_socket(1, type | 0o2000000 | 0o4000, 0));
  if (sock < 0) return sock;
  const addr = Buffer.alloc(110);
  addr.writeUInt16LE(1, 0);
  const n = addr.write(String(fd), 2, 'latin1');
  const r = check(c_connect(sock, addr, 2 + n + 1));
  if (r < 0) {
    c_close(sock);
    return r;
  }
  return sock;
}

/**
 * One end of a SEQPACKET connection with fixed buffers: send() adds at most one descriptor; recv() takes none (the kernel
 * discards descriptors that come without room for them).
 */
export class MessageChannel {
  readonly fd: number;
  readonly recvBuffer: Buffer;
  private readonly sendBuffer: Buffer;
  private readonly iov = Buffer.alloc(32);
  private readonly sendHeader = Buffer.alloc(56);
  private readonly recvHeader = Buffer.alloc(56);
  private readonly control = Buffer.alloc(24);

  constructor(fd: number, frameSize: number) {
    this.fd = fd;
    this.recvBuffer = Buffer.allocUnsafeSlow(frameSize);
    this.sendBuffer = Buffer.allocUnsafeSlow(frameSize);
    const iovAddr = BigInt(koffi.address(this.iov));
    this.iov.writeBigUInt64LE(BigInt(koffi.address(this.sendBuffer)), 0);
    this.iov.writeBigUInt64LE(BigInt(koffi.address(this.recvBuffer)), 16);
    this.iov.writeBigUInt64LE(BigInt(frameSize), 24);
    this.sendHeader.writeBigUInt64LE(iovAddr, 16);
    this.sendHeader.writeUInt32LE(1, 24);
    this.recvHeader.writeBigUInt64LE(iovAddr + 16n, 16);
    this.recvHeader.writeUInt32LE(1, 24);
    // struct cmsghdr { size_t len = 20; int level = SOL_SOCKET; int type = SCM_RIGHTS; int fd }
    this.control.writeUInt32LE(20, 0);
    this.control.writeUInt32LE(1, 8);
    this.control.writeUInt32LE(1, 12);
    this.sendHeader.writeBigUInt64LE(BigInt(koffi.address(this.control)), 32);
  }

  /** Waits for one message into recvBuffer. Returns its length, 0 at end of file, or errno. EMSGSIZE: longer than the buffer. */
  recv(): number {
    for (;;) {
      this.recvHeader.writeUInt32LE(0, 48);
      const n = check(Number(c_recvmsg(this.fd, this.recvHeader, 0)));
      if (n === -4) continue;
      // MSG_TRUNC in msg_flags
      return n >= 0 && (this.recvHeader.readUInt32LE(48) & 0x20) !== 0 ? -90 : n;
    }
  }

  /** Sends frame[0..length], with a descriptor unless passFd is negative. Returns bytes sent or errno. */
  send(frame: Uint8Array, length: number, passFd: number): number {
    this.sendBuffer.set(length === frame.length ? frame : frame.subarray(0, length));
    this.iov.writeUInt32LE(length, 8);
    this.control.writeInt32LE(passFd, 16);
    this.sendHeader.writeUInt32LE(passFd >= 0 ? 24 : 0, 40);
    for (;;) {
      // MSG_NOSIGNAL
      const n = check(Number(c_sendmsg(this.fd, this.sendHeader, 0x4000)));
      if (n !== -4) return n;
    }
  }
}
