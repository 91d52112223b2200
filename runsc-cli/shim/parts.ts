// SPDX-License-Identifier: Apache-2.0

/**
 * How the shim's small part reaches the heavy one: through the launcher (tools/shim_launcher.cjs), which loads bundles with their code caches.
 */
import type * as servingPart from './serving_part.ts';

export type ServingPart = typeof servingPart;

let load: (() => unknown) | null = null;

export function setServingLoader(loader: () => unknown): void {
  load = loader;
}

/** Loads the heavy part; at once when it was loaded before. */
export function serving(): ServingPart {
  if (load === null) throw new Error('the serving part is not there: start dist/containerd-shim-runsc-ts-v1.cjs');
  return load() as ServingPart;
}
