// SPDX-License-Identifier: Apache-2.0

/**
 * AF_PACKET: there is no link layer in the sandbox, so there are no such sockets: EPERM as on Linux without CAP_NET_RAW, EAFNOSUPPORT with it.
 *
 * Linux: net/packet/af_packet.c (packet_create)
 */
import { CAP_NET_RAW } from '../../platform/abi/linux/capability.ts';
import { EAFNOSUPPORT, EPERM } from '../../platform/abi/linux/errno.ts';
import type { SocketFamily } from './socket.ts';

export const packetFamily: SocketFamily = {
  create: (t) => (t.creds.hasCap(CAP_NET_RAW) ? EAFNOSUPPORT : EPERM),
};
