// SPDX-License-Identifier: Apache-2.0

/**
 * Files and descriptors. Paths are byte strings (one char a byte) without a NUL; results are >= 0 or a negative errno.
 */
import { EFAULT, EINVAL } from '../abi/linux/errno.ts';
import { allocateNative, cstring, defineCode, defineSyscall, rawSyscall } from './native.ts';
import type { NativeMemory, Ptr } from './native.ts';

type Rw = (fd: number, buf: Uint8Array, length: number, offset: number) => number;
type Prw = (fd: number, buf: Uint8Array, length: number, position: number, offset: number) => number;

const ADD_RSI_RCX = [0x48, 0x01, 0xce];
const ADD_RSI_R8 = [0x4c, 0x01, 0xc6];

let readFn: Rw | null = null;
let writeFn: Rw | null = null;
let preadFn: Prw | null = null;
let pwriteFn: Prw | null = null;

/** read(2) into buf[offset..offset+length]. */
export function read(fd: number, buf: Uint8Array, offset = 0, length = buf.length - offset): number {
  if (readFn === null) readFn = defineSyscall<Rw>(0, 'ipii', ADD_RSI_RCX);
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return readFn(fd, buf, length, offset);
}

/** write(2) of buf[offset..offset+length]. */
export function write(fd: number, buf: Uint8Array, offset = 0, length = buf.length - offset): number {
  if (writeFn === null) writeFn = defineSyscall<Rw>(1, 'ipii', ADD_RSI_RCX);
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return writeFn(fd, buf, length, offset);
}

const RWF_NOWAIT = 8;

/**
 * preadv2/pwritev2(fd, {buf + offset, length}, 1, -1, RWF_NOWAIT), the iovec built on the stack:
 * sub rsp,24; add rsi,rcx; mov [rsp],rsi; mov [rsp+8],rdx; mov rsi,rsp; mov edx,1; mov r10,-1; mov r8,-1; mov r9d,flags; mov eax,nr;
 * syscall; add rsp,24; ret
 */
function nowaitCode(nr: number): number[] {
  const head = [0x48, 0x83, 0xec, 0x18, 0x48, 0x01, 0xce, 0x48, 0x89, 0x34, 0x24, 0x48, 0x89, 0x54, 0x24, 0x08];
  const vector = [0x48, 0x89, 0xe6, 0xba, 1, 0, 0, 0];
  const here = [0x49, 0xc7, 0xc2, 0xff, 0xff, 0xff, 0xff, 0x49, 0xc7, 0xc0, 0xff, 0xff, 0xff, 0xff];
  const call = [0x41, 0xb9, RWF_NOWAIT, 0, 0, 0, 0xb8, nr & 255, nr >> 8, 0, 0, 0x0f, 0x05];
  return [...head, ...vector, ...here, ...call, 0x48, 0x83, 0xc4, 0x18, 0xc3];
}

let readNowFn: Rw | null = null;
let writeNowFn: Rw | null = null;

/** read(2) that never waits, whatever the description's flags: EAGAIN. EOPNOTSUPP where the host cannot (terminals). */
export function readNow(fd: number, buf: Uint8Array, offset: number, length: number): number {
  if (readNowFn === null) readNowFn = defineCode<Rw>(nowaitCode(327), 'ipii');
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return readNowFn(fd, buf, length, offset);
}

/** write(2) that never waits: writes what there is room for, or EAGAIN. EOPNOTSUPP where the host cannot. */
export function writeNow(fd: number, buf: Uint8Array, offset: number, length: number): number {
  if (writeNowFn === null) writeNowFn = defineCode<Rw>(nowaitCode(328), 'ipii');
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return writeNowFn(fd, buf, length, offset);
}

/** pread64(2) into buf[offset..offset+length]. */
export function pread(fd: number, buf: Uint8Array, offset: number, length: number, position: number): number {
  if (preadFn === null) preadFn = defineSyscall<Prw>(17, 'ipiii', ADD_RSI_R8);
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return preadFn(fd, buf, length, position, offset);
}

/** pwrite64(2) of buf[offset..offset+length]. */
export function pwrite(fd: number, buf: Uint8Array, offset: number, length: number, position: number): number {
  if (pwriteFn === null) pwriteFn = defineSyscall<Prw>(18, 'ipiii', ADD_RSI_R8);
  if (offset < 0 || length < 0 || offset + length > buf.length) return EFAULT;
  return pwriteFn(fd, buf, length, position, offset);
}

export function open(path: string, flags: number, mode = 0): number {
  return rawSyscall(2, cstring(path), flags, mode);
}

export function openat(dirfd: number, path: string, flags: number, mode = 0): number {
  return rawSyscall(257, dirfd, cstring(path), flags, mode);
}

let openHow: NativeMemory | null = null;

/** openat2(2): struct open_how from its three fields. */
export function openat2(dirfd: number, path: string, flags: number, mode: number, resolve: number): number {
  if (openHow === null) openHow = allocateNative(24);
  openHow.u32.set([flags >>> 0, 0, mode >>> 0, 0, resolve >>> 0, 0]);
  return rawSyscall(437, dirfd, cstring(path), openHow.addr, 24);
}

type Fd1 = (fd: number) => number;
let closeFn: Fd1 | null = null;

export function close(fd: number): number {
  if (closeFn === null) closeFn = defineSyscall<Fd1>(3, 'i');
  return closeFn(fd);
}

/** close_range(2): flags 4 = CLOSE_RANGE_CLOEXEC. */
export function close_range(first: number, last: number, flags = 0): number {
  return rawSyscall(436, first, last, flags);
}

type Fstat = (fd: number, out: Ptr) => number;
let fstatFn: Fstat | null = null;

/** fstat(2) into a 144-byte struct stat. */
export function fstat(fd: number, out: Ptr): number {
  if (fstatFn === null) fstatFn = defineSyscall<Fstat>(5, 'ip');
  return fstatFn(fd, out);
}

type Fstatat = (dirfd: number, path: Uint8Array, out: Ptr, flags: number) => number;
let fstatatFn: Fstatat | null = null;

/** newfstatat(2) into a 144-byte struct stat. */
export function fstatat(dirfd: number, path: string, out: Ptr, flags: number): number {
  if (fstatatFn === null) fstatatFn = defineSyscall<Fstatat>(262, 'ippi');
  return fstatatFn(dirfd, cstring(path), out, flags);
}

/** statx(2) into a 256-byte struct statx. */
export function statx(dirfd: number, path: string, flags: number, mask: number, out: Ptr): number {
  return rawSyscall(332, dirfd, cstring(path), flags, mask, out);
}

/** fstatfs(2) into a 120-byte struct statfs. */
export function fstatfs(fd: number, out: Ptr): number {
  return rawSyscall(138, fd, out);
}

type Lseek = (fd: number, offset: number, whence: number) => number;
let lseekFn: Lseek | null = null;

export function lseek(fd: number, offset: number, whence: number): number {
  if (lseekFn === null) lseekFn = defineSyscall<Lseek>(8, 'iii');
  return lseekFn(fd, offset, whence);
}

/** getdents64(2). */
export function getdents64(fd: number, buf: Uint8Array): number {
  return rawSyscall(217, fd, buf, buf.length);
}

/** readlinkat(2): the target's byte string, or a negative errno. */
export function readlinkat(dirfd: number, path: string): string | number {
  const out = Buffer.allocUnsafe(4097);
  const n = rawSyscall(267, dirfd, cstring(path), out, out.length);
  return n < 0 ? n : out.toString('latin1', 0, n);
}

/** fcntl(2) with an integer or pointer argument. */
export function fcntl(fd: number, cmd: number, arg: Ptr = 0): number {
  return rawSyscall(72, fd, cmd, arg);
}

/** ioctl(2) with an integer or pointer argument. */
export function ioctl(fd: number, request: number, arg: Ptr = 0): number {
  return rawSyscall(16, fd, request, arg);
}

export function ftruncate(fd: number, length: number): number {
  return rawSyscall(77, fd, length);
}

export function fallocate(fd: number, mode: number, offset: number, length: number): number {
  return rawSyscall(285, fd, mode, offset, length);
}

export function fsync(fd: number): number {
  return rawSyscall(74, fd);
}

export function fdatasync(fd: number): number {
  return rawSyscall(75, fd);
}

export function dup(fd: number): number {
  return rawSyscall(32, fd);
}

export function dup2(oldFd: number, newFd: number): number {
  return rawSyscall(33, oldFd, newFd);
}

export function dup3(oldFd: number, newFd: number, flags: number): number {
  return rawSyscall(292, oldFd, newFd, flags);
}

/** pipe2(2): [read end, write end] into out. */
export function pipe2(out: Int32Array, flags: number): number {
  return out.length < 2 ? EINVAL : rawSyscall(293, out, flags);
}

export function mkdirat(dirfd: number, path: string, mode: number): number {
  return rawSyscall(258, dirfd, cstring(path), mode);
}

export function mknodat(dirfd: number, path: string, mode: number, dev: number): number {
  return rawSyscall(259, dirfd, cstring(path), mode, dev);
}

export function unlinkat(dirfd: number, path: string, flags: number): number {
  return rawSyscall(263, dirfd, cstring(path), flags);
}

export function symlinkat(target: string, dirfd: number, path: string): number {
  return rawSyscall(266, cstring(target, 1), dirfd, cstring(path));
}

export function linkat(oldDir: number, oldPath: string, newDir: number, newPath: string, flags: number): number {
  return rawSyscall(265, oldDir, cstring(oldPath, 1), newDir, cstring(newPath), flags);
}

export function renameat2(oldDir: number, oldPath: string, newDir: number, newPath: string, flags: number): number {
  return rawSyscall(316, oldDir, cstring(oldPath, 1), newDir, cstring(newPath), flags);
}

export function fchmod(fd: number, mode: number): number {
  return rawSyscall(91, fd, mode);
}

/** fchmodat(2): follows symbolic links. */
export function fchmodat(dirfd: number, path: string, mode: number): number {
  return rawSyscall(268, dirfd, cstring(path), mode);
}

export function fchownat(dirfd: number, path: string, uid: number, gid: number, flags: number): number {
  return rawSyscall(260, dirfd, cstring(path), uid, gid, flags);
}

/** utimensat(2): two struct timespec (32 bytes) or null; path null acts on dirfd itself. */
export function utimensat(dirfd: number, path: string | null, times: Ptr, flags: number): number {
  return rawSyscall(280, dirfd, path === null ? null : cstring(path), times, flags);
}

export function faccessat2(dirfd: number, path: string, mode: number, flags: number): number {
  return rawSyscall(439, dirfd, cstring(path), mode, flags);
}

/** flock(2). */
export function flock(fd: number, operation: number): number {
  return rawSyscall(73, fd, operation);
}

export function copy_file_range(fdIn: number, offIn: Ptr, fdOut: number, offOut: Ptr, length: number): number {
  return rawSyscall(326, fdIn, offIn, fdOut, offOut, length, 0);
}

export function fgetxattr(fd: number, name: string, out: Uint8Array): number {
  return rawSyscall(193, fd, cstring(name), out, out.length);
}

export function fsetxattr(fd: number, name: string, value: Uint8Array, flags: number): number {
  return rawSyscall(190, fd, cstring(name), value, value.length, flags);
}

export function flistxattr(fd: number, out: Uint8Array): number {
  return rawSyscall(196, fd, out, out.length);
}

export function fremovexattr(fd: number, name: string): number {
  return rawSyscall(199, fd, cstring(name));
}

/** lgetxattr and friends, for O_PATH descriptors through /proc/self/fd/N or a path. */
export function lgetxattr(path: string, name: string, out: Uint8Array): number {
  return rawSyscall(192, cstring(path), cstring(name, 1), out, out.length);
}

export function lsetxattr(path: string, name: string, value: Uint8Array, flags: number): number {
  return rawSyscall(189, cstring(path), cstring(name, 1), value, value.length, flags);
}

export function llistxattr(path: string, out: Uint8Array): number {
  return rawSyscall(195, cstring(path), out, out.length);
}

export function lremovexattr(path: string, name: string): number {
  return rawSyscall(198, cstring(path), cstring(name, 1));
}

/** getxattr and friends follow a final link: what /proc/self/fd/N needs. */
export function getxattr(path: string, name: string, out: Uint8Array): number {
  return rawSyscall(191, cstring(path), cstring(name, 1), out, out.length);
}

export function setxattr(path: string, name: string, value: Uint8Array, flags: number): number {
  return rawSyscall(188, cstring(path), cstring(name, 1), value, value.length, flags);
}

export function listxattr(path: string, out: Uint8Array): number {
  return rawSyscall(194, cstring(path), out, out.length);
}

export function removexattr(path: string, name: string): number {
  return rawSyscall(197, cstring(path), cstring(name, 1));
}

/** Reads a small file whole (for /proc texts): its bytes as a latin1 string, or a negative errno. */
export function readTextAt(dirfd: number, path: string): string | number {
  const fd = openat(dirfd, path, 0x80000);
  if (fd < 0) return fd;
  const buf = Buffer.allocUnsafe(65536);
  let text = '';
  for (;;) {
    const n = read(fd, buf);
    if (n <= 0) {
      close(fd);
      return n < 0 && text === '' ? n : text;
    }
    text += buf.toString('latin1', 0, n);
  }
}
