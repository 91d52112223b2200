// SPDX-License-Identifier: Apache-2.0

/**
 * Taps: who looks at packets as they pass interfaces (packet sockets). Packets are made into bytes only when there is somebody who looks.
 *
 * Linux: net/core/dev.c (dev_queue_xmit_nit, __netif_receive_skb_core)
 */
import { ETH_P_IP, ETH_P_IPV6, ethernetFrame, ipBytes } from '../inet/frame.ts';
import type { Packet } from '../inet/icmp.ts';
import type { Link } from '../netlink/view_bodies.ts';
import type { Path } from './path.ts';

export interface Tap {
  /** Looks at a frame. `link`: the interface it passes. */
  see(link: Link, frame: Frame, direction: 'out' | 'in'): void;
}
/** Bytes as they pass an interface. */
export interface Frame {
  readonly bytes: Uint8Array;
  /** Of the link layer's header: 0 on interfaces without one. */
  readonly headerSize: number;
  readonly protocol: number;
}

export const taps = new Set<Tap>();
const ETH_P_802_3 = 1;
const ETH_P_802_2 = 4;
const ETHERTYPE_MIN = 1536;
const NO_ADDRESS = Buffer.alloc(6);

/** A frame passes an interface: it is counted, and shown to whoever looks. */
export function pass(link: Link, frame: Frame, direction: 'out' | 'in', except: Tap | null = null): void {
  count(link, frame.bytes.length, direction);
  for (const tap of [...taps]) if (tap !== except) tap.see(link, frame, direction);
}
function count({ counters }: Link, length: number, direction: 'out' | 'in'): void {
  if (direction === 'out') {
    counters.txPackets++;
    counters.txBytes += length;
  } else {
    counters.rxPackets++;
    counters.rxBytes += length;
  }
}

/** A frame around a packet, from one interface to another. */
export function frameOf(packet: Uint8Array, isV6: boolean, from: Link, to: Link | null): Frame {
  const protocol = isV6 ? ETH_P_IPV6 : ETH_P_IP;
  if (from.mac.length === 0) return { bytes: packet, headerSize: 0, protocol };
  const target = from.isLoopback ? NO_ADDRESS : (to?.mac ?? Buffer.alloc(6, 0xff));
  return { bytes: ethernetFrame(packet, protocol, target, from.mac), headerSize: 14, protocol };
}

/** A packet goes along `path`: `make` gives it as bytes when somebody looks, `length` is how many there would be. */
export function passAlong(path: Path, length: number, make: () => Packet): void {
  if (taps.size === 0) {
    for (const { link, direction } of path.hops) count(link, length + 14, direction);
    return;
  }
  const packet = make();
  let bytes = ipBytes(packet);
  let from: Link | null = null;
  for (const { link, direction, to } of path.hops) {
    if (direction === 'out') {
      if (from !== null) bytes = ipBytes({ ...packet, ttl: packet.ttl - 1 });
      from = link;
    }
    pass(link, frameOf(bytes, packet.isV6, from ?? link, to), direction);
  }
}

/** The protocol of an Ethernet frame (eth_type_trans). */
export function etherType(frame: Uint8Array): number {
  const word = (at: number): number => (frame[at] as number) * 256 + (frame[at + 1] as number);
  const type = word(12);
  if (type >= ETHERTYPE_MIN) return type;
  return frame.length >= 16 && word(14) === 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}
