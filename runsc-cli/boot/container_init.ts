// SPDX-License-Identifier: Apache-2.0

/**
 * A container's first process: its mounts, descriptors and credentials, loaded and ready to run.
 */
import type { ImportedStdio } from '../../sentry/fs/host/host_filesystem.ts';
import type { GuestContainer } from '../../sentry/kernel/guest_container.ts';
import { createInit, isLaunchFailure } from '../../sentry/kernel/init.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { filterState, type SeccompState } from '../../sentry/kernel/seccomp/seccomp.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import type { SandboxConfig } from '../sandbox/config.ts';
import { bindConsole, nameTerminal } from './devices.ts';
import { withHome } from './home.ts';
import { byteString, launchError } from './launch.ts';
import { containerRlimits } from './process_settings.ts';
import { StartError } from './start_error.ts';
import type { ContainerFiles } from './stdio.ts';

export interface InitParts {
  readonly container: GuestContainer;
  readonly mountNs: MountNamespace;
  readonly config: SandboxConfig;
  readonly files: ContainerFiles;
  /** Its standard descriptors are a terminal of its own. */
  readonly hasTerminal: boolean;
  /** A container (not a command in the foreground): HOME is found for it. */
  readonly findsHome: boolean;
  readonly nice: number;
  readonly onExit: (status: number) => void;
}

/** Loads a container's program. Its task is ready to run, with all it was given. Throws StartError. */
export function makeInit(kernel: Kernel, parts: InitParts): Task {
  const { container, mountNs, config } = parts;
  const { process } = config;
  const seccomp = seccompOf(config);
  const { creds, fdTable, stdio } = parts.files;
  arrangeTerminal(kernel, mountNs, stdio, { uid: creds.ruid, isConsole: parts.hasTerminal });
  const env = process.env.map(byteString);
  const init = createInit(kernel, {
    argv: process.args.map(byteString),
    envp: parts.findsHome ? withHome(kernel, mountNs, env, process.uid) : env,
    cwd: byteString(process.cwd),
    mountNs,
    container,
    creds,
    rlimits: containerRlimits(process),
    fdTable,
    umask: process.umask,
    noNewPrivs: process.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
    onExit: parts.onExit,
  });
  if (isLaunchFailure(init)) throw launchError(init, process.args[0] ?? '');
  init.nice = parts.nice;
  init.seccomp = seccomp;
  stdio.tty?.adopt(init.threadGroup);
  return init;
}

function arrangeTerminal(kernel: Kernel, mountNs: MountNamespace, stdio: ImportedStdio, { uid, isConsole }: { uid: number; isConsole: boolean }): void {
  nameTerminal(kernel, mountNs, stdio.tty, uid);
  if (isConsole) bindConsole(kernel, mountNs, stdio);
}

/** The filter that every process from outside starts with. Throws StartError. */
function seccompOf(config: SandboxConfig): SeccompState | null {
  if (config.seccomp === undefined) return null;
  const state = filterState(Buffer.from(config.seccomp, 'base64'));
  if (state === null) throw new StartError('linux.seccomp: the filter is not valid', EXIT_OWN_FAILURE);
  return state;
}
