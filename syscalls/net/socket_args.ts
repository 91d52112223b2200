// SPDX-License-Identifier: Apache-2.0

/**
 * What every socket call does with its arguments: the socket behind a descriptor, addresses in and out, waiting.
 *
 * Linux: net/socket.c (sockfd_lookup_light, move_addr_to_kernel, move_addr_to_user)
 */
import { EBADF, EFAULT, EINTR, EINVAL, ENOTSOCK, ERESTARTSYS, type Errno } from '../../platform/abi/linux/errno.ts';
import { SOCKADDR_MAX } from '../../platform/abi/linux/socket.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { Socket } from '../../sentry/net/socket.ts';
import { pollFile } from '../poll/poll_set.ts';

/** The open socket at `fd`. Errors: EBADF, ENOTSOCK. */
export function socketAt(t: Task, fd: number): Socket | Errno {
  const file = pollFile(t, fd);
  if (file === null) return EBADF;
  return file instanceof Socket ? file : ENOTSOCK;
}

/** Reads a struct sockaddr of `length` (an int) bytes. Errors: EINVAL, EFAULT. */
export function readAddress(t: Task, addr: number, length: number): Uint8Array | Errno {
  if (length < 0 || length > SOCKADDR_MAX) return EINVAL;
  const bytes = new Uint8Array(length);
  return length > 0 && t.memory.copyIn(addr, bytes, 0, length) !== length ? EFAULT : bytes;
}

/** Writes an address and its full length to the application's buffer of *lengthAddr bytes. Returns 0, EFAULT, EINVAL. */
export function writeAddress(t: Task, address: Uint8Array, addr: number, lengthAddr: number): number {
  const room = t.memory.readU32(lengthAddr);
  if (room < 0) return EFAULT;
  if (room > 0x7fffffff) return EINVAL;
  const n = Math.min(room, address.length);
  if (n > 0 && t.memory.copyOut(addr, address, 0, n) !== n) return EFAULT;
  return t.memory.writeU32(lengthAddr, address.length);
}

/** The deadline of a wait limited by SO_RCVTIMEO or SO_SNDTIMEO. */
export function timeoutDeadline(t: Task, timeoutNs: number): number {
  return timeoutNs === Number.POSITIVE_INFINITY ? timeoutNs : t.kernel.clock.monotonicNs() + timeoutNs;
}

/** What a wait that a signal ended returns (sock_intr_errno). */
export function interruption(timeoutNs: number): number {
  return timeoutNs === Number.POSITIVE_INFINITY ? ERESTARTSYS : EINTR;
}
