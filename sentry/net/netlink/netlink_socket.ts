// SPDX-License-Identifier: Apache-2.0

/**
 * AF_NETLINK sockets: NETLINK_ROUTE about interfaces, addresses and routes, NETLINK_SOCK_DIAG about sockets, and kobject
 * uevents of interfaces; other protocols do not exist here.
 *
 * Linux: net/netlink/af_netlink.c; netlink(7)
 */
import { CAP_NET_ADMIN } from '../../../platform/abi/linux/capability.ts';
import {
  EADDRINUSE,
  ECONNREFUSED,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENODATA,
  ENOBUFS,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPERM,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
  type Errno,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import {
  EPOLLERR,
  EPOLLIN,
  EPOLLOUT,
  EPOLLRDNORM,
  EPOLLWRBAND,
  EPOLLWRNORM,
} from '../../../platform/abi/linux/poll.ts';
import {
  AF_NETLINK,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  NETLINK_KOBJECT_UEVENT,
  NETLINK_ROUTE,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  SOCK_DGRAM,
  SOCK_RAW,
  SOL_NETLINK,
} from '../../../platform/abi/linux/socket.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { interfaceIoctl } from '../inet/interface_ioctls.ts';
import { type IncomingMessage, type OutgoingMessage, Socket, type SocketFamily } from '../socket.ts';
import { type MessageHeader, messageOf, NLMSGHDR_SIZE, readHeader } from './netlink_message.ts';
import { announce } from './announcements.ts';
import { answerRoute } from './route_replies.ts';
import { answerGeneric } from './generic_netlink.ts';
import { answerDiag } from './sock_diag.ts';
import type { NetNamespace } from '../../kernel/namespaces.ts';
import { netOf, withNetwork } from '../net_namespace.ts';
import { changeListeners } from './virtual_network.ts';
import { runSocketFilter } from '../filter/filter_program.ts';

const ADDRESS_SIZE = 12;
const SEND_MAX = 212992 - 32;
/** Replies waiting to be read at most; more are lost and told by ENOBUFS. */
const QUEUE_MAX = 1024;
/** Message types below this are control messages, not requests. */
const NLMSG_MIN_TYPE = 16;

/** By protocol and port. */
const ports = new Map<string, NetlinkSocket>();
export const netlinkSockets = new Set<NetlinkSocket>();
const NETLINK_USERSOCK = 2;
const NETLINK_SOCK_DIAG = 4;
const NFNL_BATCH_BEGIN = 16;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_DROP_MEMBERSHIP = 2;
const NETLINK_LIST_MEMBERSHIPS = 9;
/** Options that are a truth value: PKTINFO, BROADCAST_ERROR, NO_ENOBUFS, LISTEN_ALL_NSID, CAP_ACK, EXT_ACK, GET_STRICT_CHK. */
const SWITCHES: ReadonlySet<number> = new Set([3, 4, 5, 8, 10, 11, 12]);
const GROUPS_MAX = 39;

/** Sends to every member of a group. */
function broadcast(tag: number, protocol: number, group: number, packet: Buffer): void {
  for (const socket of netlinkSockets)
    if (socket.protocol === protocol && socket.netTag === tag && socket.isIn(group)) socket.push(packet, group);
}
changeListeners.add(({ tag }, kind, isGone, body, family) =>
  announce((protocol, group, packet) => broadcast(tag, protocol, group, packet), tag, kind, isGone, body, family),
);

export class NetlinkSocket extends Socket {
  port = 0;
  /** Whom connect(2) named; 0: the kernel. */
  private peerPort = 0;
  /** Its network namespace; null: the initial one. */
  private readonly net: NetNamespace | null;
  private readonly members = new Set<number>();
  /** It was in a group once: LIST_MEMBERSHIPS then has a length. */
  private hadGroups = false;
  private readonly switches = new Map<number, number>();
  private error = 0;
  private readonly queue: { packet: Buffer; group: number; from: number }[] = [];

  constructor(ctx: IoContext, type: number, protocol: number) {
    super(ctx, AF_NETLINK, type, protocol);
    netlinkSockets.add(this);
    this.net = netOf(ctx);
  }
  protected override release(): void {
    netlinkSockets.delete(this);
    if (this.port !== 0) ports.delete(this.key(this.port));
  }
  private key(port: number): string {
    return `${this.protocol}/${port}/${this.net?.tag ?? 0}`;
  }
  override get namespace(): NetNamespace | null {
    return this.net;
  }
  get netTag(): number {
    return this.net?.tag ?? 0;
  }
  isIn(group: number): boolean {
    return this.members.has(group);
  }
  /** Groups 1 to 32 as a mask. */
  get groups(): number {
    let mask = 0;
    for (const group of this.members) if (group <= 32) mask |= 1 << (group - 1);
    return mask >>> 0;
  }
  private set groups(mask: number) {
    this.hadGroups ||= mask !== 0;
    for (let group = 1; group <= 32; group++)
      if (((mask >>> (group - 1)) & 1) !== 0) this.members.add(group);
      else this.members.delete(group);
  }

  override bind(ctx: IoContext, address: Uint8Array): number {
    if (address.length < ADDRESS_SIZE) return EINVAL;
    const buf = Buffer.from(address);
    if (buf.readUInt16LE(0) !== AF_NETLINK) return EINVAL;
    const wanted = buf.readUInt32LE(4);
    if (this.port !== 0 && wanted !== 0 && wanted !== this.port) return EINVAL;
    this.groups = buf.readUInt32LE(8);
    return this.port !== 0 ? 0 : this.takePort(ctx, wanted);
  }
  /** The process id is the first choice of a socket that does not ask. */
  private takePort(ctx: IoContext, wanted: number): number {
    let port = wanted !== 0 ? wanted : ((ctx as Task).threadGroup?.pidIn((ctx as Task).pidNs) ?? 1);
    if (wanted !== 0 && ports.has(this.key(port))) return EADDRINUSE;
    for (let next = 0xfffff000; ports.has(this.key(port)); next--) port = next;
    this.port = port;
    ports.set(this.key(port), this);
    return 0;
  }
  override connect(ctx: IoContext, address: Uint8Array): number {
    if (address.length >= 2 && address[0] === 0 && address[1] === 0) {
      this.peerPort = 0;
      return 0;
    }
    if (address.length < ADDRESS_SIZE || Buffer.from(address).readUInt16LE(0) !== AF_NETLINK) return EINVAL;
    const wanted = Buffer.from(address).readUInt32LE(4);
    if (wanted !== 0 && this.protocol !== NETLINK_USERSOCK && !this.mayAdminister(ctx)) return EPERM;
    this.peerPort = wanted;
    return this.port === 0 ? this.takePort(ctx, 0) : 0;
  }
  override get cannotShutDown(): boolean {
    return true;
  }
  override shutdown(): number {
    return EOPNOTSUPP;
  }
  private name(port: number, groups: number): Uint8Array {
    const buf = Buffer.alloc(ADDRESS_SIZE);
    buf.writeUInt16LE(AF_NETLINK, 0);
    buf.writeUInt32LE(port, 4);
    buf.writeUInt32LE(groups, 8);
    return buf;
  }
  override localAddress(): Uint8Array {
    return this.name(this.port, this.groups);
  }
  override peerAddress(): Uint8Array {
    return this.name(this.peerPort, 0);
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const { io } = message;
    const length = io.remaining;
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (length === 0) return ENODATA;
    if (length > SEND_MAX) return EMSGSIZE;
    if (message.address !== null && message.address.length > 0) {
      const to = Buffer.from(message.address);
      if (to.length < ADDRESS_SIZE || to.readUInt16LE(0) !== AF_NETLINK) return EINVAL;
      if (to.readUInt32LE(4) !== 0) return this.sendToUser(ctx, message, to.readUInt32LE(4));
    } else if (this.peerPort !== 0) return this.sendToUser(ctx, message, this.peerPort);
    if (this.port === 0) this.takePort(ctx, 0);
    const bytes = Buffer.alloc(length);
    if (length > 0 && io.take(bytes, 0, length) < length) return EFAULT;
    for (let at = 0; ; ) {
      const header = readHeader(bytes, at);
      if (header === null) break;
      this.handle(
        ctx,
        header,
        bytes.subarray(at + NLMSGHDR_SIZE, at + header.length),
        bytes.subarray(at, at + header.length),
      );
      at += Math.ceil(header.length / 4) * 4;
    }
    return length;
  }
  /** A message from one process to another. Errors: EPERM (protocols that are for the kernel), ECONNREFUSED (nobody has the port). */
  private sendToUser(ctx: IoContext, message: OutgoingMessage, port: number): number {
    if (this.protocol !== NETLINK_USERSOCK && !this.mayAdminister(ctx)) return EPERM;
    if (this.port === 0) this.takePort(ctx, 0);
    const receiver = ports.get(this.key(port));
    if (receiver === undefined) return ECONNREFUSED;
    const length = message.io.remaining;
    const bytes = Buffer.alloc(length);
    if (message.io.take(bytes, 0, length) < length) return EFAULT;
    if (receiver.peerPort !== 0 && receiver.peerPort !== this.port) return ECONNREFUSED;
    if (receiver.queue.length >= QUEUE_MAX) return WOULD_BLOCK;
    receiver.push(bytes, 0, this.port);
    return length;
  }
  private mayAdminister(ctx: IoContext): boolean {
    return this.net?.userNs == null
      ? ctx.creds.hasCap(CAP_NET_ADMIN)
      : ctx.creds.hasCapIn(this.net.userNs, CAP_NET_ADMIN);
  }
  private handle(ctx: IoContext, header: MessageHeader, body: Buffer, whole: Buffer): void {
    if ((header.flags & NLM_F_REQUEST) === 0 || header.type < NLMSG_MIN_TYPE) {
      if ((header.flags & NLM_F_ACK) !== 0) this.acknowledge(header, whole, 0);
      return;
    }
    const replies = withNetwork(this.net, () => this.answer(ctx, header, body));
    if (typeof replies === 'number') {
      if (replies !== 0 || (header.flags & NLM_F_ACK) !== 0) this.acknowledge(header, whole, replies);
      return;
    }
    for (const reply of replies) this.push(reply);
    if ((header.flags & NLM_F_ACK) !== 0 && replies.length === 1 && (header.flags & NLM_F_DUMP) !== NLM_F_DUMP)
      this.acknowledge(header, whole, 0);
  }
  private answer(ctx: IoContext, header: MessageHeader, body: Buffer): Buffer[] | number {
    if (this.protocol === NETLINK_SOCK_DIAG) return answerDiag(header, body, this.port);
    if (this.protocol === NETLINK_GENERIC) return answerGeneric(header, body, this.port);
    // There is no packet filter: no subsystem answers.
    if (this.protocol === NETLINK_NETFILTER) return header.type === NFNL_BATCH_BEGIN ? EOPNOTSUPP : EINVAL;
    if (this.protocol !== NETLINK_ROUTE) return ECONNREFUSED;
    return answerRoute(ctx, header, body, this.port, this.mayAdminister(ctx));
  }
  /** struct nlmsgerr: the error, and the request (its header alone when there was none). */
  private acknowledge(header: MessageHeader, whole: Buffer, errno: number): void {
    const code = Buffer.alloc(4);
    code.writeInt32LE(errno, 0);
    const padding = Buffer.alloc((4 - (whole.length % 4)) % 4);
    const quoted = errno === 0 ? whole.subarray(0, NLMSGHDR_SIZE) : Buffer.concat([whole, padding]);
    const flags = errno === 0 ? 0x100 : 0;
    this.push(messageOf(NLMSG_ERROR, flags, header.sequence, this.port, Buffer.concat([code, quoted])));
  }
  /** What the socket's filter leaves of a packet; null: nothing. */
  private filtered(bytes: Buffer): Buffer | null {
    const { filter } = this.options;
    if (filter === null) return bytes;
    const about = { network: -1, link: -1, protocol: this.protocol, type: 0, interface: 0, hardware: 0, payload: 0 };
    const kept = runSocketFilter(filter.program, { bytes, start: 0, ...about });
    return kept === 0 ? null : bytes.subarray(0, kept);
  }
  /** Queues a packet; `group`: whose members it is for, 0: this socket alone. */
  push(whole: Buffer, group = 0, from = 0): void {
    const packet = this.filtered(whole);
    if (packet === null) return;
    if (this.queue.length >= QUEUE_MAX) this.error = -ENOBUFS;
    else this.queue.push({ packet, group, from });
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM | EPOLLERR);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if ((message.flags & MSG_OOB) !== 0) return EOPNOTSUPP;
    if (this.error !== 0) return -this.takeError();
    const next = this.queue[0];
    if (next === undefined) return WOULD_BLOCK;
    const { packet, group, from } = next;
    const want = Math.min(packet.length, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(packet, 0, want);
    if (n < want) return EFAULT;
    if (want < packet.length) message.outFlags |= MSG_TRUNC;
    message.address = this.name(from, group === 0 ? 0 : (1 << (group - 1)) >>> 0);
    if ((message.flags & MSG_PEEK) === 0) this.queue.shift();
    return (message.flags & MSG_TRUNC) !== 0 ? packet.length : n;
  }

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }
  override poll(): number {
    let bits = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.queue.length > 0) bits |= EPOLLIN | EPOLLRDNORM;
    if (this.error !== 0) bits |= EPOLLERR;
    return bits;
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    return withNetwork(this.net, () => interfaceIoctl(ctx, cmd, arg));
  }
  override hasLevel(): boolean {
    return true;
  }
  override setOption(_ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    if (level !== SOL_NETLINK) return ENOPROTOOPT;
    const n = value.length < 4 ? 0 : Buffer.from(value.buffer, value.byteOffset, value.length).readInt32LE(0);
    if (name === NETLINK_ADD_MEMBERSHIP || name === NETLINK_DROP_MEMBERSHIP) {
      if (n < 1 || n > GROUPS_MAX) return EINVAL;
      this.hadGroups = true;
      if (name === NETLINK_ADD_MEMBERSHIP) this.members.add(n);
      else this.members.delete(n);
      return 0;
    }
    if (!SWITCHES.has(name)) return ENOPROTOOPT;
    this.switches.set(name, n !== 0 ? 1 : 0);
    return 0;
  }
  override getOption(_ctx: IoContext, level: number, name: number, length: number): Uint8Array | Errno {
    if (level !== SOL_NETLINK) return ENOPROTOOPT;
    if (name === NETLINK_LIST_MEMBERSHIPS) {
      if (!this.hadGroups) return new Uint8Array(0);
      const words = new Uint32Array(2);
      for (const group of this.members)
        words[(group - 1) >> 5] = (words[(group - 1) >> 5] as number) | (1 << ((group - 1) & 31));
      return new Uint8Array(words.buffer);
    }
    if (!SWITCHES.has(name)) return ENOPROTOOPT;
    return length < 4 ? EINVAL : new Uint8Array(Int32Array.of(this.switches.get(name) ?? 0).buffer);
  }
}

const NETLINK_NETFILTER = 12;
const NETLINK_GENERIC = 16;
const PROTOCOLS: ReadonlySet<number> = new Set([
  NETLINK_ROUTE,
  NETLINK_USERSOCK,
  NETLINK_SOCK_DIAG,
  NETLINK_NETFILTER,
  NETLINK_KOBJECT_UEVENT,
  NETLINK_GENERIC,
]);

export const netlinkFamily: SocketFamily = {
  create: (t, type, protocol) => {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return ESOCKTNOSUPPORT;
    if (!PROTOCOLS.has(protocol)) return EPROTONOSUPPORT as Errno;
    return new NetlinkSocket(t, type, protocol);
  },
};

/** Text of /proc/net/netlink. */
export function netlinkText(): string {
  let text = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';
  for (const { protocol, port, groups, inode } of netlinkSockets) {
    const mask = groups.toString(16).padStart(8, '0');
    text += `${'0'.repeat(16)} ${String(protocol).padEnd(3)} ${String(port).padEnd(10)} ${mask} 0        0        0     2        0        ${String(inode.ino).padEnd(8)}\n`;
  }
  return text;
}
