// SPDX-License-Identifier: Apache-2.0

/**
 * HostSocket: an internet socket that is a socket of the host's (--network=host).
 *
 * Linux:      net/ipv4/af_inet.c; socket(7), tcp(7), udp(7)
 * Invariants: the host socket is non-blocking and watched, edge triggered, as long as this is open: whatever changes on it wakes
 *             waitQueue. What reaches the host has passed host_options.ts.
 */
import {
  EACCES,
  EALREADY,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENFILE,
  ENOPROTOOPT,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  type Errno,
  isErrno,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE } from '../../../platform/abi/linux/capability.ts';
import { EPOLLERR, EPOLLIN, EPOLLPRI, EPOLLRDNORM } from '../../../platform/abi/linux/poll.ts';
import {
  AF_INET6,
  FIONREAD,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_ERRQUEUE,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  SIOCATMARK,
  SIOCOUTQ,
  SO_ERROR,
  SO_LINGER,
  SO_MARK,
  SO_PRIORITY,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_STREAM,
  SOCKADDR_MAX,
  SOL_SOCKET,
  TCP_CONGESTION,
} from '../../../platform/abi/linux/socket.ts';
import type { HostFiles, HostListener, HostReceived, HostSockets, Platform } from '../../../platform/platform.ts';
import { sysctlHooks } from '../../kernel/sysctl_hooks.ts';
import type { IoContext } from '../../vfs/context.ts';
import { type IncomingMessage, type OutgoingMessage, Socket } from '../socket.ts';
import { interfaceIoctl } from '../inet/interface_ioctls.ts';
import {
  allowedAddress,
  decodeControl,
  encodeControl,
  isValueAllowed,
  optionSize,
  RECEIVE_FLAGS,
  REPORTED_FLAGS,
  SEND_FLAGS,
} from './host_options.ts';

/** What host sockets need of the world, and how many there are. */
/** Who binds ports for which a privilege is needed that the Sentry does not have (returns 0 or errno); null: nobody. Set at start. */
export const lowPorts: { bind: ((fd: number, address: Uint8Array) => number) | null } = { bind: null };

export interface HostSocketServices {
  readonly sockets: HostSockets;
  readonly files: HostFiles;
  readonly platform: Pick<Platform, 'watch' | 'unwatch'>;
  /** Every open one, for /proc/net. */
  readonly open: Set<HostSocket>;
}

const SOCKADDR_IN_SIZE = 16;
const SOCKADDR_IN6_SIZE = 28;
const SIGPIPE = 13;
const BACKLOG_MAX = 4096;
const DATAGRAM_MAX = 65535;
/** Bytes moved in one host call. */
const STAGING = 262144;
/** Bytes one call of a guest may move before others have their turn. */
const BURST = 4 * 1024 * 1024;
const EPOLLET = 0x80000000;
/** EPOLLIN PRI OUT RDNORM RDBAND WRNORM WRBAND RDHUP */
const EVENTS = 0x1 | 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x2000;

const staging = new Uint8Array(STAGING);
const addressBuffer = new Uint8Array(SOCKADDR_MAX);
const word = new Uint8Array(4);
const received: HostReceived = {
  address: new Uint8Array(SOCKADDR_MAX),
  addressLength: 0,
  control: new Uint8Array(1024),
  controlLength: 0,
  flags: 0,
};

export class HostSocket extends Socket implements HostListener {
  readonly hostFd: number;
  readonly ownerUid: number;
  private readonly services: HostSocketServices;
  private listening = false;
  /** Urgent data was there when the host last told. */
  private hadUrgent = false;
  /** And ever: reads may end at its mark. */
  private hadMark = false;
  /** Where a connect is under way to. */
  private connecting: Uint8Array | null = null;
  /** The peer as accept(2) saw it, for the one look the call itself takes. */
  private acceptedFrom: Uint8Array | null = null;
  /** Bytes the host gave but the application's memory did not take. */
  private unread: Uint8Array | null = null;

  constructor(
    ctx: IoContext,
    services: HostSocketServices,
    family: number,
    type: number,
    protocol: number,
    fd: number,
  ) {
    super(ctx, family, type, protocol);
    this.services = services;
    this.hostFd = fd;
    this.ownerUid = ctx.creds.fsuid;
    services.open.add(this);
  }

  /** Watches the descriptor. Returns 0 or errno. */
  begin(): number {
    return this.services.platform.watch(this.hostFd, (EVENTS | EPOLLET) >>> 0, this);
  }
  onHostEvent(_fd: number, revents: number): void {
    const hasUrgent = (revents & EPOLLPRI) !== 0;
    this.hadMark ||= hasUrgent;
    if (hasUrgent && !this.hadUrgent) this.urgentSignal?.();
    this.hadUrgent = hasUrgent;
    this.waitQueue.wake(revents & 0x7fffffff);
  }
  /** Has the host tell again what is ready now: for a call that stopped although it could have gone on. */
  private rearm(): void {
    this.services.platform.unwatch(this.hostFd);
    this.begin();
  }
  protected override release(): void {
    this.services.open.delete(this);
    this.services.platform.unwatch(this.hostFd);
    this.services.files.close(this.hostFd);
  }

  override get isListening(): boolean {
    return this.listening;
  }
  /** What the host queues has passed nobody's filter here. */
  override get canFilter(): boolean {
    return false;
  }

  override bind(ctx: IoContext, address: Uint8Array): number {
    const allowed = allowedAddress(address);
    if (isErrno(allowed)) return allowed;
    const port = allowed.length < 4 ? 0 : (allowed[2] as number) * 256 + (allowed[3] as number);
    if (port !== 0 && port < sysctlHooks.net.unprivilegedPortStart && !ctx.creds.hasCap(CAP_NET_BIND_SERVICE))
      return EACCES;
    const result = this.services.sockets.bind(this.hostFd, allowed);
    // The caller may, as has been seen; the Sentry may not.
    return result === EACCES && port !== 0 ? this.bindLowPort(allowed) : result;
  }
  private bindLowPort(address: Uint8Array): number {
    if (lowPorts.bind === null) return EACCES;
    const whole = new Uint8Array(this.family === AF_INET6 ? SOCKADDR_IN6_SIZE : SOCKADDR_IN_SIZE);
    whole.set(address.subarray(0, whole.length));
    return lowPorts.bind(this.hostFd, whole);
  }
  override listen(_ctx: IoContext, backlog: number): number {
    const limited = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : backlog;
    const result = this.services.sockets.listen(this.hostFd, limited);
    if (result === 0) this.listening = true;
    return result;
  }
  override accept(ctx: IoContext): Socket | Errno {
    const { services } = this;
    if (services.open.size >= services.sockets.maxSockets) return ENFILE;
    const fd = services.sockets.accept(this.hostFd, received);
    if (fd < 0) return fd as Errno;
    const socket = new HostSocket(ctx, services, this.family, this.type, this.protocol, fd);
    socket.acceptedFrom = received.address.slice(0, received.addressLength);
    socket.options.receiveTimeoutNs = this.options.receiveTimeoutNs;
    socket.options.sendTimeoutNs = this.options.sendTimeoutNs;
    const watched = socket.begin();
    if (watched >= 0) return socket;
    socket.decRef();
    return watched as Errno;
  }

  override connect(_ctx: IoContext, address: Uint8Array): number {
    const allowed = allowedAddress(address);
    if (isErrno(allowed)) return allowed;
    const result = this.services.sockets.connect(this.hostFd, allowed);
    if (result !== EINPROGRESS) return result;
    this.connecting = Uint8Array.from(allowed);
    return WOULD_BLOCK;
  }
  /** Asking again is what tells (and takes note of) the outcome: the host's socket then counts as connected, or as free for another try. */
  override connectOutcome(): number {
    if (this.connecting === null) return super.connectOutcome();
    const result = this.services.sockets.connect(this.hostFd, this.connecting);
    if (result === EALREADY || result === EINPROGRESS) return WOULD_BLOCK;
    this.connecting = null;
    return result === EISCONN ? 0 : result;
  }
  override shutdown(how: number): number {
    if (this.listening && how !== 1) this.listening = false;
    return this.services.sockets.shutdown(this.hostFd, how);
  }
  override localAddress(): Uint8Array | Errno {
    return this.nameOf('local');
  }
  override peerAddress(): Uint8Array | Errno {
    const { acceptedFrom } = this;
    this.acceptedFrom = null;
    const name = this.nameOf('peer');
    return name === ENOTCONN && acceptedFrom !== null ? acceptedFrom : name;
  }
  private nameOf(which: 'local' | 'peer'): Uint8Array | Errno {
    const n = this.services.sockets.name(this.hostFd, which, addressBuffer);
    return n < 0 ? (n as Errno) : addressBuffer.slice(0, n);
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const control = encodeControl(message.control);
    if (isErrno(control)) return control;
    const address = message.address === null ? null : allowedAddress(message.address);
    if (isErrno(address)) return address;
    return this.type === SOCK_STREAM
      ? this.sendStream(ctx, message, address, control)
      : this.sendDatagram(message, address, control);
  }
  private sendDatagram(message: OutgoingMessage, address: Uint8Array | null, control: Uint8Array | null): number {
    const { io } = message;
    const length = io.remaining;
    if (length > DATAGRAM_MAX) return EMSGSIZE;
    const taken = length === 0 ? 0 : io.take(staging, 0, length);
    if (taken < 0) return taken;
    const n = this.services.sockets.send(this.hostFd, staging, taken, address, control, message.flags & SEND_FLAGS);
    if (n < 0) io.rewind(taken);
    return n;
  }
  private sendStream(
    ctx: IoContext,
    message: OutgoingMessage,
    address: Uint8Array | null,
    control: Uint8Array | null,
  ): number {
    const { io } = message;
    const flags = message.flags & SEND_FLAGS;
    let done = 0;
    do {
      const want = Math.min(io.remaining, STAGING);
      const taken = want === 0 ? 0 : io.take(staging, 0, want);
      if (taken < 0) return done > 0 ? done : taken;
      const n = this.services.sockets.send(this.hostFd, staging, taken, address, control, flags);
      if (n < taken) io.rewind(taken - Math.max(n, 0));
      if (n < 0) return done > 0 ? done : this.sendFailed(ctx, message, n);
      done += n;
      if (n < want) return done;
    } while (io.remaining > 0 && done < BURST);
    if (io.remaining > 0) this.rearm();
    return done;
  }
  private sendFailed(ctx: IoContext, message: OutgoingMessage, errno: number): number {
    if (errno === EPIPE && (message.flags & MSG_NOSIGNAL) === 0) ctx.raiseSignal(SIGPIPE);
    return errno;
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    const { io } = message;
    if (this.unread !== null && (message.flags & (MSG_OOB | MSG_ERRQUEUE)) === 0) return this.receiveUnread(message);
    const want = Math.min(io.remaining, STAGING);
    const n = this.services.sockets.receive(this.hostFd, staging, want, message.flags & RECEIVE_FLAGS, received);
    if (n < 0) return n;
    message.outFlags |= received.flags & REPORTED_FLAGS;
    message.address = received.addressLength === 0 ? null : received.address.slice(0, received.addressLength);
    message.control = decodeControl(received.control, received.controlLength);
    const discards = (message.flags & MSG_TRUNC) !== 0 && this.type === SOCK_STREAM;
    if (discards) {
      io.remaining -= n;
      return n;
    }
    const present = Math.min(n, want);
    const put = present === 0 ? 0 : io.put(staging, 0, present);
    if (put < present) return this.keepUnread(message, put, present);
    message.stop = this.hadMark && this.queuedBytes(SIOCATMARK) !== 0;
    if ((message.flags & MSG_WAITALL) !== 0 && n === STAGING && io.remaining > 0) this.rearm();
    return n;
  }
  /** The application's memory took only `put` bytes (or errno) of those received. */
  private keepUnread(message: IncomingMessage, put: number, present: number): number {
    if (this.type !== SOCK_STREAM) return put < 0 ? put : (-14 as Errno);
    if ((message.flags & MSG_PEEK) === 0) this.unread = staging.slice(Math.max(put, 0), present);
    return put;
  }
  private receiveUnread(message: IncomingMessage): number {
    const unread = this.unread as Uint8Array;
    const want = Math.min(unread.length, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(unread, 0, want);
    if (n > 0 && (message.flags & MSG_PEEK) === 0) this.unread = n === unread.length ? null : unread.subarray(n);
    return n;
  }

  override poll(): number {
    const bits = this.services.files.poll(this.hostFd, EVENTS);
    if (bits < 0) return EPOLLERR;
    return this.unread === null ? bits : bits | EPOLLIN | EPOLLRDNORM;
  }
  override takeError(): number {
    word.fill(0);
    this.services.sockets.getOption(this.hostFd, SOL_SOCKET, SO_ERROR, word);
    return (word[0] as number) + (word[1] as number) * 256;
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
    const size = optionSize(level, name, 'get');
    if (size === 0) return this.knows(level) ? ENOPROTOOPT : EOPNOTSUPP;
    const value = new Uint8Array(Math.min(size, length));
    const n = this.services.sockets.getOption(this.hostFd, level, name, value);
    return n < 0 ? (n as Errno) : value.subarray(0, n);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    if (level === SOL_SOCKET) {
      if (name === SO_LINGER) return this.setLinger(value);
      if (name === SO_MARK) return EPERM;
      if (name === SO_SNDBUFFORCE || name === SO_RCVBUFFORCE) return this.forceBuffer(ctx, name, value);
      if (name === SO_PRIORITY && value.length >= 4 && !isValueAllowed(level, name, value)) return ENOPROTOOPT;
    }
    const isTransport = level === this.protocol && (level === IPPROTO_TCP || level === IPPROTO_UDP);
    if (isTransport && value.length < (name === TCP_CONGESTION ? 1 : 4)) return EINVAL;
    const size = optionSize(level, name, 'set');
    if (size === 0) return ENOPROTOOPT;
    const passed = value.subarray(0, size);
    if (!isValueAllowed(level, name, passed))
      return level === SOL_SOCKET ? (ctx.creds.euid === 0 ? EINVAL : EPERM) : -2;
    return this.services.sockets.setOption(this.hostFd, level, name, passed);
  }
  /** As far as the host lets everybody go. */
  private forceBuffer(ctx: IoContext, name: number, value: Uint8Array): number {
    if (value.length < 4) return EINVAL;
    if (!ctx.creds.hasCap(CAP_NET_ADMIN)) return EPERM;
    const plain = name === SO_SNDBUFFORCE ? SO_SNDBUF : SO_RCVBUF;
    return this.services.sockets.setOption(this.hostFd, SOL_SOCKET, plain, value.subarray(0, 4));
  }
  /** A close that lingers would hold up the whole sandbox: the host is told only of the kind that resets at once. */
  private setLinger(value: Uint8Array): number {
    if (value.length < 8) return EINVAL;
    const buf = Buffer.from(value.buffer, value.byteOffset, value.length);
    const resets = buf.readInt32LE(0) !== 0 && buf.readInt32LE(4) === 0;
    const told = new Uint8Array(Int32Array.of(resets ? 1 : 0, 0).buffer);
    const result = this.services.sockets.setOption(this.hostFd, SOL_SOCKET, SO_LINGER, told);
    return result < 0 ? result : ENOPROTOOPT;
  }

  /** FIONREAD's or SIOCOUTQ's answer; 0 when there is none. */
  queuedBytes(cmd: number): number {
    word.fill(0);
    return this.services.files.ioctl(this.hostFd, cmd, word) < 0 ? 0 : Buffer.from(word.buffer).readUInt32LE(0);
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd !== FIONREAD && cmd !== SIOCOUTQ && cmd !== SIOCATMARK) return interfaceIoctl(ctx, cmd, arg);
    word.fill(0);
    const result = this.services.files.ioctl(this.hostFd, cmd, word);
    if (result < 0) return result;
    const value = Buffer.from(word.buffer).readUInt32LE(0) + (cmd === FIONREAD ? (this.unread?.length ?? 0) : 0);
    return ctx.memory.writeU32(arg, value);
  }
}
