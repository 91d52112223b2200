// SPDX-License-Identifier: Apache-2.0

/**
 * sendmsg(2) and recvmsg(2) on internet sockets: one buffer, an address, control messages, never waiting.
 *
 * Linux:      net/socket.c
 * Invariants: one message at a time, in one reused block: header, iovec, address, control.
 */
import { EINVAL } from '../abi/linux/errno.ts';
import { allocateNative, defineCode, type NativeMemory } from './native.ts';
import { type MsgCall, msgCode } from './sockets.ts';

/** Where what comes with a message goes (platform.ts: HostReceived). */
export interface ReceivedInto {
  readonly address: Uint8Array;
  addressLength: number;
  readonly control: Uint8Array;
  controlLength: number;
  flags: number;
}

const IOV = 64;
const ADDRESS = 128;
const ADDRESS_MAX = 128;
const CONTROL = 256;
/** Most bytes of control messages in one message, either way. */
export const CONTROL_MAX = 1024;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const TWO_32 = 4294967296;

let block: NativeMemory | null = null;
let sendFn: MsgCall | null = null;
let receiveFn: MsgCall | null = null;

function pointer(m: NativeMemory, at: number, offset: number): void {
  const value = m.addr + offset;
  m.u32[at / 4] = value % TWO_32;
  m.u32[at / 4 + 1] = Math.floor(value / TWO_32);
}

function prepare(addressLength: number, controlLength: number): NativeMemory {
  if (block === null) block = allocateNative(CONTROL + CONTROL_MAX);
  const m = block;
  m.bytes.fill(0, 0, IOV);
  if (addressLength > 0) pointer(m, 0, ADDRESS);
  m.u32[8 / 4] = addressLength;
  pointer(m, 16, IOV);
  m.u32[24 / 4] = 1;
  if (controlLength > 0) pointer(m, 32, CONTROL);
  m.u32[40 / 4] = controlLength;
  return m;
}

/** Sends buf[0..length]. Returns bytes sent or a negative errno. */
export function sendMessage(
  fd: number,
  buf: Uint8Array,
  length: number,
  address: Uint8Array | null,
  control: Uint8Array | null,
  flags: number,
): number {
  if (sendFn === null) sendFn = defineCode<MsgCall>(msgCode(46), 'ipiiii');
  const addressLength = address?.length ?? 0;
  const controlLength = control?.length ?? 0;
  if (length < 0 || length > buf.length || addressLength > ADDRESS_MAX || controlLength > CONTROL_MAX) return EINVAL;
  const m = prepare(addressLength, controlLength);
  if (address !== null) m.bytes.set(address, ADDRESS);
  if (control !== null) m.bytes.set(control, CONTROL);
  return sendFn(fd, buf, length, m.addr + IOV, flags | MSG_DONTWAIT | MSG_NOSIGNAL, m.addr);
}

/** Receives into buf[0..length]; what came with it goes to `received`. Returns what recvmsg(2) returns, or a negative errno. */
export function receiveMessage(
  fd: number,
  buf: Uint8Array,
  length: number,
  flags: number,
  received: ReceivedInto,
): number {
  if (receiveFn === null) receiveFn = defineCode<MsgCall>(msgCode(47), 'ipiiii');
  if (length < 0 || length > buf.length) return EINVAL;
  const m = prepare(ADDRESS_MAX, CONTROL_MAX);
  const n = receiveFn(fd, buf, length, m.addr + IOV, flags | MSG_DONTWAIT, m.addr);
  received.addressLength = 0;
  received.controlLength = 0;
  received.flags = 0;
  if (n < 0) return n;
  received.addressLength = Math.min(m.u32[8 / 4] as number, ADDRESS_MAX, received.address.length);
  received.controlLength = Math.min(m.u32[40 / 4] as number, CONTROL_MAX, received.control.length);
  received.flags = m.u32[48 / 4] as number;
  if (received.addressLength > 0) received.address.set(m.bytes.subarray(ADDRESS, ADDRESS + received.addressLength));
  if (received.controlLength > 0) received.control.set(m.bytes.subarray(CONTROL, CONTROL + received.controlLength));
  return n;
}
