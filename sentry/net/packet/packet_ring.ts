// SPDX-License-Identifier: Apache-2.0

/**
 * PACKET_RX_RING: packets go into memory the application has mapped, in one of three formats, and it says there which ones it is done with.
 *
 * Linux:      net/packet/af_packet.c (packet_set_ring, tpacket_rcv, prb_*), include/uapi/linux/if_packet.h;
 *             Documentation/networking/packet_mmap.rst
 * Invariants: the memory is a memfd. What the application writes there (status words) is only compared, never trusted. A status is
 *             written after everything it stands for.
 */
import { EINVAL, ENOMEM } from '../../../platform/abi/linux/errno.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { CallbackTimer } from '../../time/timer_heap.ts';
import type { SeenPacket } from './packet_socket.ts';

export const TPACKET_V1 = 0;
export const TPACKET_V2 = 1;
export const TPACKET_V3 = 2;
/** sizeof(struct tpacket_hdr), tpacket2_hdr, tpacket3_hdr. */
export const HEADER_SIZES: readonly number[] = [32, 32, 48];
const SOCKADDR_LL = 20;
const PAGE = 4096;
const ALIGNMENT = 16;
/** sizeof(struct tpacket_block_desc). */
const BLOCK_HEADER = 48;
/** All of a ring at most: it is the sandbox's memory. */
const RING_MAX = 256 * 1024 * 1024;
const TP_STATUS_KERNEL = 0;
const TP_STATUS_USER = 1;
const TP_STATUS_LOSING = 4;
const TP_STATUS_BLK_TMO = 32;
const DEFAULT_RETIRE_MS = 8;
const NS_PER_MS = 1_000_000;
const REQUEST_SIZE = 16;
const REQUEST3_SIZE = 28;

const aligned = (n: number, to: number = ALIGNMENT): number => Math.ceil(n / to) * to;

/** struct tpacket_req, tpacket_req3. */
export interface RingRequest {
  readonly blockSize: number;
  readonly blockCount: number;
  readonly frameSize: number;
  readonly frameCount: number;
  readonly retireMs: number;
  readonly privateSize: number;
}
export interface RingFormat {
  readonly version: number;
  readonly reserve: number;
  readonly isDgram: boolean;
}

/** Null: too short. */
export function ringRequest(value: Buffer, version: number): RingRequest | null {
  if (value.length < (version === TPACKET_V3 ? REQUEST3_SIZE : REQUEST_SIZE)) return null;
  const word = (i: number): number => value.readUInt32LE(i * 4);
  const isThree = version === TPACKET_V3;
  return {
    blockSize: word(0),
    blockCount: word(1),
    frameSize: word(2),
    frameCount: word(3),
    retireMs: isThree ? word(4) : 0,
    privateSize: isThree ? word(5) : 0,
  };
}

/** Makes a ring. Errors: EINVAL, ENOMEM. `retired`: a block was given to the application because of its time. */
export function makeRing(
  kernel: Kernel,
  request: RingRequest,
  format: RingFormat,
  retired: () => void,
): PacketRing | number {
  const { blockSize, blockCount, frameSize, frameCount, privateSize } = request;
  const smallest = (HEADER_SIZES[format.version] as number) + SOCKADDR_LL + format.reserve;
  if (blockSize === 0 || blockSize > 0x7fffffff || blockSize % PAGE !== 0) return EINVAL;
  if (format.version === TPACKET_V3 && blockSize < BLOCK_HEADER + aligned(privateSize, 8) + smallest) return EINVAL;
  if (frameSize < smallest || frameSize % ALIGNMENT !== 0) return EINVAL;
  const perBlock = Math.floor(blockSize / frameSize);
  if (perBlock === 0 || blockSize * blockCount > 0xffffffff || perBlock * blockCount !== frameCount) return EINVAL;
  const size = blockSize * blockCount;
  if (size > RING_MAX) return ENOMEM;
  const { files } = kernel.host;
  const fd = files.memfdCreate('packet-ring');
  if (fd < 0) return ENOMEM;
  if (files.ftruncate(fd, size) < 0) {
    files.close(fd);
    return ENOMEM;
  }
  return format.version === TPACKET_V3
    ? new BlockRing(kernel, fd, request, format, retired)
    : new FrameRing(kernel, fd, request, format);
}

const word = new Uint8Array(4);
const wordView = new DataView(word.buffer);

export abstract class PacketRing {
  readonly fd: number;
  readonly size: number;
  protected readonly kernel: Kernel;
  protected readonly request: RingRequest;
  protected readonly format: RingFormat;

  constructor(kernel: Kernel, fd: number, request: RingRequest, format: RingFormat) {
    this.kernel = kernel;
    this.fd = fd;
    this.request = request;
    this.format = format;
    this.size = request.blockSize * request.blockCount;
  }
  /** Takes a packet; false: there was no room. `isLosing`: others were lost since the statistics were read. */
  abstract put(packet: SeenPacket, isLosing: boolean): boolean;
  /** Is there something for the application? */
  abstract get isReadable(): boolean;
  /** How often there was no block free, since the last time this was asked. */
  takeFreezes(): number {
    return 0;
  }
  release(): void {
    this.kernel.host.files.close(this.fd);
  }

  protected readWord(at: number): number {
    return this.kernel.host.files.pread(this.fd, word, 0, 4, at) === 4 ? wordView.getUint32(0, true) : TP_STATUS_KERNEL;
  }
  protected writeWord(at: number, value: number): void {
    wordView.setUint32(0, value, true);
    this.write(word, at);
  }
  protected write(bytes: Uint8Array, at: number): void {
    this.kernel.host.files.pwrite(this.fd, bytes, 0, bytes.length, at);
  }
  /** Where in a frame the packet's own first byte and its network header are. */
  protected offsets(packet: SeenPacket): readonly [mac: number, net: number] {
    const head = (HEADER_SIZES[this.format.version] as number) + SOCKADDR_LL;
    if (this.format.isDgram) {
      const net = aligned(head) + 16 + this.format.reserve;
      return [net, net];
    }
    const net = aligned(head + Math.max(packet.network, 16)) + this.format.reserve;
    return [net - packet.network, net];
  }
}

/** TPACKET_V1 and V2: frames of one size. */
class FrameRing extends PacketRing {
  private next = 0;

  private at(frame: number): number {
    const perBlock = Math.floor(this.request.blockSize / this.request.frameSize);
    return Math.floor(frame / perBlock) * this.request.blockSize + (frame % perBlock) * this.request.frameSize;
  }
  override put(packet: SeenPacket, isLosing: boolean): boolean {
    const at = this.at(this.next);
    if (this.readWord(at) !== TP_STATUS_KERNEL) return false;
    const [mac, net] = this.offsets(packet);
    const room = Math.max(0, this.request.frameSize - mac);
    const kept = Math.min(packet.data.length, room);
    const frame = Buffer.alloc(mac + kept);
    this.format.version === TPACKET_V1 ? head1(frame, packet, kept, mac, net) : head2(frame, packet, kept, mac, net);
    frame.set(packet.address, aligned(HEADER_SIZES[this.format.version] as number));
    frame.set(packet.data.subarray(0, kept), mac);
    this.write(frame.subarray(8), at + 8);
    if (this.format.version !== TPACKET_V1) this.write(frame.subarray(4, 8), at + 4);
    this.writeWord(at, TP_STATUS_USER | (isLosing ? TP_STATUS_LOSING : 0));
    this.next = (this.next + 1) % this.request.frameCount;
    return true;
  }
  override get isReadable(): boolean {
    const { frameCount } = this.request;
    return this.readWord(this.at((this.next + frameCount - 1) % frameCount)) !== TP_STATUS_KERNEL;
  }
}

function head1(frame: Buffer, packet: SeenPacket, kept: number, mac: number, net: number): void {
  frame.writeUInt32LE(packet.length, 8);
  frame.writeUInt32LE(kept, 12);
  frame.writeUInt16LE(mac, 16);
  frame.writeUInt16LE(net, 18);
  frame.writeUInt32LE(packet.stamp[0] >>> 0, 20);
  frame.writeUInt32LE(Math.floor(packet.stamp[1] / 1000), 24);
}
function head2(frame: Buffer, packet: SeenPacket, kept: number, mac: number, net: number): void {
  frame.writeUInt32LE(packet.length, 4);
  frame.writeUInt32LE(kept, 8);
  frame.writeUInt16LE(mac, 12);
  frame.writeUInt16LE(net, 14);
  frame.writeUInt32LE(packet.stamp[0] >>> 0, 16);
  frame.writeUInt32LE(packet.stamp[1], 20);
}

/** TPACKET_V3: blocks that packets fill one after the other, given to the application when full or after a time. */
class BlockRing extends PacketRing {
  private block = 0;
  /** Packets in the open block, and where the next one goes. */
  private count = 0;
  private used = 0;
  private lastAt = 0;
  private sequence = 1;
  private freezes = 0;
  private isFrozen = false;
  private first: readonly [number, number] = [0, 0];
  private last: readonly [number, number] = [0, 0];
  private readonly timer: CallbackTimer;

  constructor(kernel: Kernel, fd: number, request: RingRequest, format: RingFormat, retired: () => void) {
    super(kernel, fd, request, format);
    this.timer = new CallbackTimer(() => {
      if (this.count === 0) return;
      this.close(TP_STATUS_BLK_TMO);
      retired();
    });
  }
  override release(): void {
    this.kernel.timers.cancel(this.timer);
    super.release();
  }
  override takeFreezes(): number {
    const { freezes } = this;
    this.freezes = 0;
    return freezes;
  }
  private get blockAt(): number {
    return this.block * this.request.blockSize;
  }
  private get firstOffset(): number {
    return BLOCK_HEADER + aligned(this.request.privateSize, 8);
  }
  /** Is the block that comes next the kernel's? */
  private open(): boolean {
    if (this.count > 0) return true;
    if (this.readWord(this.blockAt + 8) !== TP_STATUS_KERNEL) {
      if (!this.isFrozen) this.freezes++;
      this.isFrozen = true;
      return false;
    }
    this.isFrozen = false;
    this.used = this.firstOffset;
    return true;
  }
  override put(packet: SeenPacket): boolean {
    const [mac, net] = this.offsets(packet);
    const largest = this.request.blockSize - this.firstOffset - mac;
    const kept = Math.min(packet.data.length, Math.max(0, largest));
    const size = aligned(mac + kept, 8);
    if (!this.open()) return false;
    if (this.used + size > this.request.blockSize) {
      this.close(0);
      if (!this.open()) return false;
    }
    const frame = Buffer.alloc(size);
    frame.writeUInt32LE(packet.stamp[0] >>> 0, 4);
    frame.writeUInt32LE(packet.stamp[1], 8);
    frame.writeUInt32LE(kept, 12);
    frame.writeUInt32LE(packet.length, 16);
    frame.writeUInt32LE(TP_STATUS_USER, 20);
    frame.writeUInt16LE(mac, 24);
    frame.writeUInt16LE(net, 26);
    frame.set(packet.address, HEADER_SIZES[TPACKET_V3] as number);
    frame.set(packet.data.subarray(0, kept), mac);
    if (this.count > 0) this.writeWord(this.blockAt + this.lastAt, this.used - this.lastAt);
    this.write(frame, this.blockAt + this.used);
    this.lastAt = this.used;
    this.used += size;
    if (this.count++ === 0) this.begin(packet);
    this.last = packet.stamp;
    return true;
  }
  private begin(packet: SeenPacket): void {
    this.first = packet.stamp;
    const { kernel } = this;
    const ms = this.request.retireMs === 0 ? DEFAULT_RETIRE_MS : this.request.retireMs;
    kernel.timers.arm(this.timer, kernel.clock.monotonicNs() + ms * NS_PER_MS);
  }
  /** Gives the open block to the application. */
  private close(why: number): void {
    const head = Buffer.alloc(BLOCK_HEADER);
    head.writeUInt32LE(TPACKET_V3, 0);
    head.writeUInt32LE(BLOCK_HEADER, 4);
    head.writeUInt32LE(this.count, 12);
    head.writeUInt32LE(this.firstOffset, 16);
    head.writeUInt32LE(this.used, 20);
    head.writeBigUInt64LE(BigInt(this.sequence++), 24);
    head.writeUInt32LE(this.first[0] >>> 0, 32);
    head.writeUInt32LE(this.first[1], 36);
    head.writeUInt32LE(this.last[0] >>> 0, 40);
    head.writeUInt32LE(this.last[1], 44);
    this.write(head.subarray(0, 8), this.blockAt);
    this.write(head.subarray(12), this.blockAt + 12);
    this.writeWord(this.blockAt + 8, TP_STATUS_USER | why);
    this.kernel.timers.cancel(this.timer);
    this.count = 0;
    this.block = (this.block + 1) % this.request.blockCount;
  }
  override get isReadable(): boolean {
    const { blockCount, blockSize } = this.request;
    return this.readWord(((this.block + blockCount - 1) % blockCount) * blockSize + 8) !== TP_STATUS_KERNEL;
  }
}
