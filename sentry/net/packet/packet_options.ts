// SPDX-License-Identifier: Apache-2.0

/**
 * The options of SOL_PACKET.
 *
 * Linux: net/packet/af_packet.c (packet_setsockopt, packet_getsockopt, packet_mc_add); packet(7)
 */
import { EBUSY, EFAULT, EINVAL, ENODEV, ENOPROTOOPT, type Errno } from '../../../platform/abi/linux/errno.ts';
import { SOL_PACKET } from '../../../platform/abi/linux/socket.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import { int32 } from '../inet/ancillary.ts';
import type { Link } from '../netlink/view_bodies.ts';
import { HEADER_SIZES, makeRing, PacketRing, ringRequest, TPACKET_V1, TPACKET_V3 } from './packet_ring.ts';
import type { PacketSocket } from './packet_socket.ts';

const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_DROP_MEMBERSHIP = 2;
const PACKET_RX_RING = 5;
const PACKET_STATISTICS = 6;
const PACKET_COPY_THRESH = 7;
const PACKET_AUXDATA = 8;
const PACKET_ORIGDEV = 9;
const PACKET_VERSION = 10;
const PACKET_HDRLEN = 11;
const PACKET_RESERVE = 12;
const PACKET_TX_RING = 13;
const PACKET_LOSS = 14;
const PACKET_VNET_HDR = 15;
const PACKET_TIMESTAMP = 17;
const PACKET_FANOUT = 18;
const PACKET_TX_HAS_OFF = 19;
const PACKET_QDISC_BYPASS = 20;
const PACKET_ROLLOVER_STATS = 21;
const PACKET_FANOUT_DATA = 22;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_VNET_HDR_SZ = 24;
const PACKET_MR_MULTICAST = 0;
const PACKET_MR_PROMISC = 1;
const PACKET_MR_UNICAST = 3;
/** sizeof(struct packet_mreq) and of what comes before the address in it. */
const MREQ_SIZE = 16;
const MREQ_HEAD = 8;

interface Membership {
  readonly link: Link;
  readonly type: number;
  readonly address: Buffer;
  count: number;
}

/** What the options of one socket are set to. */
export class PacketSettings {
  readonly socket: PacketSocket;
  hasAuxdata = false;
  ignoresOutgoing = false;
  version: number = TPACKET_V1;
  reserve = 0;
  ring: PacketRing | null = null;
  /** Since the last PACKET_STATISTICS. */
  packets = 0;
  drops = 0;
  /** Options that are only kept and shown. */
  readonly kept = new Map<number, number>();
  readonly memberships: Membership[] = [];

  constructor(socket: PacketSocket) {
    this.socket = socket;
  }
  release(): void {
    this.ring?.release();
    this.ring = null;
    for (const one of this.memberships.splice(0)) if (one.type === PACKET_MR_PROMISC) one.link.promiscuity--;
  }
}

const KEPT: ReadonlySet<number> = new Set([
  PACKET_COPY_THRESH,
  PACKET_ORIGDEV,
  PACKET_LOSS,
  PACKET_TIMESTAMP,
  PACKET_TX_HAS_OFF,
  PACKET_QDISC_BYPASS,
]);
/** Those whose value has to be exactly an int. */
const EXACT: ReadonlySet<number> = new Set([
  PACKET_COPY_THRESH,
  PACKET_VERSION,
  PACKET_RESERVE,
  PACKET_LOSS,
  PACKET_TIMESTAMP,
  PACKET_TX_HAS_OFF,
  PACKET_QDISC_BYPASS,
  PACKET_IGNORE_OUTGOING,
]);

function changeMembership(settings: PacketSettings, isAdd: boolean, value: Buffer): number {
  if (value.length < MREQ_SIZE) return EINVAL;
  const [type, length] = [value.readUInt16LE(4), value.readUInt16LE(6)];
  if (value.length < length + MREQ_HEAD) return EINVAL;
  const link = settings.socket.network.link(value.readInt32LE(0), null);
  const address = Buffer.from(value.subarray(MREQ_HEAD, MREQ_HEAD + length));
  const { memberships } = settings;
  const known = memberships.find((one) => one.link === link && one.type === type && one.address.equals(address));
  if (!isAdd) {
    if (known !== undefined && --known.count === 0) {
      memberships.splice(memberships.indexOf(known), 1);
      if (type === PACKET_MR_PROMISC) known.link.promiscuity--;
    }
    return 0;
  }
  if (link === null) return ENODEV;
  if (length > link.mac.length) return EINVAL;
  if (known !== undefined) {
    known.count++;
    return 0;
  }
  if ((type === PACKET_MR_MULTICAST || type === PACKET_MR_UNICAST) && length !== link.mac.length) return EINVAL;
  if (type === PACKET_MR_PROMISC) link.promiscuity++;
  memberships.push({ link, type, address, count: 1 });
  return 0;
}

function setRing(ctx: IoContext, settings: PacketSettings, value: Buffer): number {
  const request = ringRequest(value, settings.version);
  if (request === null) return EINVAL;
  if (request.blockCount === 0) {
    if (request.frameCount !== 0) return EINVAL;
    settings.ring?.release();
    settings.ring = null;
    return 0;
  }
  if (settings.ring !== null) return EBUSY;
  const isDgram = settings.socket.type === 2;
  const ring = makeRing(
    (ctx as Task).kernel,
    request,
    { version: settings.version, reserve: settings.reserve, isDgram },
    () => settings.socket.waitQueue.wake(0x41),
  );
  if (!(ring instanceof PacketRing)) return ring;
  settings.ring = ring;
  return 0;
}

/** Errors: ENOPROTOOPT, EINVAL, EBUSY, ENODEV, ENOMEM. */
export function setPacketOption(
  ctx: IoContext,
  settings: PacketSettings,
  level: number,
  name: number,
  given: Uint8Array,
): number {
  if (level !== SOL_PACKET) return ENOPROTOOPT;
  const value = Buffer.from(given.buffer, given.byteOffset, given.length);
  if (name === PACKET_ADD_MEMBERSHIP || name === PACKET_DROP_MEMBERSHIP)
    return changeMembership(settings, name === PACKET_ADD_MEMBERSHIP, value);
  if (name === PACKET_RX_RING) return setRing(ctx, settings, value);
  if (name === PACKET_TX_RING) return EINVAL;
  const isNumber = KEPT.has(name) || EXACT.has(name) || name === PACKET_AUXDATA;
  if (isNumber && (value.length < 4 || (EXACT.has(name) && value.length !== 4))) return EINVAL;
  const n = value.length >= 4 ? value.readInt32LE(0) : 0;
  switch (name) {
    case PACKET_AUXDATA:
      settings.hasAuxdata = n !== 0;
      return 0;
    case PACKET_VERSION:
      if (n < TPACKET_V1 || n > TPACKET_V3) return EINVAL;
      if (settings.ring !== null) return EBUSY;
      settings.version = n;
      return 0;
    case PACKET_RESERVE:
      if (n < 0) return EINVAL;
      if (settings.ring !== null) return EBUSY;
      settings.reserve = n;
      return 0;
    case PACKET_IGNORE_OUTGOING:
      if (n !== 0 && n !== 1) return EINVAL;
      settings.ignoresOutgoing = n === 1;
      return 0;
    case PACKET_LOSS:
      if (settings.ring !== null) return EBUSY;
      settings.kept.set(name, n !== 0 ? 1 : 0);
      return 0;
    case PACKET_VNET_HDR:
    case PACKET_VNET_HDR_SZ:
    case PACKET_FANOUT:
    case PACKET_FANOUT_DATA:
      return EINVAL;
    default:
      if (!KEPT.has(name)) return ENOPROTOOPT;
      settings.kept.set(name, name === PACKET_COPY_THRESH || name === PACKET_TIMESTAMP ? n : n !== 0 ? 1 : 0);
      return 0;
  }
}

function statistics(settings: PacketSettings): Uint8Array {
  const { packets, drops, version } = settings;
  settings.packets = 0;
  settings.drops = 0;
  const words = version === TPACKET_V3 ? [packets, drops, settings.ring?.takeFreezes() ?? 0] : [packets, drops];
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** Errors: ENOPROTOOPT, EINVAL, EFAULT. */
export function getPacketOption(
  ctx: IoContext,
  settings: PacketSettings,
  level: number,
  name: number,
  length: number,
  valueAddr: number,
): Uint8Array | Errno {
  if (level !== SOL_PACKET) return ENOPROTOOPT;
  switch (name) {
    case PACKET_STATISTICS:
      return statistics(settings);
    case PACKET_AUXDATA:
      return int32(settings.hasAuxdata ? 1 : 0);
    case PACKET_VERSION:
      return int32(settings.version);
    case PACKET_HDRLEN: {
      if (length < 4) return EINVAL;
      const version = ctx.memory.readU32(valueAddr);
      if (version < 0) return EFAULT;
      const size = HEADER_SIZES[version];
      return size === undefined ? EINVAL : int32(size);
    }
    case PACKET_RESERVE:
      return int32(settings.reserve);
    case PACKET_IGNORE_OUTGOING:
      return int32(settings.ignoresOutgoing ? 1 : 0);
    case PACKET_VNET_HDR:
    case PACKET_VNET_HDR_SZ:
    case PACKET_FANOUT:
      return int32(0);
    case PACKET_ROLLOVER_STATS:
      return EINVAL;
    default:
      return KEPT.has(name) ? int32(settings.kept.get(name) ?? 0) : ENOPROTOOPT;
  }
}
