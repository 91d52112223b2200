// SPDX-License-Identifier: Apache-2.0

/**
 * PacketSocket: frames as they pass the interfaces of one of the sandbox's own networks, and frames of the application's making.
 *
 * Linux:      net/packet/af_packet.c; packet(7)
 * Invariants: while it is bound to a protocol it is in `taps`. What is queued is bounded by SO_RCVBUF; a ring, when there is one,
 *             takes the place of the queue.
 */
import {
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENETDOWN,
  ENODEV,
  ENOTCONN,
  ENXIO,
  EOPNOTSUPP,
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
  AF_PACKET,
  FIONREAD,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  SIOCOUTQ,
  SO_TIMESTAMP,
  SO_TIMESTAMPNS,
  SOCK_DGRAM,
  SOL_PACKET,
} from '../../../platform/abi/linux/socket.ts';
import type { NetNamespace } from '../../kernel/namespaces.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { HostMapping } from '../../vfs/file_description.ts';
import { runSocketFilter } from '../filter/filter_program.ts';
import { realtime, stampMessages } from '../inet/ancillary.ts';
import { ETH_HLEN, ethernetFrame } from '../inet/frame.ts';
import { interfaceIoctl } from '../inet/interface_ioctls.ts';
import { isUp } from '../link/path.ts';
import { transmitFrame } from '../link/packets.ts';
import { etherType, type Frame, type Tap, taps } from '../link/taps.ts';
import { netOf, networkOf, withNetwork } from '../net_namespace.ts';
import { hardwareOf, type Link } from '../netlink/view_bodies.ts';
import type { VirtualNetwork } from '../netlink/virtual_network.ts';
import { queueBudget } from '../queue_budget.ts';
import { type ControlMessage, type IncomingMessage, type OutgoingMessage, Socket } from '../socket.ts';
import { decodeLinkAddress, encodeLinkAddress, SLL_HEAD, SOCKADDR_LL } from './packet_address.ts';
import { getPacketOption, PacketSettings, setPacketOption } from './packet_options.ts';

export const SOCK_PACKET = 10;
export const ETH_P_ALL = 3;
const PACKET_HOST = 0;
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;
const PACKET_AUXDATA = 8;
const TP_STATUS_USER = 1;
/** What a packet is charged beyond its bytes. */
const OVERHEAD = 768;
const READABLE = EPOLLIN | EPOLLRDNORM;
const RECEIVE_FLAGS = MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC | MSG_ERRQUEUE | 0x40000000;

export const packetSockets = new Set<PacketSocket>();

/** What was seen. */
export interface SeenPacket {
  /** As this socket shows it, cut to what its filter leaves. */
  readonly data: Uint8Array;
  readonly length: number;
  /** sockaddr_ll. */
  readonly address: Uint8Array;
  /** Where the network's header begins in `data`. */
  readonly network: number;
  readonly stamp: readonly [seconds: number, nanoseconds: number];
}

export class PacketSocket extends Socket implements Tap {
  readonly network: VirtualNetwork;
  readonly ownerUid: number;
  boundProtocol: number;
  boundIndex = 0;
  readonly settings: PacketSettings;
  /** Whose clock stamps what it sees. */
  private readonly clock: IoContext;
  private error = 0;
  private readonly queue: SeenPacket[] = [];
  charged = 0;

  constructor(ctx: IoContext, type: number, protocol: number) {
    // The protocol comes in network byte order.
    super(ctx, AF_PACKET, type, protocol);
    this.network = networkOf(netOf(ctx));
    this.clock = { kernel: (ctx as Task).kernel } as Task;
    this.ownerUid = ctx.creds.fsuid;
    this.boundProtocol = ((protocol & 255) << 8) | (protocol >> 8);
    this.settings = new PacketSettings(this);
    packetSockets.add(this);
    if (this.boundProtocol !== 0) taps.add(this);
  }
  protected override release(): void {
    packetSockets.delete(this);
    taps.delete(this);
    this.settings.release();
    queueBudget.used -= this.charged;
    this.queue.length = 0;
  }
  override get namespace(): NetNamespace | null {
    return this.network.net;
  }
  /** Does it get packets? */
  get isRunning(): boolean {
    return taps.has(this);
  }

  // Names.

  override bind(_ctx: IoContext, address: Uint8Array): number {
    const wanted = decodeLinkAddress(address);
    if (wanted === null || wanted.family !== AF_PACKET) return EINVAL;
    const link = wanted.index === 0 ? null : this.network.link(wanted.index, null);
    if (wanted.index !== 0 && link === null) return ENODEV;
    if (wanted.protocol !== 0) this.boundProtocol = wanted.protocol;
    this.boundIndex = wanted.index;
    if (this.boundProtocol === 0) taps.delete(this);
    else if (link !== null && !isUp(link)) {
      taps.delete(this);
      this.error = -ENETDOWN;
      this.waitQueue.wake(EPOLLERR | READABLE);
    } else taps.add(this);
    return 0;
  }
  override connect(): number {
    return EOPNOTSUPP;
  }
  override get cannotShutDown(): boolean {
    return true;
  }
  override shutdown(): number {
    return EOPNOTSUPP;
  }
  override localAddress(): Uint8Array {
    const link = this.network.link(this.boundIndex, null);
    return encodeLinkAddress(
      {
        protocol: this.boundProtocol,
        index: this.boundIndex,
        hardware: link === null ? 0 : hardwareOf(link),
        type: 0,
        address: link?.mac ?? new Uint8Array(0),
      },
      SLL_HEAD,
    );
  }
  override peerAddress(): Uint8Array | Errno {
    return this.type === SOCK_PACKET ? ENOTCONN : EOPNOTSUPP;
  }

  // Frames that pass.

  see(link: Link, frame: Frame, direction: 'out' | 'in'): void {
    if (link.network !== this.network || (this.boundIndex !== 0 && this.boundIndex !== link.index)) return;
    const isOut = direction === 'out';
    if (this.boundProtocol !== ETH_P_ALL && (isOut || this.boundProtocol !== frame.protocol)) return;
    if (isOut && this.settings.ignoresOutgoing) return;
    const type = isOut ? PACKET_OUTGOING : packetType(link, frame);
    const start = this.type === SOCK_DGRAM ? frame.headerSize : 0;
    const whole = frame.bytes.length - start;
    const kept = this.filtered(link, frame, type, start, whole);
    if (kept === 0) return;
    const address = encodeLinkAddress(
      {
        protocol: frame.protocol,
        index: link.index,
        hardware: hardwareOf(link),
        type,
        address: frame.headerSize === 0 ? new Uint8Array(0) : frame.bytes.subarray(6, 12),
      },
      SOCKADDR_LL,
    );
    const data = Uint8Array.prototype.slice.call(frame.bytes, start, start + Math.min(kept, whole));
    this.queuePacket({ data, length: whole, address, network: frame.headerSize - start, stamp: realtime(this.clock) });
  }
  private filtered(link: Link, frame: Frame, type: number, start: number, whole: number): number {
    const { filter } = this.options;
    if (filter === null) return whole;
    const { bytes, headerSize, protocol } = frame;
    const about = { network: headerSize, link: headerSize === 0 ? -1 : 0, protocol, type, interface: link.index };
    return runSocketFilter(filter.program, { bytes, start, ...about, hardware: hardwareOf(link), payload: 0 });
  }
  private queuePacket(packet: SeenPacket): void {
    const { settings } = this;
    settings.packets++;
    const { ring } = settings;
    if (ring !== null) {
      if (!ring.put(packet, settings.drops > 0)) settings.drops++;
      else if (ring.isReadable) this.waitQueue.wake(READABLE);
      return;
    }
    const charge = packet.data.length + OVERHEAD;
    if (queueBudget.isExhausted || this.charged + charge > this.options.receiveBuffer) {
      settings.drops++;
      return;
    }
    this.charged += charge;
    queueBudget.used += charge;
    this.queue.push(packet);
    this.waitQueue.wake(READABLE);
  }

  override receiveMessage(_ctx: IoContext, message: IncomingMessage): number {
    if ((message.flags & ~RECEIVE_FLAGS) !== 0) return EINVAL;
    if ((message.flags & MSG_ERRQUEUE) !== 0) return WOULD_BLOCK;
    if (this.error !== 0) return -this.takeError();
    const packet = this.queue[0];
    if (packet === undefined) return WOULD_BLOCK;
    const { data } = packet;
    const want = Math.min(data.length, message.io.remaining);
    if (want > 0 && message.io.put(data, 0, want) < want) return EFAULT;
    if (want < data.length) message.outFlags |= MSG_TRUNC;
    message.address = packet.address;
    message.control = this.control(packet);
    if ((message.flags & MSG_PEEK) === 0) {
      this.queue.shift();
      this.charged -= data.length + OVERHEAD;
      queueBudget.used -= data.length + OVERHEAD;
    }
    return (message.flags & MSG_TRUNC) !== 0 ? data.length : want;
  }
  private control(packet: SeenPacket): ControlMessage[] | null {
    const { flags } = this.options;
    const found = stampMessages(flags, packet.stamp);
    if (this.settings.hasAuxdata) {
      const aux = Buffer.alloc(20);
      aux.writeUInt32LE(TP_STATUS_USER, 0);
      aux.writeUInt32LE(packet.length, 4);
      aux.writeUInt32LE(packet.data.length, 8);
      aux.writeUInt16LE(packet.network, 14);
      found.push({ level: SOL_PACKET, type: PACKET_AUXDATA, data: aux });
    }
    return found.length === 0 ? null : found;
  }
  get wantsStamp(): boolean {
    const { flags } = this.options;
    return (flags.get(SO_TIMESTAMP) ?? 0) !== 0 || (flags.get(SO_TIMESTAMPNS) ?? 0) !== 0;
  }

  // Frames of the application's.

  override sendMessage(ctx: IoContext, message: OutgoingMessage): number {
    const { io } = message;
    let { boundIndex: index, boundProtocol: protocol } = this;
    let to: Uint8Array | null = null;
    if (message.address !== null) {
      const wanted = decodeLinkAddress(message.address);
      if (wanted === null || message.address.length < SLL_HEAD + wanted.length) return EINVAL;
      ({ index, protocol } = wanted);
      to = wanted.length === 0 ? null : Buffer.from(message.address.subarray(SLL_HEAD, SOCKADDR_LL));
    }
    const link = this.network.link(index, null);
    if (link === null) return ENXIO;
    if (!isUp(link)) return ENETDOWN;
    const headerSize = link.mac.length === 0 ? 0 : ETH_HLEN;
    const length = io.remaining;
    if (length > link.mtu + (this.type === SOCK_DGRAM ? 0 : headerSize)) return EMSGSIZE;
    if (this.type === SOCK_DGRAM && to === null && headerSize > 0 && !link.isLoopback) return EINVAL;
    if (this.type !== SOCK_DGRAM && length < headerSize) return EINVAL;
    const bytes = Buffer.alloc(length);
    if (length > 0 && io.take(bytes, 0, length) < length) return EFAULT;
    transmitFrame(ctx, link, this.frame(link, bytes, protocol, to, headerSize), this);
    return length;
  }
  private frame(link: Link, bytes: Buffer, protocol: number, to: Uint8Array | null, headerSize: number): Frame {
    if (headerSize === 0) return { bytes, headerSize, protocol };
    if (this.type !== SOCK_DGRAM)
      return { bytes, headerSize, protocol: protocol === 0 || protocol === ETH_P_ALL ? etherType(bytes) : protocol };
    const address = to === null ? Buffer.alloc(6) : to.subarray(0, 6);
    return { bytes: ethernetFrame(bytes, protocol, address, link.mac), headerSize, protocol };
  }

  // The rest.

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }
  override poll(): number {
    let bits = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
    if (this.queue.length > 0 || this.settings.ring?.isReadable === true) bits |= READABLE;
    if (this.error !== 0) bits |= EPOLLERR;
    return bits;
  }
  override mmap(_ctx: IoContext, offset: number, length: number): HostMapping | Errno {
    const { ring } = this.settings;
    return ring === null || offset !== 0 || length !== ring.size ? EINVAL : { fd: ring.fd, offset: 0 };
  }
  override hasLevel(): boolean {
    return true;
  }
  override getOption(
    ctx: IoContext,
    level: number,
    name: number,
    length: number,
    valueAddr: number,
  ): Uint8Array | Errno {
    return getPacketOption(ctx, this.settings, level, name, length, valueAddr);
  }
  override setOption(ctx: IoContext, level: number, name: number, value: Uint8Array): number {
    return setPacketOption(ctx, this.settings, level, name, value);
  }
  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return ctx.memory.writeU32(arg, this.queue[0]?.data.length ?? 0);
    if (cmd === SIOCOUTQ) return ctx.memory.writeU32(arg, 0);
    const { net } = this.network;
    return withNetwork(net, () => interfaceIoctl(ctx, cmd, arg));
  }
}

/** Whom a frame that came in is for. */
function packetType(link: Link, { bytes, headerSize }: Frame): number {
  if (headerSize === 0) return PACKET_HOST;
  const first = bytes[0] as number;
  if ((first & 1) !== 0)
    return bytes.subarray(0, 6).every((byte) => byte === 0xff) ? PACKET_BROADCAST : PACKET_MULTICAST;
  return link.mac.equals(bytes.subarray(0, 6)) ? PACKET_HOST : PACKET_OTHERHOST;
}
