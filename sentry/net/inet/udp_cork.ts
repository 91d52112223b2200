// SPDX-License-Identifier: Apache-2.0

/**
 * Datagrams that are put together out of several sends (MSG_MORE, UDP_CORK), and taken apart into several (UDP_SEGMENT).
 *
 * Linux: net/ipv4/udp.c (udp_sendmsg, udp_push_pending_frames, udp_cmsg_send), net/ipv4/udp_offload.c
 */
import { EINVAL } from '../../../platform/abi/linux/errno.ts';
import { IPPROTO_UDP } from '../../../platform/abi/linux/socket.ts';
import type { ControlMessage } from '../socket.ts';
import type { Endpoint } from './inet_address.ts';

export const UDP_CORK = 1;
export const UDP_SEGMENT = 103;
const SEGMENTS_MAX = 128;

type Control = readonly ControlMessage[] | null;

/** A datagram that is not whole yet. */
export class PendingDatagram {
  readonly to: Endpoint;
  readonly control: Control;
  private readonly parts: Uint8Array[] = [];
  length = 0;

  constructor(to: Endpoint, control: Control) {
    this.to = to;
    this.control = control;
  }
  add(data: Uint8Array): void {
    this.parts.push(data);
    this.length += data.length;
  }
  whole(): Buffer {
    return Buffer.concat(this.parts, this.length);
  }
}

/** The segment size a message or its socket asks for; 0: none. */
export function segmentSize(control: Control, option: number): number {
  for (const { level, type, data } of control ?? [])
    if (level === IPPROTO_UDP && type === UDP_SEGMENT && data.length >= 2)
      return (data[0] as number) + (data[1] as number) * 256;
  return option;
}

/** Cuts a message into datagrams. Errors: EINVAL (too many). */
export function segments(data: Uint8Array, size: number): Uint8Array[] | number {
  if (size === 0 || data.length <= size) return [data];
  if (Math.ceil(data.length / size) > SEGMENTS_MAX) return EINVAL;
  const parts: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += size) parts.push(data.subarray(at, at + size));
  return parts;
}
