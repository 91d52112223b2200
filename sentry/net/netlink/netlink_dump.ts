// SPDX-License-Identifier: Apache-2.0

/**
 * A dump's messages, put together into packets, and the end of the dump.
 *
 * Linux: net/netlink/af_netlink.c (netlink_dump)
 */
import { NLM_F_MULTI, NLMSG_DONE } from '../../../platform/abi/linux/socket.ts';
import { messageOf } from './netlink_message.ts';

/** Bytes of messages in one packet of a dump: what fits the buffers programs read with (NLMSG_GOODSIZE). */
const PACKET_MAX = 3776;

export function packetsOf(type: number, bodies: readonly Uint8Array[], sequence: number, port: number): Buffer[] {
  const packets: Buffer[] = [];
  let parts: Buffer[] = [];
  let size = 0;
  for (const one of bodies) {
    const message = messageOf(type, NLM_F_MULTI, sequence, port, one);
    if (size + message.length > PACKET_MAX && parts.length > 0) {
      packets.push(Buffer.concat(parts));
      parts = [];
      size = 0;
    }
    parts.push(message);
    size += message.length;
  }
  if (parts.length > 0) packets.push(Buffer.concat(parts));
  packets.push(messageOf(NLMSG_DONE, NLM_F_MULTI, sequence, port, Buffer.alloc(4)));
  return packets;
}
