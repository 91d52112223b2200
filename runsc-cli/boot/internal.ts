// SPDX-License-Identifier: Apache-2.0

/**
 * The commands that a booted Sentry or Gofer is started with (sandbox/boot_node.ts). Not for people.
 */
import { readFileSync } from 'node:fs';
import { getppid, prctl, unshare } from '../../platform/ffi/lifecycle.ts';
import { resetSignals } from '../../platform/host/spawn/fork_child.ts';
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, type Granted } from '../../platform/host/spawn/namespaces.ts';
import { EXIT_OWN_FAILURE, RunscError } from '../errors.ts';
import { BOOT_FDS, type BootConfig } from '../sandbox/boot_node.ts';
import { sandboxVolumes } from '../sandbox/volumes.ts';
import { buildGoferFilter, goferFilter, goferRoots, prepareGofer } from './gofer_confinement.ts';
import { loadPart } from './parts.ts';
import type { ChildDescriptors } from './process_entry.ts';
import { allSentryFilters, prepareSentry, sentryFilter } from './sentry_confinement.ts';

const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

/** For the build (tools/build.mjs): every filter that never changes, as JSON of base64. */
function printFilters(): number {
  const all: [string, Uint8Array][] = [...allSentryFilters(), ['gofer', buildGoferFilter()], ['stub', loadPart('sentry').buildStubFilter()]];
  process.stdout.write(JSON.stringify(Object.fromEntries(all.map(([name, program]) => [name, Buffer.from(program).toString('base64')]))));
  return 0;
}

/** Runs an internal command. Returns its exit status; null: `args` are somebody's command line. */
export function runInternal(args: readonly string[]): number | null {
  if (args[0] === 'internal-filters') return printFilters();
  if (args[0] !== 'internal-gofer' && args[0] !== 'internal-sentry') return null;
  let boot: BootConfig;
  try {
    boot = JSON.parse(readFileSync(BOOT_FDS.config, 'utf8')) as BootConfig;
  } catch {
    throw new RunscError(`${args[0]} is internal to runsc-ts`);
  }
  if (!boot.options.isDetached) prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() !== boot.parent) return EXIT_OWN_FAILURE;
  return args[0] === 'internal-gofer' ? bootGofer(boot) : bootSentry(boot);
}

function descriptors(boot: BootConfig): ChildDescriptors {
  const debug = boot.hasDebug ? BOOT_FDS.debug : -1;
  return { goferServer: BOOT_FDS.socket, goferClient: BOOT_FDS.socket, controlCli: -1, controlSentry: BOOT_FDS.control, debug, ...boot.options };
}

/** Enters the namespaces that a process with threads can. */
function enter(wanted: readonly (readonly [number, string])[]): Granted {
  const granted: Granted = { namespaces: 0, refused: ['user namespace: a booted Node has threads', 'pid namespace: a booted Node has threads'] };
  for (const [flag, name] of wanted) {
    const result = unshare(flag);
    if (result === 0) granted.namespaces |= flag;
    else granted.refused.push(`${name} namespace: errno ${-result}`);
  }
  return granted;
}

function bootGofer(boot: BootConfig): number {
  const fds = descriptors(boot);
  const filter = goferFilter();
  const { goferMain } = loadPart('gofer');
  const why = prepareGofer(boot.config, fds, enter([[CLONE_NEWNS, 'mount'], [CLONE_NEWIPC, 'ipc'], [CLONE_NEWUTS, 'uts'], [CLONE_NEWNET, 'network']]), -1);
  if (why !== '') throw new RunscError(why);
  return goferMain(boot.config, fds, filter, goferRoots());
}

function bootSentry(boot: BootConfig): number {
  const fds = descriptors(boot);
  const filter = sentryFilter(boot.config);
  const { sentryMain } = loadPart('sentry');
  resetSignals();
  const why = prepareSentry(boot.config, fds, enter([[CLONE_NEWIPC, 'ipc'], [CLONE_NEWUTS, 'uts']]), -1);
  if (why !== '') throw new RunscError(why);
  return sentryMain(boot.config, fds, filter, sandboxVolumes());
}
