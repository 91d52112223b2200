// SPDX-License-Identifier: Apache-2.0

/**
 * VirtualNetwork: the interfaces, addresses and routes of a sandbox that has a network of its own: lo, and what CAP_NET_ADMIN adds.
 *
 * Linux:      net/core/rtnetlink.c, net/core/dev.c, net/ipv4/devinet.c, net/ipv4/fib_frontend.c, net/ipv6/addrconf.c
 * Invariants: `ownAddresses` (inet_address.ts) holds every address here but those of lo's own networks. The bodies of messages are
 *             made when asked for: most programs never do.
 */
import {
  EADDRNOTAVAIL,
  EBUSY,
  EEXIST,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOSPC,
  EOPNOTSUPP,
  ERANGE,
  ESRCH,
} from '../../../platform/abi/linux/errno.ts';
import { AF_INET, AF_INET6 } from '../../../platform/abi/linux/socket.ts';
import type { NetworkView } from '../../../platform/platform.ts';
import type { NetNamespace } from '../../kernel/namespaces.ts';
import type { Path } from '../link/path.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import { Neighbours } from '../link/neighbours.ts';
import {
  broadcastAddresses,
  decodeEndpoint,
  type Endpoint,
  hostKey,
  isAny,
  isLoopback,
  ownAddresses,
} from '../inet/inet_address.ts';
import * as encode from './view_bodies.ts';
import type { Address, Link, Route } from './view_bodies.ts';

const IFF_UP = 1;
const IFF_RUNNING = 0x40;
const IFF_LOWER_UP = 0x10000;
/** IFF_BROADCAST | IFF_NOARP | IFF_MULTICAST is 0x1082. */
const DUMMY_FLAGS = 0x82;
/** IFF_BROADCAST | IFF_MULTICAST; IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST. */
const ETHER_FLAGS = 0x1002;
const TUN_FLAGS = 0x1090;
const TUN_TXQLEN = 500;
/** Flags `ip link set` may change: UP, NOTRAILERS.. MULTICAST, PROMISC, ALLMULTI. */
const SETTABLE = 0x1 | 0x80 | 0x100 | 0x200 | 0x1000;
const MTU_MIN = 68;
const MTU_MAX = 65536;
/** Interfaces, addresses and routes at most: each is the Sentry's memory. */
const ENTRIES_MAX = 1024;
const MAC_SIZE = 6;
const LO_INDEX = 1;
const RT_SCOPE_HOST = 254;
const RT_SCOPE_LINK = 253;
const RT_TABLE_LOCAL = 255;
const RT_TABLE_MAIN = 254;
const RTPROT_KERNEL = 2;
const RTN_UNICAST = 1;
const RTN_LOCAL = 2;
const RTN_BROADCAST = 3;

export type Change = 'link' | 'address' | 'route';
type Listener = (network: VirtualNetwork, kind: Change, isGone: boolean, body: Uint8Array, family: number) => void;
/** Told of every change of every network (netlink groups, uevents). */
export const changeListeners = new Set<Listener>();

/** What is made by addLink(). */
export interface LinkRequest {
  readonly name: string | null;
  readonly kind: string;
  readonly mtu: number | null;
  readonly mac: Buffer | null;
  readonly index?: number;
}
const KINDS: ReadonlySet<string> = new Set(['dummy', 'bridge', 'veth', 'tun', 'tap']);

export class VirtualNetwork implements NetworkView {
  private readonly devices: Link[] = [encode.loopbackLink(this)];
  private readonly ips: Address[] = [];
  private readonly paths: Route[] = [];
  /** What sockets may use beside lo's own networks (the sandbox's network: inet_address.ts has them). */
  private readonly own: Set<string>;
  private readonly broadcasts: Set<number>;
  private nextIndex = LO_INDEX + 1;
  /** The namespace it is of; null: the initial one. */
  readonly net: NetNamespace | null;
  /** Numbers this network knows other ones by (RTM_NEWNSID). */
  private readonly ids = new Map<VirtualNetwork, number>();
  /** The way of a packet that goes nowhere else. */
  readonly here: Path;
  /** Link layer addresses of neighbours, by interface index and address. */
  readonly neighbours = new Neighbours();

  /** `net` null: the sandbox's own network, whose lo is up. Others start with lo down and no address. */
  constructor(net: NetNamespace | null = null) {
    const isInitial = net === null;
    this.net = net;
    const lo = this.devices[0] as Link;
    const hops = (['out', 'in'] as const).map((direction) => ({ link: lo, direction, to: lo }));
    this.here = { kind: 'arrives', network: this, link: lo, hops, forwards: 0 };
    this.own = isInitial ? ownAddresses : new Set();
    this.broadcasts = isInitial ? broadcastAddresses : new Set();
    if (isInitial) this.addLoopback();
    else (this.devices[0] as Link).flags &= ~(IFF_UP | IFF_RUNNING | IFF_LOWER_UP);
  }
  /** lo comes up: its addresses and routes are there. */
  private addLoopback(): void {
    for (const address of encode.loopbackAddresses())
      if (this.findAddress(address.family, address.ip, address.prefix, LO_INDEX) === null) this.ips.push(address);
    this.paths.push(...encode.loopbackRoutes());
  }
  /** May a socket of this network have or reach the address? */
  hasAddress(endpoint: Endpoint): boolean {
    if (isAny(endpoint)) return true;
    if (isLoopback(endpoint)) return ((this.devices[0] as Link).flags & IFF_UP) !== 0;
    return this.own.has(hostKey(endpoint));
  }

  /** The namespace's tag, by which ports are kept apart. */
  get tag(): number {
    return this.net === null ? 0 : this.net.tag;
  }
  /** net.ipv4.ip_forward. */
  get forwardsPackets(): boolean {
    return sysctlHooks.net.forwarding !== 0;
  }
  /** 255.255.255.255, or the last address of an interface's network. */
  isBroadcast(endpoint: Endpoint): boolean {
    return !endpoint.isV6 && (endpoint.ip === 0xffffffff || this.broadcasts.has(endpoint.ip));
  }
  /** The number this network has for another one, given now when it has none. */
  idOf(other: VirtualNetwork): number {
    const known = this.ids.get(other);
    if (known !== undefined) return known;
    const taken = new Set(this.ids.values());
    let id = 0;
    while (taken.has(id)) id++;
    this.ids.set(other, id);
    return id;
  }
  knownIdOf(other: VirtualNetwork): number | null {
    return this.ids.get(other) ?? null;
  }
  get knownIds(): ReadonlyMap<VirtualNetwork, number> {
    return this.ids;
  }
  /** Gives another network a number of the caller's choice. Errors: EEXIST. */
  nameNetwork(other: VirtualNetwork, id: number): number {
    if (this.ids.has(other) || [...this.ids.values()].includes(id)) return EEXIST;
    this.ids.set(other, id);
    return 0;
  }
  get interfaces(): readonly Link[] {
    return this.devices;
  }
  get routeTable(): readonly Route[] {
    return this.paths;
  }
  /** IPv4 or IPv6 addresses of an interface. */
  addressesOn(index: number, family: number): Address[] {
    return this.ips.filter((one) => one.index === index && one.family === family);
  }

  get links(): readonly Uint8Array[] {
    return this.devices.map(encode.linkBody);
  }
  get addresses(): readonly Uint8Array[] {
    return this.ips.map(encode.addressBody);
  }
  get routes(): readonly Uint8Array[] {
    return [...this.paths].sort(encode.routeOrder).map(encode.routeBody);
  }
  link(index: number, name: string | null): Link | null {
    return this.devices.find((one) => (index !== 0 ? one.index === index : one.name === name)) ?? null;
  }
  private tell(kind: Change, isGone: boolean, body: Uint8Array, family: number): void {
    for (const listener of changeListeners) listener(this, kind, isGone, body, family);
  }

  /** Adds an interface. Errors: EEXIST, EOPNOTSUPP (other kinds), ENOSPC, EBUSY (index). */
  addLink({ name, kind, mtu, mac, index }: LinkRequest): Link | number {
    if (!KINDS.has(kind)) return EOPNOTSUPP;
    let free = 0;
    while (name === null && this.link(0, `${kind}${free}`) !== null) free++;
    const chosen = name ?? `${kind}${free}`;
    if (this.link(0, chosen) !== null) return EEXIST;
    if (this.devices.length >= ENTRIES_MAX) return ENOSPC;
    if (index !== undefined && index !== 0 && this.link(index, null) !== null) return EBUSY;
    const link = encode.newLink(this, {
      index: index !== undefined && index !== 0 ? index : this.freeIndex(),
      name: chosen,
      kind: kind as Link['kind'],
      flags: kind === 'dummy' ? DUMMY_FLAGS : kind === 'tun' ? TUN_FLAGS : ETHER_FLAGS,
      mtu: mtu ?? 1500,
      txqlen: kind === 'tun' || kind === 'tap' ? TUN_TXQLEN : 1000,
      mac: kind === 'tun' ? Buffer.alloc(0) : (mac ?? localMac()),
    });
    this.devices.push(link);
    this.tell('link', false, encode.linkBody(link), 0);
    return link;
  }
  private freeIndex(): number {
    while (this.link(this.nextIndex, null) !== null) this.nextIndex++;
    return this.nextIndex++;
  }
  /** Moves an interface to another network: its addresses and routes go. Errors: EINVAL (lo), EEXIST (name). */
  moveLink(link: Link, to: VirtualNetwork): number {
    if (to === this) return 0;
    if (link.isLoopback || link.kind === 'bridge') return EINVAL;
    if (to.link(0, link.name) !== null) return EEXIST;
    this.detach(link);
    if (to.link(link.index, null) !== null) link.index = to.freeIndex();
    link.flags &= ~(IFF_UP | IFF_RUNNING | IFF_LOWER_UP);
    link.network = to;
    to.devices.push(link);
    to.tell('link', false, encode.linkBody(link), 0);
    if (link.peer !== null) link.peer.network.carrierChanged(link.peer);
    return 0;
  }
  /** An interface leaves this network. */
  private detach(link: Link): void {
    for (const address of this.ips.filter((one) => one.index === link.index)) this.removeAddress(address);
    this.dropRoutes((route) => route.oif === link.index);
    link.master = null;
    for (const port of this.devices) if (port.master === link) port.master = null;
    this.devices.splice(this.devices.indexOf(link), 1);
    this.tell('link', true, encode.linkBody(link), 0);
  }
  /** Something an interface depends on changed: is it running? */
  carrierChanged(link: Link): void {
    const was = link.flags;
    link.flags = this.hasCarrier(link)
      ? link.flags | IFF_RUNNING | IFF_LOWER_UP
      : link.flags & ~(IFF_RUNNING | IFF_LOWER_UP);
    if (link.flags !== was) {
      this.ipv6Readiness(link);
      this.tell('link', false, encode.linkBody(link), 0);
    }
    if (link.master !== null) this.carrierChanged(link.master);
  }
  /** An interface that is ready has a link-local address and a route for groups; one that is down no IPv6 address at all. */
  private ipv6Readiness(link: Link): void {
    if (link.isLoopback || link.mac.length === 0) return;
    if ((link.flags & IFF_UP) === 0) {
      for (const address of this.addressesOn(link.index, AF_INET6)) this.removeAddress(address);
      this.dropRoutes((route) => route.family === AF_INET6 && route.oif === link.index);
      return;
    }
    const isReady = (link.flags & IFF_RUNNING) !== 0;
    const own = encode.linkLocalAddress(link);
    if (!isReady || link.master !== null || this.findAddress(AF_INET6, own.ip, null, link.index) !== null) return;
    this.put(encode.groupRoute(link));
    this.addAddress(own);
  }
  private hasCarrier(link: Link): boolean {
    if ((link.flags & IFF_UP) === 0) return false;
    if (link.kind === 'veth') return link.peer !== null && (link.peer.flags & IFF_UP) !== 0;
    if (link.kind === 'bridge') return this.devices.some((one) => one.master === link && this.hasCarrier(one));
    if (link.kind === 'tun' || link.kind === 'tap') return link.device?.isAttached === true;
    return true;
  }
  /** Makes an interface a port of a bridge, or of none. Errors: EINVAL, EOPNOTSUPP. */
  enslave(link: Link, master: Link | null): number {
    if (master !== null && master.kind !== 'bridge') return EOPNOTSUPP;
    if (master !== null && (link.kind === 'bridge' || link.isLoopback)) return EINVAL;
    const old = link.master;
    link.master = master;
    this.tell('link', false, encode.linkBody(link), 0);
    if (old !== null) this.carrierChanged(old);
    if (master !== null) this.carrierChanged(master);
    return 0;
  }
  /** Changes what is given. Errors: EINVAL (MTU), EEXIST (name). */
  changeLink(
    link: Link,
    change: { flags?: number; mask?: number; mtu?: number; name?: string; txqlen?: number; mac?: Buffer },
  ): number {
    const { flags, mask, mtu, name, txqlen, mac } = change;
    if (mtu !== undefined && (mtu < (link.isLoopback ? 0 : MTU_MIN) || mtu > (link.isLoopback ? 0x7fffffff : MTU_MAX)))
      return EINVAL;
    if (name !== undefined && name !== link.name && this.link(0, name) !== null) return EEXIST;
    if (txqlen !== undefined && txqlen < 0) return ERANGE;
    if (mtu !== undefined) link.mtu = mtu;
    if (name !== undefined) link.name = name;
    if (txqlen !== undefined) link.txqlen = txqlen;
    if (mac !== undefined) link.mac = mac;
    if (flags !== undefined) this.setFlags(link, flags, mask === undefined || mask === 0 ? SETTABLE : mask & SETTABLE);
    this.tell('link', false, encode.linkBody(link), 0);
    return 0;
  }
  private setFlags(link: Link, flags: number, mask: number): void {
    const wasUp = (link.flags & IFF_UP) !== 0;
    link.flags = (link.flags & ~mask) | (flags & mask);
    const isUp = (link.flags & IFF_UP) !== 0;
    link.flags = this.hasCarrier(link)
      ? link.flags | IFF_RUNNING | IFF_LOWER_UP
      : link.flags & ~(IFF_RUNNING | IFF_LOWER_UP);
    this.ipv6Readiness(link);
    if (wasUp === isUp) return;
    if (link.peer !== null) link.peer.network.carrierChanged(link.peer);
    if (link.master !== null) this.carrierChanged(link.master);
    if (isUp && link.isLoopback && !this.paths.some((route) => route.oif === LO_INDEX)) {
      this.addLoopback();
      return;
    }
    for (const address of this.ips.filter((one) => one.index === link.index))
      if (isUp) this.addRoutesOf(address);
      else this.dropRoutes((route) => route.oif === link.index);
  }
  /** Errors: EOPNOTSUPP (lo). */
  removeLink(link: Link): number {
    if (link.isLoopback) return EOPNOTSUPP;
    const { peer } = link;
    this.detach(link);
    link.peer = null;
    if (peer !== null) {
      peer.peer = null;
      peer.network.detach(peer);
    }
    return 0;
  }

  findAddress(family: number, ip: Buffer, prefix: number | null, index: number): Address | null {
    return (
      this.ips.find(
        (one) =>
          one.family === family &&
          one.index === index &&
          one.ip.equals(ip) &&
          (prefix === null || one.prefix === prefix),
      ) ?? null
    );
  }
  /** Errors: EEXIST, ENODEV, ENOSPC. */
  addAddress(address: Address): number {
    const link = this.link(address.index, null);
    if (link === null) return ENODEV;
    if (this.findAddress(address.family, address.ip, address.prefix, address.index) !== null) return EEXIST;
    if (this.ips.length >= ENTRIES_MAX) return ENOSPC;
    this.ips.push(address);
    this.note(address, true);
    if ((link.flags & IFF_UP) !== 0) this.addRoutesOf(address);
    this.tell('address', false, encode.addressBody(address), address.family);
    return 0;
  }
  /** Errors: EADDRNOTAVAIL. */
  removeAddress(address: Address): number {
    const at = this.ips.indexOf(address);
    if (at < 0) return EADDRNOTAVAIL;
    this.ips.splice(at, 1);
    if (!this.ips.some((one) => one.family === address.family && one.ip.equals(address.ip))) this.note(address, false);
    this.dropRoutes((route) => route.oif === address.index && route.prefSource?.equals(address.ip) === true);
    this.tell('address', true, encode.addressBody(address), address.family);
    return 0;
  }
  /** ioctl's way: the interface's one IPv4 address, its mask or its broadcast address. Errors: EADDRNOTAVAIL (no address yet), EINVAL (mask). */
  replaceAddress(link: Link, what: 'address' | 'mask' | 'broadcast', value: Buffer): number {
    const now = this.ips.find((one) => one.family === AF_INET && one.index === link.index) ?? null;
    if (what !== 'address' && now === null) return EADDRNOTAVAIL;
    const prefix = what === 'mask' ? encode.prefixOf(value) : null;
    if (what === 'mask' && prefix === null) return EINVAL;
    if (now !== null) this.removeAddress(now);
    if (what === 'address' && value.readUInt32BE(0) === 0) return 0;
    const base = now === null || what === 'address' ? encode.classAddress(link, value) : now;
    if (what === 'broadcast') return this.addAddress({ ...base, broadcast: value });
    if (prefix === null) return this.addAddress(base);
    return this.addAddress({ ...base, prefix, broadcast: link.isLoopback ? null : encode.lastOf(base.ip, prefix) });
  }
  /** Sockets may use the address, or may no more. */
  private note({ family, ip, broadcast }: Address, isThere: boolean): void {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt16LE(family, 0);
    ip.copy(bytes, family === AF_INET ? 4 : 8);
    const endpoint = decodeEndpoint(bytes, family);
    if (typeof endpoint === 'number' || isLoopback(endpoint)) return;
    if (isThere) this.own.add(hostKey(endpoint));
    else this.own.delete(hostKey(endpoint));
    if (broadcast === null) return;
    if (isThere) this.broadcasts.add(broadcast.readUInt32BE(0));
    else this.broadcasts.delete(broadcast.readUInt32BE(0));
  }
  private addRoutesOf({ family, ip, prefix, index }: Address): void {
    const bits = ip.length * 8;
    const base = { family, oif: index, gateway: null, protocol: RTPROT_KERNEL };
    const isV4 = family === AF_INET;
    const priority = isV4 ? 0 : 256;
    const scope = isV4 ? RT_SCOPE_HOST : 0;
    this.put({
      ...base,
      destination: ip,
      prefix: bits,
      table: RT_TABLE_LOCAL,
      type: RTN_LOCAL,
      scope,
      priority: 0,
      prefSource: isV4 ? ip : null,
    });
    if (prefix === bits) return;
    const network = encode.masked(ip, prefix);
    const link = isV4 ? RT_SCOPE_LINK : 0;
    this.put({
      ...base,
      destination: network,
      prefix,
      table: RT_TABLE_MAIN,
      type: RTN_UNICAST,
      scope: link,
      priority,
      prefSource: isV4 ? ip : null,
    });
    if (!isV4 || prefix >= 31) return;
    const last = encode.lastOf(ip, prefix);
    this.put({
      ...base,
      destination: last,
      prefix: bits,
      table: RT_TABLE_LOCAL,
      type: RTN_BROADCAST,
      scope: link,
      priority: 0,
      prefSource: ip,
    });
  }
  private put(route: Route): void {
    if (this.paths.some((one) => encode.sameRoute(one, route))) return;
    this.paths.push(route);
    this.tell('route', false, encode.routeBody(route), route.family);
  }
  private dropRoutes(which: (route: Route) => boolean): void {
    for (const route of this.paths.filter(which)) {
      this.paths.splice(this.paths.indexOf(route), 1);
      this.tell('route', true, encode.routeBody(route), route.family);
    }
  }

  /** The interface a gateway is reached by; null: none. */
  private via(gateway: Buffer): number | null {
    const found = this.paths.find(
      (one) =>
        one.destination.length === gateway.length &&
        one.prefix > 0 &&
        one.table === RT_TABLE_MAIN &&
        encode.masked(gateway, one.prefix).equals(one.destination),
    );
    return found?.oif ?? null;
  }
  /** Errors: EEXIST, ENODEV, ENETUNREACH, ENOSPC. */
  addRoute(route: Route, replaces: boolean): number {
    const oif = route.oif !== 0 ? route.oif : route.gateway === null ? null : this.via(route.gateway);
    if (oif === null) return route.gateway === null ? ENODEV : ENETUNREACH;
    const link = this.link(oif, null);
    if (link === null) return ENODEV;
    if ((link.flags & IFF_UP) === 0) return ENETUNREACH;
    const known = this.paths.find((one) => encode.sameRoute(one, route));
    if (known !== undefined && !replaces) return EEXIST;
    if (this.paths.length >= ENTRIES_MAX) return ENOSPC;
    if (known !== undefined) this.dropRoutes((one) => one === known);
    this.put({ ...route, oif });
    return 0;
  }
  /** Errors: ESRCH. */
  removeRoute(wanted: Route): number {
    const found = this.paths.find(
      (one) =>
        one.family === wanted.family &&
        one.prefix === wanted.prefix &&
        one.table === wanted.table &&
        one.destination.equals(wanted.destination) &&
        (wanted.oif === 0 || one.oif === wanted.oif) &&
        (wanted.gateway === null || one.gateway?.equals(wanted.gateway) === true),
    );
    if (found === undefined) return ESRCH;
    this.dropRoutes((one) => one === found);
    return 0;
  }
}

/** A random, locally administered address. */
export function localMac(): Buffer {
  const mac = Buffer.from(Array.from({ length: MAC_SIZE }, () => Math.floor(Math.random() * 256)));
  mac[0] = ((mac[0] as number) & 0xfc) | 2;
  return mac;
}

export const virtualNetwork = new VirtualNetwork();
