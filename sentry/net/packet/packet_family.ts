// SPDX-License-Identifier: Apache-2.0

/**
 * AF_PACKET: sockets that see and send frames on the interfaces of the sandbox's own networks. Where the sandbox uses the host's network
 * there are none (EAFNOSUPPORT): nothing of the guest makes frames there.
 *
 * Linux: net/packet/af_packet.c (packet_create); packet(7)
 */
import { CAP_NET_RAW } from '../../../platform/abi/linux/capability.ts';
import { EAFNOSUPPORT, EPERM, ESOCKTNOSUPPORT } from '../../../platform/abi/linux/errno.ts';
import { SOCK_DGRAM, SOCK_RAW } from '../../../platform/abi/linux/socket.ts';
import { network } from '../netlink/network_view.ts';
import { VirtualNetwork } from '../netlink/virtual_network.ts';
import { currentNet } from '../net_namespace.ts';
import type { SocketFamily } from '../socket.ts';
import { packetSockets, PacketSocket, SOCK_PACKET } from './packet_socket.ts';

export const packetFamily: SocketFamily = {
  create: (t, type, protocol) => {
    if (!t.creds.hasCapIn(t.netNs.userNs ?? t.kernel.userNs, CAP_NET_RAW)) return EPERM;
    if (type !== SOCK_RAW && type !== SOCK_DGRAM && type !== SOCK_PACKET) return ESOCKTNOSUPPORT;
    if (t.netNs.tag === 0 && !(network.view instanceof VirtualNetwork)) return EAFNOSUPPORT;
    return new PacketSocket(t, type, protocol & 0xffff);
  },
};

/** Text of /proc/net/packet. */
export function packetText(): string {
  let text = 'sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n';
  const tag = currentNet.net?.tag ?? 0;
  for (const socket of packetSockets) {
    if (socket.network.tag !== tag) continue;
    const protocol = socket.boundProtocol.toString(16).padStart(4, '0');
    const { isRunning, charged, ownerUid, inode, type, boundIndex } = socket;
    text += `${'0'.repeat(16)} 3      ${String(type).padEnd(4)} ${protocol}   ${String(boundIndex).padEnd(5)} ${isRunning ? 1 : 0} ${String(charged).padEnd(6)} ${String(ownerUid).padEnd(6)} ${String(inode.ino).padEnd(6)}\n`;
  }
  return text;
}
