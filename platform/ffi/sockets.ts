// SPDX-License-Identifier: Apache-2.0

/**
 * Sockets: creation, addresses, and messages that carry descriptors (SCM_RIGHTS).
 *
 * Invariants: at most MAX_FDS descriptors a message; received ones are close-on-exec; a truncated control message closes what arrived.
 */
import { EFAULT, EINVAL, EPROTO } from '../abi/linux/errno.ts';
import { close } from './files.ts';
import { allocateNative, defineCode, rawSyscall } from './native.ts';
import type { NativeMemory, Ptr } from './native.ts';

/** Descriptors one message may carry. */
export const MAX_FDS = 64;

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_CTRUNC = 8;
const CMSG_HEADER = 16;

export function socket(domain: number, type: number, protocol: number): number {
  return rawSyscall(41, domain, type, protocol);
}

/** socketpair(2) into out. `type` takes SOCK_CLOEXEC and SOCK_NONBLOCK. */
export function socketpair(domain: number, type: number, protocol: number, out: Int32Array): number {
  return out.length < 2 ? EINVAL : rawSyscall(53, domain, type, protocol, out);
}

export function bind(fd: number, addr: Uint8Array, length = addr.length): number {
  return rawSyscall(49, fd, addr, length);
}

export function connect(fd: number, addr: Uint8Array, length = addr.length): number {
  return rawSyscall(42, fd, addr, length);
}

export function listen(fd: number, backlog: number): number {
  return rawSyscall(50, fd, backlog);
}

/** accept4(2); addr and its length (in/out, lengthInOut[0]) may be null. */
export function accept4(fd: number, addr: Uint8Array | null, lengthInOut: Int32Array | null, flags: number): number {
  return rawSyscall(288, fd, addr, lengthInOut, flags);
}

export function getsockname(fd: number, addr: Uint8Array, lengthInOut: Int32Array): number {
  return rawSyscall(51, fd, addr, lengthInOut);
}

export function getpeername(fd: number, addr: Uint8Array, lengthInOut: Int32Array): number {
  return rawSyscall(52, fd, addr, lengthInOut);
}

export function setsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
  return rawSyscall(54, fd, level, name, value, value.length);
}

export function getsockopt(
  fd: number,
  level: number,
  name: number,
  value: Uint8Array,
  lengthInOut: Int32Array,
): number {
  return rawSyscall(55, fd, level, name, value, lengthInOut);
}

export function shutdown(fd: number, how: number): number {
  return rawSyscall(48, fd, how);
}

export function sendto(
  fd: number,
  buf: Uint8Array,
  length: number,
  flags: number,
  addr: Ptr,
  addrLength: number,
): number {
  return length > buf.length ? EFAULT : rawSyscall(44, fd, buf, length, flags, addr, addrLength);
}

export function recvfrom(
  fd: number,
  buf: Uint8Array,
  length: number,
  flags: number,
  addr: Ptr,
  lengthInOut: Ptr,
): number {
  return length > buf.length ? EFAULT : rawSyscall(45, fd, buf, length, flags, addr, lengthInOut);
}

// One reused msghdr: header at 0 (56 bytes), iovec at 64, control at 128.
const MSG_IOV = 64;
const MSG_CONTROL = 128;
const CONTROL_SIZE = CMSG_HEADER + MAX_FDS * 4;

export type MsgCall = (
  fd: number,
  buf: Uint8Array,
  length: number,
  iov: number,
  flags: number,
  msghdr: number,
) => number;

/** sendmsg or recvmsg of one buffer: mov [rcx],rsi; mov [rcx+8],rdx; mov edx,r8d; mov rsi,r9; mov eax,nr; syscall; ret */
export function msgCode(nr: number): number[] {
  return [
    0x48,
    0x89,
    0x31,
    0x48,
    0x89,
    0x51,
    0x08,
    0x44,
    0x89,
    0xc2,
    0x4c,
    0x89,
    0xce,
    0xb8,
    nr,
    0,
    0,
    0,
    0x0f,
    0x05,
    0xc3,
  ];
}

let sendFn: MsgCall | null = null;
let recvFn: MsgCall | null = null;
let message: NativeMemory | null = null;

function prepare(controlLength: number): NativeMemory {
  if (message === null) message = allocateNative(MSG_CONTROL + CONTROL_SIZE);
  const m = message;
  m.bytes.fill(0, 0, MSG_IOV);
  setPointer(m, 16, m.addr + MSG_IOV);
  m.u32[24 / 4] = 1;
  if (controlLength > 0) setPointer(m, 32, m.addr + MSG_CONTROL);
  m.u32[40 / 4] = controlLength;
  return m;
}

function setPointer(m: NativeMemory, offset: number, value: number): void {
  m.u32[offset / 4] = value % 4294967296;
  m.u32[offset / 4 + 1] = Math.floor(value / 4294967296);
}

/** Sends one message of buf[0..length] with descriptors. Returns bytes sent or a negative errno. */
export function sendmsg(fd: number, buf: Uint8Array, length: number, fds: readonly number[], flags: number): number {
  if (sendFn === null) sendFn = defineCode<MsgCall>(msgCode(46), 'ipiiii');
  if (length < 0 || length > buf.length || fds.length > MAX_FDS) return EINVAL;
  const m = prepare(fds.length === 0 ? 0 : CMSG_HEADER + fds.length * 4);
  if (fds.length > 0) {
    m.u32[MSG_CONTROL / 4] = CMSG_HEADER + fds.length * 4;
    m.u32[MSG_CONTROL / 4 + 1] = 0;
    m.i32[MSG_CONTROL / 4 + 2] = SOL_SOCKET;
    m.i32[MSG_CONTROL / 4 + 3] = SCM_RIGHTS;
    for (let i = 0; i < fds.length; i++) m.i32[(MSG_CONTROL + CMSG_HEADER) / 4 + i] = fds[i] as number;
  }
  return sendFn(fd, buf, length, m.addr + MSG_IOV, flags, m.addr);
}

/** Bit of fds[0] never set; see recvmsg: msg_flags of the last received message. */
export let lastMessageFlags = 0;

/**
 * Receives one message into buf. Descriptors go to fds[1..], their count to fds[0]; those that do not fit are closed.
 * Returns its length (0 at end of file), or a negative errno; EPROTO when the control data was cut.
 */
export function recvmsg(fd: number, buf: Uint8Array, fds: Int32Array, flags: number): number {
  if (recvFn === null) recvFn = defineCode<MsgCall>(msgCode(47), 'ipiiii');
  const m = prepare(CONTROL_SIZE);
  fds[0] = 0;
  const n = recvFn(fd, buf, buf.length, m.addr + MSG_IOV, flags | MSG_CMSG_CLOEXEC, m.addr);
  if (n < 0) return n;
  lastMessageFlags = m.u32[48 / 4] as number;
  collectDescriptors(m, fds);
  if ((lastMessageFlags & MSG_CTRUNC) !== 0) {
    for (let i = 1; i <= (fds[0] as number); i++) close(fds[i] as number);
    fds[0] = 0;
    return EPROTO;
  }
  return n;
}

function collectDescriptors(m: NativeMemory, fds: Int32Array): void {
  const total = m.u32[40 / 4] as number;
  let at = 0;
  while (at + CMSG_HEADER <= total) {
    const length = m.u32[(MSG_CONTROL + at) / 4] as number;
    if (length < CMSG_HEADER || at + length > total) return;
    const isRights =
      m.i32[(MSG_CONTROL + at) / 4 + 2] === SOL_SOCKET && m.i32[(MSG_CONTROL + at) / 4 + 3] === SCM_RIGHTS;
    for (let off = at + CMSG_HEADER; isRights && off + 4 <= at + length; off += 4) {
      const received = m.i32[(MSG_CONTROL + off) / 4] as number;
      const count = (fds[0] as number) + 1;
      if (count >= fds.length) close(received);
      else {
        fds[count] = received;
        fds[0] = count;
      }
    }
    at += (length + 7) & ~7;
  }
}
