// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry's own heap for sentry/kernel/heap_trim.ts: V8's numbers, its collection, and what the C library then gives back.
 */
import { getHeapStatistics } from 'node:v8';
import { mallocTrim } from '../../platform/ffi/malloc.ts';
import type { HeapServices } from '../../sentry/kernel/heap_trim.ts';

/** What can be collected when Node was started with --expose-gc (tools/build.mjs), else null. */
export function heapServices(): HeapServices | null {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) return null;
  return {
    held() {
      const { total_heap_size, external_memory, malloced_memory } = getHeapStatistics();
      return total_heap_size + external_memory + malloced_memory;
    },
    used() {
      const { used_heap_size, external_memory } = getHeapStatistics();
      return used_heap_size + external_memory;
    },
    collect() {
      gc();
      mallocTrim();
    },
  };
}
