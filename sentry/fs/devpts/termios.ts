// SPDX-License-Identifier: Apache-2.0

/**
 * struct termios and its bits.
 *
 * Linux: include/uapi/asm-generic/termbits.h, termios.h
 */
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHOKE,
  ICANON,
  ICRNL,
  IEXTEN,
  ISIG,
  IXON,
  ONLCR,
  OPOST,
  VSTART,
  VSTOP,
} from '../../../platform/abi/linux/termios.ts';

export const TABDLY = 0o14000;

const NCCS = 19;

/** sizeof(struct termios) and struct termios2 of the kernel. */
export const TERMIOS_SIZE = 36;
export const TERMIOS2_SIZE = 44;
const CBAUD = 0o10017;
const CSIZE = 0o60;
const CS8 = 0o60;
const CREAD = 0o200;
const PARENB = 0o400;
const ADDRB = 0x20000000;
const CIBAUD_SHIFT = 16;
const BOTHER = 0o10000;
const RATES = [0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400];
const HIGH_RATES = [
  57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000,
  4000000,
];

/** A disabled control character. */
export const VDISABLE = 0;

export class Termios {
  iflag = ICRNL | IXON;
  oflag = OPOST | ONLCR;
  /** B38400 | CS8 | CREAD. */
  cflag = 0o17 | 0o60 | 0o200;
  lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
  line = 0;
  /** INIT_C_CC: ^C ^\ DEL ^U ^D 0 1 0 ^Q ^S ^Z 0 ^R ^O ^W ^V 0 */
  readonly cc = Uint8Array.of(3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0);
  inputSpeed = 38400;
  outputSpeed = 38400;

  get isCanonical(): boolean {
    return (this.lflag & ICANON) !== 0;
  }
  /** ^S and ^Q hold the output and let it go: what a master in packet mode may do itself. */
  get hasUsualFlow(): boolean {
    return (this.iflag & IXON) !== 0 && this.char(VSTOP) === 19 && this.char(VSTART) === 17;
  }
  char(index: number): number {
    return this.cc[index] as number;
  }
  /** True when byte `c` is control character `index`, and that is not disabled. */
  isChar(c: number, index: number): boolean {
    return c === this.cc[index] && c !== VDISABLE;
  }

  encode(size: number): Uint8Array {
    const bytes = Buffer.alloc(size);
    bytes.writeUInt32LE(this.iflag, 0);
    bytes.writeUInt32LE(this.oflag, 4);
    bytes.writeUInt32LE(this.cflag, 8);
    bytes.writeUInt32LE(this.lflag, 12);
    bytes[16] = this.line;
    bytes.set(this.cc, 17);
    if (size >= TERMIOS2_SIZE) {
      bytes.writeUInt32LE(this.inputSpeed, 36);
      bytes.writeUInt32LE(this.outputSpeed, 40);
    }
    return bytes;
  }

  decode(bytes: Uint8Array): void {
    const buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.iflag = buf.readUInt32LE(0);
    this.oflag = buf.readUInt32LE(4);
    this.cflag = ptyControl(buf.readUInt32LE(8));
    this.lflag = buf.readUInt32LE(12);
    this.line = buf[16] as number;
    this.cc.set(buf.subarray(17, 17 + NCCS));
    if (buf.length >= TERMIOS2_SIZE && (this.cflag & CBAUD) === BOTHER) {
      this.inputSpeed = buf.readUInt32LE(36);
      this.outputSpeed = buf.readUInt32LE(40);
      return;
    }
    this.outputSpeed = rate(this.cflag & CBAUD, this.outputSpeed);
    const input = (this.cflag >>> CIBAUD_SHIFT) & CBAUD;
    this.inputSpeed = input === 0 ? this.outputSpeed : rate(input, this.inputSpeed);
  }
}

/** The control modes a pty keeps of those asked for: eight bits, no parity, receiving. */
function ptyControl(cflag: number): number {
  return ((cflag & ~(CSIZE | PARENB | ADDRB)) | CS8 | CREAD) >>> 0;
}

function rate(bits: number, custom: number): number {
  if (bits === BOTHER) return custom;
  if ((bits & BOTHER) !== 0) return HIGH_RATES[(bits & 0o17) - 1] ?? custom;
  return RATES[bits & 0o17] as number;
}
