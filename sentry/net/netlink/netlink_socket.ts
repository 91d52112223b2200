// SPDX-License-Identifier: Apache-2.0

/**
 * AF_NETLINK sockets: NETLINK_ROUTE answers queries about interfaces and addresses; other protocols do not exist here.
 *
 * Linux: net/netlink/af_netlink.c; netlink(7)
 */
import {
  EADDRINUSE,
  ECONNREFUSED,
  EFAULT,
  EINVAL,
  EMSGSIZE,
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
  MSG_PEEK,
  MSG_TRUNC,
  NETLINK_KOBJECT_UEVENT,
  NETLINK_ROUTE,
  NLM_F_ACK,
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
import { answerRoute } from './route_replies.ts';

const ADDRESS_SIZE = 12;
const SEND_MAX = 212992 - 32;
/** Replies waiting to be read at most; more are lost and told by ENOBUFS. */
const QUEUE_MAX = 1024;
/** Message types below this are control messages, not requests. */
const NLMSG_MIN_TYPE = 16;

const ports = new Map<number, NetlinkSocket>();

class NetlinkSocket extends Socket {
  private port = 0;
  private groups = 0;
  private error = 0;
  private readonly queue: Buffer[] = [];

  protected override release(): void {
    if (this.port !== 0) ports.delete(this.port);
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
    if (wanted !== 0 && ports.has(port)) return EADDRINUSE;
    for (let next = 0xfffff000; ports.has(port); next--) port = next;
    this.port = port;
    ports.set(port, this);
    return 0;
  }
  override connect(ctx: IoContext, address: Uint8Array): number {
    if (address.length < ADDRESS_SIZE || Buffer.from(address).readUInt16LE(0) !== AF_NETLINK) return EINVAL;
    if (Buffer.from(address).readUInt32LE(4) !== 0) return EPERM;
    return this.port === 0 ? this.takePort(ctx, 0) : 0;
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
    return this.name(0, 0);
  }

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const { io } = message;
    const length = io.remaining;
    if (length > SEND_MAX) return EMSGSIZE;
    if (message.address !== null) {
      const to = Buffer.from(message.address);
      if (to.length < ADDRESS_SIZE || to.readUInt16LE(0) !== AF_NETLINK) return EINVAL;
      if (to.readUInt32LE(4) !== 0) return ECONNREFUSED;
    }
    if (this.port === 0) this.takePort(ctx, 0);
    const bytes = Buffer.alloc(length);
    if (length > 0 && io.take(bytes, 0, length) < length) return EFAULT;
    for (let at = 0; ; ) {
      const header = readHeader(bytes, at);
      if (header === null) break;
      this.handle(
        header,
        bytes.subarray(at + NLMSGHDR_SIZE, at + header.length),
        bytes.subarray(at, at + header.length),
      );
      at += Math.ceil(header.length / 4) * 4;
    }
    return length;
  }
  private handle(header: MessageHeader, body: Buffer, whole: Buffer): void {
    if ((header.flags & NLM_F_REQUEST) === 0 || header.type < NLMSG_MIN_TYPE) {
      if ((header.flags & NLM_F_ACK) !== 0) this.acknowledge(header, whole, 0);
      return;
    }
    const replies = this.protocol === NETLINK_ROUTE ? answerRoute(header, body, this.port) : EOPNOTSUPP;
    if (typeof replies === 'number') {
      if (replies !== 0 || (header.flags & NLM_F_ACK) !== 0) this.acknowledge(header, whole, replies);
      return;
    }
    for (const reply of replies) this.push(reply);
    if ((header.flags & NLM_F_ACK) !== 0 && replies.length === 1) this.acknowledge(header, whole, 0);
  }
  /** struct nlmsgerr: the error, and the request (its header alone when there was none). */
  private acknowledge(header: MessageHeader, whole: Buffer, errno: number): void {
    const code = Buffer.alloc(4);
    code.writeInt32LE(errno, 0);
    const quoted = errno === 0 ? whole.subarray(0, NLMSGHDR_SIZE) : whole;
    const flags = errno === 0 ? 0x100 : 0;
    this.push(messageOf(NLMSG_ERROR, flags, header.sequence, this.port, Buffer.concat([code, quoted])));
  }
  private push(reply: Buffer): void {
    if (this.queue.length >= QUEUE_MAX) this.error = -ENOBUFS;
    else this.queue.push(reply);
    this.waitQueue.wake(EPOLLIN | EPOLLRDNORM | EPOLLERR);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if (this.error !== 0) return -this.takeError();
    const packet = this.queue[0];
    if (packet === undefined) return WOULD_BLOCK;
    const want = Math.min(packet.length, message.io.remaining);
    const n = want === 0 ? 0 : message.io.put(packet, 0, want);
    if (n < want) return EFAULT;
    if (want < packet.length) message.outFlags |= MSG_TRUNC;
    message.address = this.name(0, 0);
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
    return interfaceIoctl(ctx, cmd, arg);
  }
  override hasLevel(level: number): boolean {
    return level === SOL_NETLINK;
  }
  /** NETLINK_ADD_MEMBERSHIP, NETLINK_EXT_ACK and the like: nothing is ever announced. */
  override setOption(_ctx: IoContext, level: number, _name: number, _value: Uint8Array): number {
    return level === SOL_NETLINK ? 0 : ENOPROTOOPT;
  }
}

export const netlinkFamily: SocketFamily = {
  create: (t, type, protocol) => {
    if (type !== SOCK_RAW && type !== SOCK_DGRAM) return ESOCKTNOSUPPORT;
    if (protocol !== NETLINK_ROUTE && protocol !== NETLINK_KOBJECT_UEVENT) return EPROTONOSUPPORT as Errno;
    return new NetlinkSocket(t, AF_NETLINK, type, protocol);
  },
};
