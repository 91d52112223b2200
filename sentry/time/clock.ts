// SPDX-License-Identifier: Apache-2.0

/**
 * KernelClock: the system-wide clocks, over the host's (the vdso shows the application the host's clocks, so they must agree).
 *
 * Linux: kernel/time/timekeeping.c
 */
import type { HostClock } from '../../platform/platform.ts';

const NS = 1_000_000_000;

export class KernelClock {
  private readonly host: HostClock;
  private readonly pair = new Float64Array(2);

  constructor(host: HostClock) {
    this.host = host;
  }
  /** CLOCK_MONOTONIC in ns. */
  monotonicNs(): number {
    return this.host.monotonicNs();
  }
  boottimeNs(): number {
    return this.host.boottimeNs();
  }
  /** CLOCK_REALTIME: out[0] seconds, out[1] nanoseconds (exact; ns in one Number would lose the last digits). */
  realtime(out: Float64Array): void {
    this.host.realtime(out);
  }
  /** A coarse, raw or TAI clock as the vdso shows it. False: the host does not tell it apart from its ordinary sibling. */
  readOther(clock: number, out: Float64Array): boolean {
    if (this.host.read === undefined) return false;
    this.host.read(clock, out);
    return true;
  }
  /** Whole seconds of CLOCK_REALTIME. */
  realtimeSeconds(): number {
    this.host.realtime(this.pair);
    return this.pair[0] as number;
  }
  /** CLOCK_MONOTONIC deadline for an absolute CLOCK_REALTIME time, as the clocks stand now. */
  monotonicAtRealtime(sec: number, nsec: number): number {
    this.host.realtime(this.pair);
    const aheadNs = (sec - (this.pair[0] as number)) * NS + (nsec - (this.pair[1] as number));
    return this.host.monotonicNs() + aheadNs;
  }
  /** CLOCK_MONOTONIC deadline for an absolute CLOCK_BOOTTIME time in ns. */
  monotonicAtBoottime(ns: number): number {
    return this.host.monotonicNs() + (ns - this.host.boottimeNs());
  }
}
