// SPDX-License-Identifier: Apache-2.0

/**
 * InetSocket: what TCP and UDP sockets of the loopback network share: ports, binding, options, interface ioctls.
 *
 * Linux:      net/ipv4/af_inet.c, net/ipv4/inet_connection_sock.c (inet_csk_get_port), net/ipv4/ip_sockglue.c
 * Invariants: a socket with a local port is in its protocol's PortTable under it until it is closed or unhashed.
 */
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENOENT,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  type Errno,
  isErrno,
} from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_BIND_SERVICE } from '../../../platform/abi/linux/capability.ts';
import {
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  IP_FREEBIND,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_TTL,
  IP_TOS,
  IP_TRANSPARENT,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  IPV6_FREEBIND,
  IPV6_DONTFRAG,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_TCLASS,
  IPV6_V6ONLY,
  SO_BINDTOIFINDEX,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../../../platform/abi/linux/socket.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Socket } from '../socket.ts';
import {
  anyEndpoint,
  decodeEndpoint,
  type Endpoint,
  encodeEndpoint,
  familyOf,
  isAny,
  isLocal,
  isLoopback,
  isMulticast,
  sameHost,
  sourceFor,
} from './inet_address.ts';
import { routeTo, sourceAddress } from '../link/path.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';
import { int32 } from './ancillary.ts';
import type { NetNamespace } from '../../kernel/namespaces.ts';
import { netOf, networkOf, withNetwork } from '../net_namespace.ts';
import { interfaces } from '../netlink/network_view.ts';
import type { SocketFilter } from '../filter/filter_options.ts';
import { Memberships, multicastInterface, setMembership } from './multicast.ts';
import { ByteOptions } from './byte_options.ts';
import { optionRule } from './inet_options.ts';
import { interfaceIoctl } from './interface_ioctls.ts';
import type { PortHolder, PortTable } from './port_table.ts';

const IP_PROTOCOL = 52;
const SIOCGSTAMP = 0x8906;
const SIOCGSTAMPNS = 0x8907;

/** A type of service without the bits of congestion; -1 is IPv6's default. */
function masked(level: number, value: number): number {
  return level === IPPROTO_IPV6 && value === -1 ? value : value & ~3;
}
function ipBytes(ip: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(ip, 0);
  return bytes;
}

export abstract class InetSocket extends Socket implements PortHolder {
  readonly isClosed = false;
  local: Endpoint;
  remote: Endpoint | null = null;
  /** Positive error number of SO_ERROR. */
  error = 0;
  shutdownMask = 0;
  protected isHashed = false;
  readonly memberships = new Memberships();
  /** IP_MULTICAST_IF, IPV6_MULTICAST_IF: interface index and address; 0: none. */
  protected multicastOut = { index: 0, address: 0 };
  /** SO_ATTACH_REUSEPORT_CBPF. */
  reuseportFilter: SocketFilter | null = null;
  private readonly byteOptions: ByteOptions;
  private readonly values = new Map<string, number>();
  protected readonly table: PortTable;
  readonly ownerUid: number;
  /** Its network namespace; null: the initial one. */
  net: NetNamespace | null;

  constructor(ctx: IoContext, family: number, type: number, protocol: number, table: PortTable) {
    super(ctx, family, type, protocol);
    this.table = table;
    this.byteOptions = new ByteOptions(type);
    this.local = anyEndpoint(family);
    this.ownerUid = ctx.creds.fsuid;
    this.net = netOf(ctx);
    this.memberships.tag = this.net?.tag ?? 0;
  }
  override get namespace(): NetNamespace | null {
    return this.net;
  }
  get netTag(): number {
    return this.net === null ? 0 : this.net.tag;
  }
  /** The network of its namespace (of the sandbox itself its own, even where the host's is used). */
  get network(): VirtualNetwork {
    return networkOf(this.net);
  }
  /** SO_BINDTODEVICE, SO_BINDTOIFINDEX: the interface it is limited to; 0: none. */
  get boundIndex(): number {
    return this.options.flags.get(SO_BINDTOIFINDEX) ?? 0;
  }
  /** Is what comes by an interface for this socket? */
  hears(index: number): boolean {
    const { boundIndex } = this;
    return boundIndex === 0 || boundIndex === index;
  }
  /** An address of this socket's network, or no particular one. */
  protected isLocal(endpoint: Endpoint): boolean {
    return this.net === null ? isLocal(endpoint) : this.network.hasAddress(endpoint);
  }
  protected isBroadcast(endpoint: Endpoint): boolean {
    return this.network.isBroadcast(endpoint);
  }
  /** The address packets to `to` come from: an own address talks to itself, others from the interface that leads there. */
  protected sourceTo(to: Endpoint, port: number): Endpoint {
    if (isLoopback(to) || isAny(to)) return sourceFor(to, port);
    if (this.isLocal(to)) return { ...to, port };
    return { ...(sourceAddress(this.network, to, this.boundIndex) ?? anyEndpoint(to.isV6 ? AF_INET6 : AF_INET)), port };
  }
  /** Does a capability count over this socket's network? */
  protected mayAdminister(ctx: IoContext, cap: number): boolean {
    return this.net?.userNs == null ? ctx.creds.hasCap(cap) : ctx.creds.hasCapIn(this.net.userNs, cap);
  }

  override setReuseportFilter(filter: SocketFilter | null): number {
    if (!this.sharesPort) return EINVAL;
    for (const socket of this.group()) socket.reuseportFilter = null;
    this.reuseportFilter = filter;
    return 0;
  }
  override get hasReuseportFilter(): boolean {
    for (const socket of this.group()) if (socket.reuseportFilter !== null) return true;
    return false;
  }
  /** The sockets that share this one's port. */
  private *group(): Iterable<InetSocket> {
    yield this;
    if (!this.isHashed) return;
    for (const holder of this.table.at(this.local.port, this.netTag)) {
      const isMember = !holder.isClosed && holder.sharesPort && holder.ownerUid === this.ownerUid;
      if (isMember && sameHost(holder.local, this.local)) yield holder as InetSocket;
    }
  }

  get isV6Only(): boolean {
    return this.intOption(IPPROTO_IPV6, IPV6_V6ONLY) !== 0;
  }
  protected flag(name: number): boolean {
    return (this.options.flags.get(name) ?? 0) !== 0;
  }
  get sharesAddress(): boolean {
    return this.flag(SO_REUSEADDR);
  }
  get sharesPort(): boolean {
    return this.flag(SO_REUSEPORT);
  }
  intOption(level: number, name: number): number {
    return (
      this.values.get(`${level}:${name}`) ??
      optionRule(this.protocol, level === IPPROTO_UDPLITE ? IPPROTO_UDP : level, name)?.initial ??
      0
    );
  }

  override bind(ctx: IoContext, address: Uint8Array): number {
    let local: Endpoint | Errno = decodeEndpoint(address, this.family);
    // bind(2) with AF_UNSPEC and INADDR_ANY is taken for AF_INET.
    if (isErrno(local) && this.family === AF_INET && familyOf(address) === AF_UNSPEC && address.length >= 16) {
      if (address.slice(4, 8).every((byte) => byte === 0))
        local = { ...anyEndpoint(AF_INET), port: (address[2] as number) * 256 + (address[3] as number) };
    }
    if (isErrno(local)) return local;
    if (!local.isV6 && this.family === AF_INET6 && this.isV6Only) return EINVAL;
    const refused = this.cannotBind(local);
    if (refused !== 0) return refused;
    if (
      this.needsCapForLowPorts &&
      local.port !== 0 &&
      local.port < sysctlHooks.net.unprivilegedPortStart &&
      !this.mayAdminister(ctx, CAP_NET_BIND_SERVICE)
    )
      return EACCES;
    if (this.isHashed || this.remote !== null) return EINVAL;
    return this.hash(local);
  }

  protected get needsCapForLowPorts(): boolean {
    return true;
  }
  /** Why an address cannot be bound; 0: it can. */
  protected cannotBind(local: Endpoint): number {
    if (this.type === SOCK_STREAM && local.isV6 && isMulticast(local)) return EINVAL;
    // 127.0.0.1 may be bound while lo is still down.
    return this.isLocal(local) || (!local.isV6 && isLoopback(local)) || this.mayBind(local) ? 0 : EADDRNOTAVAIL;
  }
  /** Addresses that are not this host's: groups, broadcast, and anything with IP_FREEBIND or net.ipv4.ip_nonlocal_bind. */
  private mayBind(local: Endpoint): boolean {
    if (isMulticast(local) || this.isBroadcast(local)) return true;
    const isFree = local.isV6 ? this.intOption(IPPROTO_IPV6, IPV6_FREEBIND) : this.intOption(IPPROTO_IP, IP_FREEBIND);
    return (
      isFree !== 0 || this.intOption(IPPROTO_IP, IP_FREEBIND) !== 0 || this.intOption(IPPROTO_IP, IP_TRANSPARENT) !== 0
    );
  }
  /** Takes a local address, choosing a port when it has none. Errors: EADDRINUSE. */
  protected hash(local: Endpoint): number {
    const port = local.port === 0 ? this.table.ephemeral(this.netTag) : local.port;
    const chosen = { ...local, port };
    if (port === 0 || !this.table.isFree(this, chosen)) return EADDRINUSE;
    this.local = chosen;
    this.table.add(this);
    this.isHashed = true;
    return 0;
  }
  protected autobind(): number {
    return this.isHashed ? 0 : this.hash(this.local);
  }
  protected unhash(): void {
    if (this.isHashed) this.table.remove(this);
    this.isHashed = false;
  }
  protected override release(): void {
    this.memberships.leaveAll();
    this.unhash();
  }

  override localAddress(): Uint8Array {
    return encodeEndpoint(this.local, this.family);
  }
  override peerAddress(): Uint8Array | Errno {
    return this.remote === null ? ENOTCONN : encodeEndpoint(this.remote, this.family);
  }
  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** Why `to` cannot be sent to; 0: it can. */
  protected cannotReach(to: Endpoint): number {
    if (!to.isV6 && this.family === AF_INET6 && this.isV6Only) return ENETUNREACH;
    if (!this.isLocal(to)) {
      const route = routeTo(this.network, to, this.boundIndex);
      if (typeof route === 'number') return route;
    }
    if (to.isV6 === this.local.isV6 || isAny(this.local)) return 0;
    return to.isV6 ? ENETUNREACH : EAFNOSUPPORT;
  }
  /** What an accepted connection takes over from its listener. */
  protected inherit(listener: InetSocket): void {
    this.net = listener.net;
    this.memberships.tag = this.netTag;
    for (const [name, value] of listener.options.flags) this.options.flags.set(name, value);
    for (const [name, value] of listener.values) this.values.set(name, value);
    const { sendBuffer, receiveBuffer, lingerOn, lingerSeconds, receiveTimeoutNs, sendTimeoutNs } = listener.options;
    Object.assign(this.options, {
      sendBuffer,
      receiveBuffer,
      lingerOn,
      lingerSeconds,
      receiveTimeoutNs,
      sendTimeoutNs,
    });
  }

  /** Unknown levels answer as unknown options do. */
  override hasLevel(_level: number): boolean {
    return true;
  }
  private knows(level: number): boolean {
    if (level === SOL_SOCKET || level === this.protocol) return true;
    if (level === IPPROTO_UDPLITE || level === IPPROTO_UDP)
      return this.protocol === IPPROTO_UDP || this.protocol === IPPROTO_UDPLITE;
    if (level === IPPROTO_IP) return this.family === AF_INET || this.type !== SOCK_RAW;
    return level === IPPROTO_IPV6 && this.family === AF_INET6;
  }
  override getOption(
    _ctx: IoContext,
    level: number,
    name: number,
    length: number,
    _valueAddr: number,
  ): Uint8Array | Errno {
    if (!this.knows(level)) return this.family === AF_INET6 ? ENOPROTOOPT : EOPNOTSUPP;
    if (level === IPPROTO_IP && name === IP_MULTICAST_IF) return ipBytes(this.multicastOut.address);
    if (level === IPPROTO_IPV6 && name === IPV6_MULTICAST_IF) return int32(this.multicastOut.index);
    const bytes = this.byteOptions.get(level, name, length);
    if (bytes !== undefined) return bytes;
    if (level === IPPROTO_IP && name === IP_PROTOCOL && this.type === SOCK_RAW) return int32(this.protocol);
    const rule = optionRule(this.protocol, level === IPPROTO_UDPLITE ? IPPROTO_UDP : level, name);
    if (rule === null || rule.isHidden === true) return ENOPROTOOPT;
    if (rule.needsRoute === true && this.remote === null) return ENOTCONN;
    if (level === IPPROTO_UDPLITE) return int32(this.intOption(IPPROTO_UDP, name));
    const isGroupsOfSix = level === IPPROTO_IP && name === IP_MULTICAST_ALL && this.family === AF_INET6;
    const value = isGroupsOfSix ? (this.values.get(`${level}:${name}`) ?? 0) : this.intOption(level, name);
    // ip(7) options that fit a byte may be read as one.
    if (level === IPPROTO_IP && length > 0 && length < 4 && value >= 0 && value <= 255) return Uint8Array.of(value);
    return new Uint8Array(Int32Array.of(value).buffer);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    const special = withNetwork(this.net, () => this.setMulticast(level, name, value));
    if (special !== undefined) return special;
    const rule = this.knows(level)
      ? optionRule(this.protocol, level === IPPROTO_UDPLITE ? IPPROTO_UDP : level, name)
      : null;
    const bytes = this.knows(level) ? this.byteOptions.set(level, name, value) : undefined;
    if (bytes !== undefined) return bytes;
    const isLite = level === IPPROTO_UDPLITE && this.knows(level);
    const isTransport = isLite || (level === this.protocol && (level === IPPROTO_TCP || level === IPPROTO_UDP));
    if (isTransport && value.length < 4) return EINVAL;
    if (rule === null) return ENOPROTOOPT;
    if (rule.isExact === true && value.length !== 4) return EINVAL;
    if (rule.types !== undefined && !rule.types.includes(this.type)) return rule.refusal ?? EINVAL;
    if (level === IPPROTO_IPV6 && name === IPV6_MULTICAST_HOPS && this.type === SOCK_STREAM) return ENOPROTOOPT;
    if (value.length < 4 && level !== IPPROTO_IP && name !== IPV6_DONTFRAG && rule.takesShort !== true) return EINVAL;
    if (value.length === 0 && level === IPPROTO_IP && rule.needsValue === true) return EINVAL;
    if (level === IPPROTO_IP && name === IP_MULTICAST_TTL && this.type === SOCK_STREAM) return EINVAL;
    if (level === IPPROTO_IPV6 && name === IPV6_V6ONLY && this.isHashed) return EINVAL;
    if (rule.cap !== undefined && !this.mayAdminister(ctx, rule.cap)) return EPERM;
    const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
    const short = level === IPPROTO_IP ? (buf[0] ?? 0) : 0;
    const given = buf.length >= 4 ? buf.readInt32LE(0) : short;
    // TCP sets the congestion bits of the type of service by itself.
    const isTos = (level === IPPROTO_IP && name === IP_TOS) || (level === IPPROTO_IPV6 && name === IPV6_TCLASS);
    const stored = rule.check(isTos && this.protocol === IPPROTO_TCP ? masked(level, given) : given);
    if (stored === null) return rule.refusal ?? EINVAL;
    this.values.set(`${isLite ? IPPROTO_UDP : level}:${name}`, stored);
    return 0;
  }
  private setMulticast(level: number, name: number, value: Uint8Array): number | undefined {
    if (!this.knows(level)) return undefined;
    const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
    if (level === IPPROTO_IP && name === IP_MULTICAST_IF) {
      if (this.type === SOCK_STREAM) return EINVAL;
      const out = multicastInterface(buf);
      if (isErrno(out)) return out;
      this.multicastOut = out;
      return 0;
    }
    if (level === IPPROTO_IPV6 && name === IPV6_MULTICAST_IF) {
      if (this.type === SOCK_STREAM) return ENOPROTOOPT;
      if (buf.length < 4) return EINVAL;
      const index = buf.readInt32LE(0);
      if (index !== 0 && !interfaces().some((link) => link.index === index)) return ENODEV;
      this.multicastOut = { index, address: 0 };
      return 0;
    }
    const result = setMembership(this.memberships, level, name, value);
    return result;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    // No packet was ever stamped for these.
    if (cmd === SIOCGSTAMP || cmd === SIOCGSTAMPNS) return ENOENT;
    return withNetwork(this.net, () => interfaceIoctl(ctx, cmd, arg));
  }
}
