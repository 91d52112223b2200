// SPDX-License-Identifier: Apache-2.0

/**
 * The System V structures as bytes: one scratch buffer, written field by field.
 *
 * Linux: include/uapi/asm-generic/{ipcbuf,shmbuf,sembuf,msgbuf}.h, arch/x86/include/uapi/asm/sembuf.h
 */
import { EFAULT } from '../../platform/abi/linux/errno.ts';
import type { IpcObject } from '../../sentry/kernel/ipc/ipc_ids.ts';
import type { Task } from '../../sentry/kernel/task.ts';

/** sizeof(struct ipc64_perm) */
export const PERM_SIZE = 48;

const bytes = new Uint8Array(128);
const view = new DataView(bytes.buffer);

export function clearScratch(): void {
  bytes.fill(0);
}
export function put32(at: number, value: number): void {
  view.setInt32(at, value | 0, true);
}
export function put16(at: number, value: number): void {
  view.setUint16(at, value, true);
}
export function put64(at: number, value: number): void {
  const hi = Math.floor(value / 4294967296);
  view.setUint32(at, value - hi * 4294967296, true);
  view.setUint32(at + 4, hi, true);
}
export function putPerm(object: IpcObject): void {
  put32(0, object.key);
  put32(4, object.uid);
  put32(8, object.gid);
  put32(12, object.cuid);
  put32(16, object.cgid);
  put32(20, object.mode);
  put16(24, object.seq);
}
/** Copies the scratch buffer's start to the application. Returns 0 or EFAULT. */
export function copyScratch(t: Task, addr: number, length: number): number {
  return t.memory.copyOut(addr, bytes, 0, length) === length ? 0 : EFAULT;
}

/** What IPC_SET reads of any of the structures. */
export interface SetRequest {
  uid: number;
  gid: number;
  mode: number;
  /** msg_qbytes. */
  bytes: number;
}

/** Reads a structure's permission part, and the 64-bit field at `bytesAt` when positive. Null: EFAULT. */
export function readSet(t: Task, addr: number, length: number, bytesAt = 0): SetRequest | null {
  if (t.memory.copyIn(addr, bytes, 0, length) !== length) return null;
  const high = bytesAt > 0 ? view.getUint32(bytesAt + 4, true) * 4294967296 + view.getUint32(bytesAt, true) : 0;
  return { uid: view.getUint32(4, true), gid: view.getUint32(8, true), mode: view.getUint32(20, true), bytes: high };
}

/** IPC_SET's common part. */
export function applySet(object: IpcObject, set: SetRequest, seconds: number): void {
  object.uid = set.uid;
  object.gid = set.gid;
  object.mode = (object.mode & ~0o777) | (set.mode & 0o777);
  object.ctime = seconds;
}
