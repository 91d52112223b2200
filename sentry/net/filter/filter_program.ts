// SPDX-License-Identifier: Apache-2.0

/**
 * Classic BPF as sockets take it: checking a program, and running it over a packet. Beside seccomp's instructions it has loads of
 * bytes and half words, indirect loads, remainders, and ancillary loads that ask about the packet instead of reading it.
 *
 * Linux:      net/core/filter.c (bpf_check_classic, check_load_and_stores, convert_bpf_extensions)
 * Invariants: as in seccomp/bpf.ts: a checked program jumps only forward and ends in a return. Programs are interpreted.
 */
import { alu, BPF_MAXINSNS, type BpfProgram, jumps } from '../../kernel/seccomp/bpf.ts';

/** A packet as a filter sees it: bytes from its first header on, and what is known about it. */
export interface FilterPacket {
  /** From the outermost header there is. */
  readonly bytes: Uint8Array;
  /** Where the filter's offset 0 is: the header the socket's family begins with. */
  readonly start: number;
  /** Where SKF_NET_OFF and SKF_LL_OFF begin; -1: the packet has none. */
  readonly network: number;
  readonly link: number;
  /** Ethernet protocol number. */
  readonly protocol: number;
  /** PACKET_HOST... */
  readonly type: number;
  readonly interface: number;
  /** ARPHRD_*. */
  readonly hardware: number;
  /** Where what follows the transport header begins, from `start`. */
  readonly payload: number;
}

const MEMWORDS = 16;
const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;
const MISC = 0x07;
const SIZE_B = 0x10;
const SIZE_H = 0x08;
const MODE_ABS = 0x20;
const MODE_IND = 0x40;
const LD_IMM = 0x00;
const LD_MEM = 0x60;
const LD_LEN = 0x80;
const LDX_IMM = 0x01;
const LDX_MEM = 0x61;
const LDX_LEN = 0x81;
const LDX_MSH = 0xb1;
const TAX = 0x07;
const TXA = 0x87;
const NEG = 0x84;
const JA = 0x05;
const RET_K = 0x06;
const RET_A = 0x16;
const SRC_X = 0x08;
const DIV = 0x30;
const LSH = 0x60;
const RSH = 0x70;
const MOD = 0x90;
/** Offsets from SKF_AD_OFF. */
const AD_OFF = -0x1000;
const NET_OFF = -0x100000;
const LL_OFF = -0x200000;
const AD_PROTOCOL = 0;
const AD_PKTTYPE = 4;
const AD_IFINDEX = 8;
const AD_NLATTR = 12;
const AD_NLATTR_NEST = 16;
const AD_HATYPE = 28;
const AD_CPU = 36;
const AD_ALU_XOR_X = 40;
const AD_PAY_OFFSET = 52;
const AD_RANDOM = 56;
/** MARK, QUEUE, RXHASH, VLAN_TAG, VLAN_TAG_PRESENT, VLAN_TPID: nothing here has one. */
const AD_ZERO: ReadonlySet<number> = new Set([20, 24, 32, 44, 48, 60]);
const AD_KNOWN: ReadonlySet<number> = new Set([
  ...AD_ZERO,
  AD_PROTOCOL,
  AD_PKTTYPE,
  AD_IFINDEX,
  AD_NLATTR,
  AD_NLATTR_NEST,
  AD_HATYPE,
  AD_CPU,
  AD_ALU_XOR_X,
  AD_PAY_OFFSET,
  AD_RANDOM,
]);

/** Codes that are what they are; the others are ALU, JMP and loads by size and mode. */
const PLAIN: ReadonlySet<number> = new Set([LD_IMM, LD_LEN, LDX_IMM, LDX_LEN, LDX_MSH, TAX, TXA, NEG, RET_K, RET_A]);
const MEMORY: ReadonlySet<number> = new Set([LD_MEM, LDX_MEM, ST, STX]);
const ALU_OPS: ReadonlySet<number> = new Set([0x00, 0x10, 0x20, DIV, 0x40, 0x50, LSH, RSH, MOD, 0xa0]);
const JMP_OPS: ReadonlySet<number> = new Set([0x10, 0x20, 0x30, 0x40]);

/** Decodes struct sock_filter[] and checks it. Null: not a program Linux takes. */
export function parseSocketFilter(bytes: Uint8Array): BpfProgram | null {
  const count = bytes.length / 8;
  if (count < 1 || count > BPF_MAXINSNS) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const program = new Uint32Array(count * 4);
  for (let pc = 0; pc < count; pc++) {
    program[pc * 4] = view.getUint16(pc * 8, true);
    program[pc * 4 + 1] = view.getUint8(pc * 8 + 2);
    program[pc * 4 + 2] = view.getUint8(pc * 8 + 3);
    program[pc * 4 + 3] = view.getUint32(pc * 8 + 4, true);
  }
  for (let pc = 0; pc < count; pc++) if (!isValid(program, pc, count)) return null;
  const last = program[(count - 1) * 4] as number;
  return (last === RET_K || last === RET_A) && storesBeforeLoads(program, count) ? program : null;
}

function isValid(program: Uint32Array, pc: number, count: number): boolean {
  const [code, jt, jf, k] = program.subarray(pc * 4, pc * 4 + 4) as unknown as [number, number, number, number];
  if (PLAIN.has(code)) return true;
  if (MEMORY.has(code)) return k < MEMWORDS;
  if (code === JA) return k < count - pc - 1;
  if ((code & ~0xff) !== 0) return false;
  const operation = code & 0xf0;
  switch (code & 7) {
    case LD: {
      const mode = code & 0xe0;
      if ((code & 0x18) === 0x18 || (mode !== MODE_ABS && mode !== MODE_IND)) return false;
      const ancillary = (k | 0) - AD_OFF;
      return mode === MODE_IND || ancillary < 0 || k < 0x80000000 || AD_KNOWN.has(ancillary);
    }
    case ALU:
      if (!ALU_OPS.has(operation)) return false;
      if ((code & SRC_X) !== 0) return true;
      return operation === DIV || operation === MOD ? k !== 0 : (operation !== LSH && operation !== RSH) || k < 32;
    case JMP:
      return JMP_OPS.has(operation) && pc + jt + 1 < count && pc + jf + 1 < count;
    default:
      return false;
  }
}

/** Is every cell of memory stored to on every way to where it is loaded? */
function storesBeforeLoads(program: Uint32Array, count: number): boolean {
  const valid = new Uint16Array(count).fill(0xffff);
  let stored = 0;
  for (let pc = 0; pc < count; pc++) {
    stored &= valid[pc] as number;
    const [code, jt, jf, k] = program.subarray(pc * 4, pc * 4 + 4) as unknown as [number, number, number, number];
    const reach = (target: number): void => {
      valid[target] = (valid[target] as number) & stored;
    };
    if (code === ST || code === STX) stored |= 1 << k;
    else if (code === LD_MEM || code === LDX_MEM) {
      if ((stored & (1 << k)) === 0) return false;
    } else if (code === JA) {
      reach(pc + 1 + k);
      stored = 0xffff;
    } else if ((code & 7) === JMP) {
      reach(pc + 1 + jt);
      reach(pc + 1 + jf);
      stored = 0xffff;
    }
  }
  return true;
}

const memory = new Uint32Array(MEMWORDS);

/** What a load of `size` bytes at `offset` gives; -1: outside the packet. */
function load(packet: FilterPacket, offset: number, size: number): number {
  const { bytes } = packet;
  let at = packet.start + offset;
  if (offset < 0) {
    const isLink = offset < NET_OFF;
    const base = isLink ? packet.link : packet.network;
    if (offset < LL_OFF || base < 0) return -1;
    at = base + offset - (isLink ? LL_OFF : NET_OFF);
  }
  if (at < 0 || at + size > bytes.length) return -1;
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}

/** An attribute of type `x` among the netlink attributes at `a`; 0: none. */
function findAttribute(packet: FilterPacket, a: number, x: number, nested: boolean): number {
  const view = Buffer.from(packet.bytes.buffer, packet.bytes.byteOffset, packet.bytes.length).subarray(packet.start);
  let at = a;
  let end = view.length;
  if (nested) {
    if (a > view.length - 4) return 0;
    end = a + view.readUInt16LE(a);
    if (end > view.length || end < a + 4) return 0;
    at = a + 4;
  }
  while (at + 4 <= end) {
    const length = view.readUInt16LE(at);
    if (length < 4 || at + length > end) return 0;
    if ((view.readUInt16LE(at + 2) & 0x3fff) === x) return at;
    at += (length + 3) & ~3;
  }
  return 0;
}

function ancillary(packet: FilterPacket, which: number, a: number, x: number): number {
  switch (which) {
    case AD_PROTOCOL:
      return packet.protocol;
    case AD_PKTTYPE:
      return packet.type;
    case AD_IFINDEX:
      return packet.interface;
    case AD_HATYPE:
      return packet.hardware;
    case AD_NLATTR:
    case AD_NLATTR_NEST:
      return findAttribute(packet, a, x, which === AD_NLATTR_NEST);
    case AD_ALU_XOR_X:
      return (a ^ x) >>> 0;
    case AD_PAY_OFFSET:
      return packet.payload;
    case AD_RANDOM:
      return Math.floor(Math.random() * 0x100000000);
    default:
      return 0;
  }
}

function sizeOf(code: number): number {
  const size = code & 0x18;
  return size === SIZE_B ? 1 : size === SIZE_H ? 2 : 4;
}

/** Runs a checked program. Returns how many bytes of the packet are kept; 0: it is dropped. */
export function runSocketFilter(program: BpfProgram, packet: FilterPacket): number {
  const length = packet.bytes.length - packet.start;
  let a = 0;
  let x = 0;
  memory.fill(0);
  for (let at = 0; ; at += 4) {
    const code = program[at] as number;
    const k = program[at + 3] as number;
    switch (code & 7) {
      case RET:
        return code === RET_A ? a : k;
      case LD: {
        if (code === LD_IMM) a = k;
        else if (code === LD_MEM) a = memory[k] as number;
        else if (code === LD_LEN) a = length;
        else {
          const isAbsolute = (code & 0xe0) === MODE_ABS;
          const offset = isAbsolute ? k | 0 : (k + x) | 0;
          if (isAbsolute && offset < 0 && offset >= AD_OFF) a = ancillary(packet, offset - AD_OFF, a, x);
          else {
            a = load(packet, offset, sizeOf(code));
            if (a < 0) return 0;
          }
        }
        continue;
      }
      case LDX:
        if (code === LDX_IMM) x = k;
        else if (code === LDX_MEM) x = memory[k] as number;
        else if (code === LDX_LEN) x = length;
        else {
          x = load(packet, k | 0, 1);
          if (x < 0) return 0;
          x = (x & 15) * 4;
        }
        continue;
      case ST:
        memory[k] = a;
        continue;
      case STX:
        memory[k] = x;
        continue;
      case MISC:
        if (code === TXA) a = x;
        else x = a;
        continue;
      default:
    }
    if (code === JA) at += k * 4;
    else if (code === NEG) a = -a >>> 0;
    else {
      const operand = (code & SRC_X) !== 0 ? x : k;
      const operation = code & 0xf0;
      if ((code & 7) === JMP)
        at += (jumps(operation, a, operand) ? (program[at + 1] as number) : (program[at + 2] as number)) * 4;
      else if ((operation === DIV || operation === MOD) && operand === 0) return 0;
      else if (operation === MOD) a %= operand;
      // Linux shifts by the operand's low five bits.
      else a = alu(operation, a, operation === LSH || operation === RSH ? operand & 31 : operand);
    }
  }
}
