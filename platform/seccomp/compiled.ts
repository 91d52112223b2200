// SPDX-License-Identifier: Apache-2.0

/**
 * Filters that never change, compiled by the build and carried in the bundle: libseccomp need not be loaded at a start.
 *
 * Invariants: the programs are made by the very bundle that carries them (tools/build.mjs), so they cannot be those of another list.
 */

declare const RUNSC_TS_FILTERS: Readonly<Record<string, string>> | undefined;

/** Returns the program of the filter `name`; without one from the build (tests, no libseccomp there) `build` makes it. Throws what `build` throws. */
export function compiled(name: string, build: () => Uint8Array): Uint8Array {
  const text = typeof RUNSC_TS_FILTERS === 'object' ? RUNSC_TS_FILTERS[name] : undefined;
  return text === undefined ? build() : Buffer.from(text, 'base64');
}
