// SPDX-License-Identifier: Apache-2.0

/**
 * Where each processor sits, from the text of /proc/cpuinfo, and how sets of processors are written in /sys.
 *
 * Linux: drivers/base/topology.c, lib/bitmap-str.c
 */

export interface CpuPlace {
  readonly packageId: number;
  readonly coreId: number;
}

/** Places of the first `count` processors; each its own core when the text does not say. */
export function parseTopology(cpuinfo: string, count: number): CpuPlace[] {
  const blocks = cpuinfo.trim().split('\n\n');
  const field = (block: string | undefined, name: string): number | null => {
    const found = block?.match(new RegExp(`^${name}\\s*:\\s*(\\d+)`, 'm'));
    return found ? Number(found[1]) : null;
  };
  return Array.from({ length: count }, (_, cpu) => ({
    packageId: field(blocks[cpu], 'physical id') ?? 0,
    coreId: field(blocks[cpu], 'core id') ?? cpu,
  }));
}

/** "0-3,5" */
export function cpuList(cpus: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; i++) {
    const first = cpus[i] as number;
    let last = first;
    while (cpus[i + 1] === last + 1) last = cpus[++i] as number;
    parts.push(first === last ? String(first) : `${first}-${last}`);
  }
  return parts.join(',');
}

/** Comma-separated 32-bit hex words, the highest first, as wide as `count` processors need. */
export function cpuMap(cpus: readonly number[], count: number): string {
  const words: string[] = [];
  for (let base = 0; base < count; base += 32) {
    let word = 0;
    for (const cpu of cpus) if (cpu >= base && cpu < base + 32) word += 2 ** (cpu - base);
    const digits = base + 32 >= count ? Math.ceil((count - base) / 4) : 8;
    words.unshift(word.toString(16).padStart(digits, '0'));
  }
  return words.join(',');
}
