// SPDX-License-Identifier: Apache-2.0

/**
 * Resource limits of a thread group.
 *
 * Linux: include/uapi/asm-generic/resource.h, kernel/sys.c (do_prlimit); getrlimit(2)
 */

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_NPROC = 6;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;
export const RLIMIT_AS = 9;
export const RLIMIT_LOCKS = 10;
export const RLIMIT_SIGPENDING = 11;
export const RLIMIT_MSGQUEUE = 12;
export const RLIMIT_NICE = 13;
export const RLIMIT_RTPRIO = 14;
export const RLIMIT_RTTIME = 15;
export const RLIM_NLIMITS = 16;

/** Soft and hard limits; RLIM_INFINITY is Infinity. */
export class Rlimits {
  private readonly softLimits: number[];
  private readonly hardLimits: number[];

  constructor(soft?: readonly number[], hard?: readonly number[]) {
    const infinite = new Array<number>(RLIM_NLIMITS).fill(Number.POSITIVE_INFINITY);
    this.softLimits = soft ? soft.slice() : infinite.slice();
    this.hardLimits = hard ? hard.slice() : infinite.slice();
  }
  soft(resource: number): number {
    return this.softLimits[resource] as number;
  }
  hard(resource: number): number {
    return this.hardLimits[resource] as number;
  }
  set(resource: number, soft: number, hard: number): void {
    this.softLimits[resource] = soft;
    this.hardLimits[resource] = hard;
  }
  clone(): Rlimits {
    return new Rlimits(this.softLimits, this.hardLimits);
  }
}
