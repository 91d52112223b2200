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
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
} from '../../../platform/abi/linux/socket.ts';
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
  sameHost,
} from './inet_address.ts';
import { optionRule } from './inet_options.ts';
import { interfaceIoctl } from './interface_ioctls.ts';

const FIRST_EPHEMERAL = 32768;
const LAST_EPHEMERAL = 60999;
const RESERVED = 1024;

const NOBODY: ReadonlySet<InetSocket> = new Set();

/** Local ports of one protocol. */
export class PortTable {
  private readonly ports = new Map<number, Set<InetSocket>>();
  private readonly listeners = new Map<number, Set<InetSocket>>();
  private nextEphemeral = FIRST_EPHEMERAL + Math.floor(Math.random() * 20000);

  at(port: number): ReadonlySet<InetSocket> {
    return this.ports.get(port) ?? NOBODY;
  }
  /** Listening sockets of a port. */
  listenersAt(port: number): ReadonlySet<InetSocket> {
    return this.listeners.get(port) ?? NOBODY;
  }
  addListener(socket: InetSocket): void {
    const set = this.listeners.get(socket.local.port);
    if (set === undefined) this.listeners.set(socket.local.port, new Set([socket]));
    else set.add(socket);
  }
  removeListener(socket: InetSocket): void {
    const set = this.listeners.get(socket.local.port);
    set?.delete(socket);
    if (set?.size === 0) this.listeners.delete(socket.local.port);
  }
  add(socket: InetSocket): void {
    const { port } = socket.local;
    const set = this.ports.get(port);
    if (set === undefined) this.ports.set(port, new Set([socket]));
    else set.add(socket);
  }
  remove(socket: InetSocket): void {
    const set = this.ports.get(socket.local.port);
    if (set === undefined) return;
    set.delete(socket);
    if (set.size === 0) this.ports.delete(socket.local.port);
  }
  /** May `socket` have `local`? */
  isFree(socket: InetSocket, local: Endpoint): boolean {
    for (const other of this.at(local.port)) {
      if (other !== socket && overlaps(socket, local, other, other.local) && !socket.mayShare(other)) return false;
    }
    return true;
  }
  /** A port nobody has; 0: none. */
  ephemeral(): number {
    for (let tries = FIRST_EPHEMERAL; tries <= LAST_EPHEMERAL; tries++) {
      const port = this.nextEphemeral;
      this.nextEphemeral = port >= LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1;
      if (!this.ports.has(port)) return port;
    }
    return 0;
  }
  *[Symbol.iterator](): Iterator<InetSocket> {
    for (const set of this.ports.values()) yield* set;
  }
}

/** Do two bound addresses on the same port take in common packets? */
export function overlaps(a: InetSocket, local: Endpoint, b: InetSocket, other: Endpoint): boolean {
  if (local.isV6 === other.isV6) return isAny(local) || isAny(other) || sameHost(local, other);
  const [six, sixAt] = local.isV6 ? [a, local] : [b, other];
  return isAny(sixAt) && !six.isV6Only;
}

export abstract class InetSocket extends Socket {
  local: Endpoint;
  remote: Endpoint | null = null;
  /** Positive error number of SO_ERROR. */
  error = 0;
  shutdownMask = 0;
  protected isHashed = false;
  private readonly values = new Map<string, number>();
  protected readonly table: PortTable;
  readonly ownerUid: number;

  constructor(ctx: IoContext, family: number, type: number, protocol: number, table: PortTable) {
    super(ctx, family, type, protocol);
    this.table = table;
    this.local = anyEndpoint(family);
    this.ownerUid = ctx.creds.fsuid;
  }

  get isV6Only(): boolean {
    return this.intOption(IPPROTO_IPV6, IPV6_V6ONLY) !== 0;
  }
  private flag(name: number): boolean {
    return (this.options.flags.get(name) ?? 0) !== 0;
  }
  /** May this and `other` have the same address and port? */
  mayShare(other: InetSocket): boolean {
    if (this.flag(SO_REUSEPORT) && other.flag(SO_REUSEPORT) && this.ownerUid === other.ownerUid) return true;
    return this.flag(SO_REUSEADDR) && other.flag(SO_REUSEADDR) && !other.isListening;
  }
  intOption(level: number, name: number): number {
    return this.values.get(`${level}:${name}`) ?? optionRule(this.protocol, level, name)?.initial ?? 0;
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
    if (!isLocal(local)) return EADDRNOTAVAIL;
    if (local.port !== 0 && local.port < RESERVED && !ctx.creds.hasCap(CAP_NET_BIND_SERVICE)) return EACCES;
    if (this.isHashed || this.remote !== null) return EINVAL;
    return this.hash(local);
  }

  /** Takes a local address, choosing a port when it has none. Errors: EADDRINUSE. */
  protected hash(local: Endpoint): number {
    const port = local.port === 0 ? this.table.ephemeral() : local.port;
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
    if (!isLocal(to)) return ENETUNREACH;
    if (!to.isV6 && this.family === AF_INET6 && this.isV6Only) return ENETUNREACH;
    if (to.isV6 === this.local.isV6 || isAny(this.local)) return 0;
    return to.isV6 ? ENETUNREACH : EAFNOSUPPORT;
  }
  /** What an accepted connection takes over from its listener. */
  protected inherit(listener: InetSocket): void {
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
    if (level === SOL_SOCKET || level === IPPROTO_IP || level === this.protocol) return true;
    return level === IPPROTO_IPV6 && this.family === AF_INET6;
  }
  override getOption(_ctx: IoContext, level: number, name: number, length: number): Uint8Array | Errno {
    if (!this.knows(level)) return EOPNOTSUPP;
    const rule = optionRule(this.protocol, level, name);
    if (rule === null) return ENOPROTOOPT;
    if (rule.needsRoute === true && this.remote === null) return ENOTCONN;
    const value = this.intOption(level, name);
    // ip(7) options that fit a byte may be read as one.
    if (level === IPPROTO_IP && length > 0 && length < 4 && value >= 0 && value <= 255) return Uint8Array.of(value);
    return new Uint8Array(Int32Array.of(value).buffer);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    const rule = this.knows(level) ? optionRule(this.protocol, level, name) : null;
    if (rule === null) return ENOPROTOOPT;
    if (value.length < 4 && (level !== IPPROTO_IP || value.length === 0)) return EINVAL;
    if (level === IPPROTO_IPV6 && name === IPV6_V6ONLY && this.isHashed) return EINVAL;
    if (rule.cap !== undefined && !ctx.creds.hasCap(rule.cap)) return EPERM;
    const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
    const stored = rule.check(buf.length >= 4 ? buf.readInt32LE(0) : (buf[0] as number));
    if (stored === null) return rule.refusal ?? EINVAL;
    this.values.set(`${level}:${name}`, stored);
    return 0;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return interfaceIoctl(ctx, cmd, arg);
  }
}
