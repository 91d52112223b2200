// SPDX-License-Identifier: Apache-2.0

/**
 * HostInfo: what the sandbox is told about the machine, taken once while /proc is still there.
 */
import { readTextAt } from '../ffi/files.ts';
import { allocateNative, rawSyscall } from '../ffi/native.ts';
import { sched_getaffinity } from '../ffi/process.ts';
import type { HostInfo } from '../platform.ts';

const AT_FDCWD = -100;
const AT_HWCAP = 16;
const AT_HWCAP2 = 26;
const SYS_SYSINFO = 99;
/** struct sysinfo: totalram at 32, freeram at 40, bufferram at 56, mem_unit at 104. */
const SYSINFO_SIZE = 112;

export interface HostInfoOptions {
  /** Bytes of memory the sandbox may use; default: the host's. */
  memoryLimit?: number;
  /** From PtracePlatform.xstate. */
  xstate: { size: number; features: number };
}

let counted = 0;

/** Processors this process might run on when it was first asked: later it may have kept itself to one. */
export function countCpus(): number {
  if (counted > 0) return counted;
  const mask = new Uint8Array(1024);
  const n = sched_getaffinity(0, mask);
  let count = 0;
  for (let i = 0; i < n; i++) for (let bits = mask[i] as number; bits !== 0; bits &= bits - 1) count++;
  counted = Math.max(count, 1);
  return counted;
}

/** A word of our own auxiliary vector, 0 when absent. glibc's getauxval answers its own idea of AT_HWCAP. */
function auxiliaryValue(type: number): number {
  const text = readTextAt(AT_FDCWD, '/proc/self/auxv');
  if (typeof text === 'number') return 0;
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at + 16 <= bytes.length; at += 16) {
    if (bytes.readUInt32LE(at) === type) return bytes.readUInt32LE(at + 12) * 4294967296 + bytes.readUInt32LE(at + 8);
  }
  return 0;
}

const CACHE_FILES = [
  'level',
  'type',
  'size',
  'coherency_line_size',
  'number_of_sets',
  'ways_of_associativity',
  'shared_cpu_list',
] as const;

/** The caches of the first processor as /sys describes them. */
function readCaches(): Record<string, string>[] {
  const caches: Record<string, string>[] = [];
  for (let index = 0; index < 8; index++) {
    const cache: Record<string, string> = {};
    for (const file of CACHE_FILES) {
      const text = readTextAt(AT_FDCWD, `/sys/devices/system/cpu/cpu0/cache/index${index}/${file}`);
      if (typeof text === 'number') {
        if (file === 'level') return caches;
        continue;
      }
      cache[file] = text.trim();
    }
    caches.push(cache);
  }
  return caches;
}

/** The host's description; call it before /proc goes away. */
export function createHostInfo(options: HostInfoOptions): HostInfo {
  const cpuinfo = readTextAt(AT_FDCWD, '/proc/cpuinfo');
  const sysinfo = allocateNative(SYSINFO_SIZE);
  const bytes = (at: number): number => {
    rawSyscall(SYS_SYSINFO, sysinfo.addr);
    const unit = sysinfo.u32[26] as number;
    return ((sysinfo.u32[at / 4 + 1] as number) * 4294967296 + (sysinfo.u32[at / 4] as number)) * unit;
  };
  const hostTotal = bytes(32);
  const limit = options.memoryLimit;
  const memoryTotal = limit !== undefined && limit > 0 && limit < hostTotal ? limit : hostTotal;
  return {
    cpuCount: countCpus(),
    memoryTotal,
    memoryAvailable: () => Math.min(bytes(40) + bytes(56), memoryTotal),
    cpuinfo: typeof cpuinfo === 'string' ? cpuinfo : '',
    caches: readCaches(),
    hwcap: auxiliaryValue(AT_HWCAP),
    hwcap2: auxiliaryValue(AT_HWCAP2),
    platformName: 'x86_64',
    xsaveSize: options.xstate.size,
    xfeatures: options.xstate.features,
  };
}
