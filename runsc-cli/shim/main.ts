// SPDX-License-Identifier: Apache-2.0

/**
 * containerd-shim-runsc-ts-v1: containerd's way to run containers with this runtime (its shim API, version 2).
 */
import { writeSync } from 'node:fs';
import { messageOf, RunscError } from '../errors.ts';
import { VERSION } from '../version.ts';
import { parseShimFlags, type ShimFlags } from './flags.ts';
import { serving, setServingLoader } from './parts.ts';
import { startAction } from './start_action.ts';

const USAGE = 'Usage: containerd-shim-runsc-ts-v1 -namespace NS -id ID -address SOCKET -publish-binary FILE [-bundle DIR] [-debug] [start|delete]\n';

/** Runs what the arguments say. The daemon returns and goes on; everything else ends the process. */
export async function main(args: readonly string[], loadServing: () => unknown): Promise<void> {
  setServingLoader(loadServing);
  let status = 1;
  try {
    const flags = parseShimFlags(args);
    const result = await run(flags);
    if (result === null) return;
    status = result;
  } catch (error) {
    writeSync(2, `containerd-shim-runsc-ts-v1: ${error instanceof RunscError ? error.message : messageOf(error)}\n`);
  }
  process.exit(status);
}

/** The exit status; null: the process goes on. */
async function run(flags: ShimFlags): Promise<number | null> {
  if (flags.version) return print(`containerd-shim-runsc-ts-v1:\n  Version:  ${VERSION}\n`);
  if (flags.info) return serving().infoAction();
  if (flags.action === 'start') return startAction(flags);
  if (flags.action === 'delete') return serving().deleteAction(flags);
  if (flags.action !== '') throw new RunscError(`unknown action "${flags.action.slice(0, 80)}"\n${USAGE}`);
  serving().runDaemon(flags);
  return null;
}

function print(text: string): number {
  writeSync(1, text);
  return 0;
}
