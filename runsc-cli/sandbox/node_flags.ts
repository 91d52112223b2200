// SPDX-License-Identifier: Apache-2.0

/**
 * What is on Node's command line in every process of a sandbox; tools/build.mjs says why and puts the list in. V8 keeps its code cache
 * for one set of flags only, so all starts use the same ones.
 */

declare const RUNSC_TS_NODE_FLAGS: readonly string[] | undefined;

/** The flags; from source (tests), those without which a running Node cannot be forked. */
export const NODE_FLAGS: readonly string[] =
  typeof RUNSC_TS_NODE_FLAGS === 'object' ? RUNSC_TS_NODE_FLAGS : ['--single-threaded', '--v8-pool-size=0'];

declare const RUNSC_TS_SHIM_FLAGS: readonly string[] | undefined;

/** The same for containerd's shim. */
export const SHIM_FLAGS: readonly string[] = typeof RUNSC_TS_SHIM_FLAGS === 'object' ? RUNSC_TS_SHIM_FLAGS : NODE_FLAGS;
