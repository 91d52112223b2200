// SPDX-License-Identifier: Apache-2.0

/**
 * SigInfo: siginfo_t as the application sees it, 128 bytes, with named accessors for the union's members.
 *
 * Linux:      include/uapi/asm-generic/siginfo.h
 * Invariants: pids inside are already numbered in the receiver's pid namespace.
 */
import { SI_TKILL, SI_USER } from '../../platform/abi/linux/signal.ts';

export const SIGINFO_SIZE = 128;

export class SigInfo {
  readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array = new Uint8Array(SIGINFO_SIZE)) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, SIGINFO_SIZE);
  }
  get signo(): number {
    return this.view.getInt32(0, true);
  }
  set signo(value: number) {
    this.view.setInt32(0, value, true);
  }
  get errno(): number {
    return this.view.getInt32(4, true);
  }
  set errno(value: number) {
    this.view.setInt32(4, value, true);
  }
  get code(): number {
    return this.view.getInt32(8, true);
  }
  set code(value: number) {
    this.view.setInt32(8, value, true);
  }
  /** si_pid; si_timerid for SI_TIMER. */
  get pid(): number {
    return this.view.getInt32(16, true);
  }
  set pid(value: number) {
    this.view.setInt32(16, value, true);
  }
  /** si_uid; si_overrun for SI_TIMER. */
  get uid(): number {
    return this.view.getUint32(20, true);
  }
  set uid(value: number) {
    this.view.setUint32(20, value, true);
  }
  /** si_status (SIGCHLD); low half of si_value (SI_QUEUE, SI_TIMER); si_fd (SIGIO). */
  get status(): number {
    return this.view.getInt32(24, true);
  }
  set status(value: number) {
    this.view.setInt32(24, value, true);
  }
  get valueLo(): number {
    return this.view.getUint32(24, true);
  }
  get valueHi(): number {
    return this.view.getUint32(28, true);
  }
  setValue(lo: number, hi: number): void {
    this.view.setUint32(24, lo, true);
    this.view.setUint32(28, hi, true);
  }
  /** si_utime and si_stime of SIGCHLD, in clock ticks. */
  setTimes(utime: number, stime: number): void {
    this.setLong(32, utime);
    this.setLong(40, stime);
  }
  /** si_addr of faults. */
  get addr(): number {
    return this.view.getUint32(16, true) + this.view.getUint32(20, true) * 4294967296;
  }
  set addr(value: number) {
    this.setLong(16, value);
  }
  /** si_band and si_fd of SIGIO. */
  setPoll(band: number, fd: number): void {
    this.setLong(16, band);
    this.view.setInt32(24, fd, true);
  }
  get utime(): number {
    return this.view.getUint32(32, true);
  }
  get stime(): number {
    return this.view.getUint32(40, true);
  }
  private setLong(at: number, value: number): void {
    const hi = Math.floor(value / 4294967296);
    this.view.setUint32(at, value - hi * 4294967296, true);
    this.view.setInt32(at + 4, hi, true);
  }
}

/** A signal from the kernel or, with SI_USER/SI_TKILL, from a process. */
export function makeSigInfo(signo: number, code: number, pid = 0, uid = 0): SigInfo {
  const info = new SigInfo();
  info.signo = signo;
  info.code = code;
  info.pid = pid;
  info.uid = uid;
  return info;
}

/** True when si_code says that a process, not the kernel, sent it. */
export function isFromUser(info: SigInfo): boolean {
  return info.code === SI_USER || info.code === SI_TKILL || info.code < 0;
}
