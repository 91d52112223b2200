// SPDX-License-Identifier: Apache-2.0

/**
 * malloc_trim(3): gives free memory of the C library's heap back to the host.
 */
import { libcFunction } from './native.ts';

const trim = libcFunction<(pad: number) => number>('malloc_trim', 'int', ['size_t']);

/** Gives back what can be. */
export function mallocTrim(): void {
  trim(0);
}
