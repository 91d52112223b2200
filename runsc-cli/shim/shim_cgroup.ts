// SPDX-License-Identifier: Apache-2.0

/**
 * The cgroup that the shim itself is to be in (option shim_cgroup).
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoryOf, hierarchies } from '../cgroup/hierarchies.ts';
import type { ShimFlags } from './flags.ts';
import { decodeOptions } from './options.ts';
import { BootstrapParams } from './protocol/option_messages.ts';
import { Any } from './protocol/well_known.ts';

/** Puts a shim where the options that `start` reads want it. */
export function joinShimCgroup(input: Uint8Array, flags: ShimFlags, pid: number): void {
  const path = shimCgroupOf(input, flags);
  if (path !== '') moveToCgroup(path, pid);
}

/** From what `start` reads: the options as Any, or (containerd 2.3) parameters that hold them. '': none. */
function shimCgroupOf(input: Uint8Array, flags: ShimFlags): string {
  try {
    const params = BootstrapParams.decode(input);
    if (params.instanceId === flags.id && params.namespace === flags.namespace) return params.extensions.map((e) => decodeOptions(e.value).shimCgroup).find((path) => path !== '') ?? '';
  } catch {
    // Not that, then.
  }
  try {
    return decodeOptions(Any.decode(input)).shimCgroup;
  } catch {
    return '';
  }
}

/** Where it cannot be moved it stays. */
function moveToCgroup(path: string, pid: number): void {
  for (const hierarchy of hierarchies()) {
    try {
      writeFileSync(join(directoryOf(hierarchy, path), 'cgroup.procs'), String(pid));
    } catch {
      // A controller without that cgroup.
    }
  }
}
