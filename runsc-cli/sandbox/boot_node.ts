// SPDX-License-Identifier: Apache-2.0

/**
 * Starts the Sentry and the Gofer as new Node processes, where the running one cannot be forked: the same code through the
 * internal commands of boot/internal.ts, with inherited descriptors. Slower, and in fewer namespaces (a booted Node has threads).
 */
import { close, fcntl, getpid, kill, open, spawn, waitPid } from '../../platform/ffi/lifecycle.ts';
import { memfdOf } from '../../platform/ffi/config_memfd.ts';
import type { ChildDescriptors } from '../boot/process_entry.ts';
import type { RuntimeLog } from '../console/log.ts';
import type { SandboxConfig } from './config.ts';
import type { SandboxPids } from './start.ts';
import { NODE_FLAGS } from './node_flags.ts';

/** Descriptor numbers in a booted process. */
export const BOOT_FDS = { config: 3, socket: 4, control: 5, debug: 6, listener: 7, exitFile: 8, startRequests: 9, startAnswers: 10, preserved: 11 } as const;

/** What a booted process reads from its configuration descriptor. */
export interface BootConfig {
  readonly parent: number;
  readonly hasDebug: boolean;
  readonly options: Pick<ChildDescriptors, 'listener' | 'exitFile' | 'startRequests' | 'startAnswers' | 'stdio' | 'preserved' | 'hasTerminal' | 'isDetached'>;
  readonly config: SandboxConfig;
}

const F_DUPFD_CLOEXEC = 1030;
const HIGH = 512;
const O_RDWR_CLOEXEC = 2 | 0o2000000;
const SIGKILL = 9;

/** Starts both. Returns their pids, or what failed. */
export function bootSandbox(config: SandboxConfig, fds: ChildDescriptors, log: RuntimeLog, onBorn?: (pid: number, isPlaced: boolean) => void): SandboxPids | string {
  const script = process.argv[1] ?? '';
  const options = {
    listener: fds.listener < 0 ? -1 : BOOT_FDS.listener,
    exitFile: fds.exitFile < 0 ? -1 : BOOT_FDS.exitFile,
    startRequests: fds.startRequests < 0 ? -1 : BOOT_FDS.startRequests,
    startAnswers: fds.startAnswers < 0 ? -1 : BOOT_FDS.startAnswers,
    stdio: null,
    preserved: fds.preserved.map((_, i) => BOOT_FDS.preserved + i),
    hasTerminal: fds.hasTerminal,
    isDetached: fds.isDetached,
  };
  const text = JSON.stringify({ parent: getpid(), hasDebug: fds.debug >= 0, options, config } satisfies BootConfig);
  const goferPid = bootOne(script, 'internal-gofer', text, { socket: fds.goferServer, control: -1, debug: fds.debug }, null);
  if (goferPid < 0) return `gofer: ${process.execPath} could not be started: errno ${-goferPid}`;
  const sentryPid = bootOne(script, 'internal-sentry', text, { socket: fds.goferClient, control: fds.controlSentry, debug: fds.debug }, fds);
  if (sentryPid < 0) {
    kill(goferPid, SIGKILL);
    waitPid(goferPid, 0);
    return `sentry: ${process.execPath} could not be started: errno ${-sentryPid}`;
  }
  onBorn?.(goferPid, false);
  onBorn?.(sentryPid, false);
  log.debug('debug', `sentry ${sentryPid}, gofer ${goferPid} (booted)`);
  return { sentryPid, goferPid };
}

function bootOne(script: string, verb: string, text: string, from: { socket: number; control: number; debug: number }, fds: ChildDescriptors | null): number {
  const config = memfdOf('config', Buffer.from(text));
  if (config < 0) return config;
  const none = open('/dev/null', O_RDWR_CLOEXEC);
  const wanted: [number, number][] = [
    [config, BOOT_FDS.config],
    [from.socket, BOOT_FDS.socket],
    [from.control >= 0 ? from.control : none, BOOT_FDS.control],
    [from.debug >= 0 ? from.debug : none, BOOT_FDS.debug],
  ];
  for (const name of ['listener', 'exitFile', 'startRequests', 'startAnswers'] as const) if (fds !== null && fds[name] >= 0) wanted.push([fds[name], BOOT_FDS[name]]);
  fds?.preserved.forEach((fd, i) => wanted.push([fd, BOOT_FDS.preserved + i]));
  fds?.stdio?.forEach((fd, i) => wanted.push([fd, i]));
  // Sources may sit on numbers that are targets: move them out of the way first.
  const moved = wanted.map(([fd, to]): [number, number] => [fcntl(fd, F_DUPFD_CLOEXEC, HIGH), to]);
  // The rest of the caller's environment is none of their business.
  const env = Object.entries(process.env).filter(([name]) => name.startsWith('RUNSC_TS_')).map(([name, value]) => `${name}=${value ?? ''}`);
  // Node has marked its own standard descriptors close-on-exec: a move onto itself takes the mark off.
  if (fds?.stdio == null) moved.push([0, 0], [1, 1], [2, 2]);
  const pid = spawn(process.execPath, [process.execPath, ...NODE_FLAGS, script, verb], env, moved);
  for (const [fd] of moved) if (fd >= HIGH) close(fd);
  close(config);
  close(none);
  return pid;
}

