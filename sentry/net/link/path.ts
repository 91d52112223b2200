// SPDX-License-Identifier: Apache-2.0

/**
 * Where a packet goes: through which interfaces, and in which namespace of the sandbox it arrives. The whole way is known before anything
 * is sent, because all of it is in this process; only tun and tap interfaces lead out.
 *
 * Linux: net/ipv4/fib_trie.c (fib_table_lookup), net/ipv4/route.c (ip_route_output_key_hash_rcu), net/ipv4/ip_forward.c,
 *        drivers/net/veth.c (veth_xmit), net/bridge/br_forward.c
 */
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, type Errno } from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import { decodeEndpoint, type Endpoint, encodeEndpoint, isLoopback, isMulticast } from '../inet/inet_address.ts';
import type { Link, Route } from '../netlink/view_bodies.ts';
import { masked } from '../netlink/view_bodies.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';

/** A packet passes an interface. */
export interface Hop {
  readonly link: Link;
  readonly direction: 'out' | 'in';
  /** The interface it is addressed to; null: nobody's. */
  readonly to: Link | null;
}
export type Path =
  | {
      readonly kind: 'arrives';
      readonly network: VirtualNetwork;
      readonly link: Link;
      readonly hops: readonly Hop[];
      readonly forwards: number;
    }
  | {
      readonly kind: 'leaves';
      readonly network: VirtualNetwork;
      readonly link: Link;
      readonly nextHop: Endpoint;
      readonly hops: readonly Hop[];
      readonly forwards: number;
    }
  | { readonly kind: 'lost'; readonly isUnresolved: boolean; readonly hops: readonly Hop[]; readonly forwards: number };

const IFF_UP = 1;
const RT_TABLE_LOCAL = 255;
const RT_TABLE_MAIN = 254;
const RTN_UNREACHABLE = 7;
const RTN_BLACKHOLE = 6;
const RTN_PROHIBIT = 8;
const FORWARDS_MAX = 64;
const LO_INDEX = 1;

/** The bytes of an address. */
export function addressBytes(endpoint: Endpoint): Buffer {
  return Buffer.from(
    endpoint.isV6
      ? encodeEndpoint(endpoint, AF_INET6).subarray(8, 24)
      : encodeEndpoint(endpoint, AF_INET).subarray(4, 8),
  );
}
/** The address of 4 or 16 bytes. */
export function endpointFrom(bytes: Uint8Array, port = 0): Endpoint {
  const address = Buffer.alloc(28);
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  address.writeUInt16LE(family, 0);
  address.writeUInt16BE(port, 2);
  address.set(bytes, family === AF_INET ? 4 : 8);
  return decodeEndpoint(address, family) as Endpoint;
}

/** The route to an address: the longest prefix of the local table, then of the main one; `bound` limits it to one interface. */
export function routeTo(network: VirtualNetwork, to: Endpoint, bound = 0): Route | Errno {
  const family = to.isV6 ? AF_INET6 : AF_INET;
  const bytes = addressBytes(to);
  let best: Route | null = null;
  let rank = -1;
  for (const route of network.routeTable) {
    if (route.family !== family || (bound !== 0 && route.oif !== bound)) continue;
    if (route.table !== RT_TABLE_LOCAL && route.table !== RT_TABLE_MAIN) continue;
    if (!masked(bytes, route.prefix).equals(route.destination)) continue;
    const its = (route.table === RT_TABLE_LOCAL ? 1e12 : 0) + route.prefix * 1e10 - route.priority;
    if (its > rank) {
      best = route;
      rank = its;
    }
  }
  if (best === null) return bound !== 0 ? onLink(network, to, bound) : ENETUNREACH;
  if (best.type === RTN_UNREACHABLE) return EHOSTUNREACH;
  if (best.type === RTN_PROHIBIT) return EACCES;
  return best.type === RTN_BLACKHOLE ? EINVAL : best;
}
/** A socket bound to an interface takes what no route knows for something on that link. */
function onLink(network: VirtualNetwork, to: Endpoint, oif: number): Route | Errno {
  if (network.link(oif, null) === null) return ENETUNREACH;
  const family = to.isV6 ? AF_INET6 : AF_INET;
  const destination = addressBytes(to);
  const rest = { gateway: null, prefSource: null, priority: 0, protocol: 0, scope: 253, table: RT_TABLE_MAIN, type: 1 };
  return { ...rest, family, destination, prefix: destination.length * 8, oif };
}

/** The source address of packets to `to`: the route's, the interface's, else none (null). */
export function sourceAddress(network: VirtualNetwork, to: Endpoint, bound = 0): Endpoint | null {
  const route = routeTo(network, to, bound);
  if (typeof route === 'number') return null;
  if (route.prefSource !== null) return endpointFrom(route.prefSource);
  const own = network.addressesOn(route.oif, route.family);
  const same = own.find((one) => masked(addressBytes(to), one.prefix).equals(masked(one.ip, one.prefix))) ?? own[0];
  if (same !== undefined) return endpointFrom(same.ip);
  for (const link of network.interfaces) {
    const [other] = link.index === LO_INDEX ? [] : network.addressesOn(link.index, route.family);
    if (other !== undefined) return endpointFrom(other.ip);
  }
  return null;
}

/** Interfaces that hear what is sent on `link`: a veth's other end, and through a bridge everyone on it. */
export function listenersOn(link: Link, seen: Set<Link> = new Set()): Link[] {
  if (seen.has(link)) return [];
  seen.add(link);
  if (link.kind === 'bridge')
    return link.network.interfaces
      .filter((port) => port.master === link && isUp(port))
      .flatMap((port) => listenersOn(port, seen));
  const { peer } = link;
  if (link.kind !== 'veth' || peer === null || !isUp(link) || !isUp(peer)) return [];
  if (peer.master === null) return [peer];
  if (seen.has(peer.master) || !isUp(peer.master)) return [];
  seen.add(peer);
  return [peer.master, ...listenersOn(peer.master, seen)];
}
export function isUp(link: Link): boolean {
  return (link.flags & IFF_UP) !== 0;
}

/** Does the host behind `link` answer for an address? */
function answersFor(link: Link, address: Endpoint): boolean {
  return !isLoopback(address) && link.network.hasAddress(address);
}

/** The way of a packet from a host of `network` to `to`. Errors: ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL (kinds of routes). */
export function pathTo(network: VirtualNetwork, to: Endpoint, bound = 0): Path | Errno {
  if (network.hasAddress(to)) return network.here;
  const hops: Hop[] = [];
  let at = network;
  for (let forwards = 0; forwards < FORWARDS_MAX; forwards++) {
    const route = routeTo(at, to, forwards === 0 ? bound : 0);
    if (typeof route === 'number')
      return forwards === 0 ? route : { kind: 'lost', isUnresolved: false, hops, forwards };
    const out = at.link(route.oif, null);
    if (out === null || !isUp(out))
      return forwards === 0 ? ENETUNREACH : { kind: 'lost', isUnresolved: false, hops, forwards };
    if (out.isLoopback) return forwards === 0 ? at.here : { kind: 'lost', isUnresolved: false, hops, forwards };
    const nextHop = route.gateway === null ? to : endpointFrom(route.gateway);
    if (out.kind === 'tun' || out.kind === 'tap')
      return { kind: 'leaves', network: at, link: out, nextHop, hops, forwards };
    const next = listenersOn(out).find((one) => answersFor(one, nextHop)) ?? null;
    hops.push({ link: out, direction: 'out', to: next });
    if (next === null) return { kind: 'lost', isUnresolved: out.kind !== 'dummy' && !isMulticast(to), hops, forwards };
    meet(at, out, nextHop, next);
    hops.push({ link: next, direction: 'in', to: next });
    at = next.network;
    if (at.hasAddress(to)) return { kind: 'arrives', network: at, link: next, hops, forwards };
    if (!at.forwardsPackets) return { kind: 'lost', isUnresolved: false, hops, forwards };
  }
  return { kind: 'lost', isUnresolved: false, hops, forwards: FORWARDS_MAX };
}
/** Both ends of a link know each other's addresses when they have talked. */
function meet(from: VirtualNetwork, out: Link, nextHop: Endpoint, next: Link): void {
  from.neighbours.learn(out.index, nextHop, next.mac);
  const own = from.addressesOn(out.index, nextHop.isV6 ? AF_INET6 : AF_INET)[0];
  if (own !== undefined) next.network.neighbours.learn(next.index, endpointFrom(own.ip), out.mac);
}
