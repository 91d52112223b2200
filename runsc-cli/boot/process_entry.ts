// SPDX-License-Identifier: Apache-2.0

/**
 * What both child processes do first: leave the caller's session, forget its environment, keep only their own descriptors.
 */
import { forgetEnvironment, keepOnlyDescriptors } from '../../platform/ffi/forkable.ts';
import { setsid, write } from '../../platform/ffi/lifecycle.ts';

/** Descriptors made before the fork. */
export interface ChildDescriptors {
  readonly goferServer: number;
  readonly goferClient: number;
  readonly controlCli: number;
  readonly controlSentry: number;
  /** -1: none. */
  readonly debug: number;
  /** The control socket that later commands connect to; -1: none, the container runs at once. */
  readonly listener: number;
  /** A file that the container's start and exit status are written to; -1: none. */
  readonly exitFile: number;
  /** FIFOs that the container can be started through (start_requests.ts): what is asked, and the answers; -1: none. */
  readonly startRequests: number;
  readonly startAnswers: number;
  /** What becomes the container's descriptors 0, 1, 2; null: the process's own. */
  readonly stdio: readonly [number, number, number] | null;
  /** Descriptors that become the container's 3, 4... */
  readonly preserved: readonly number[];
  /** The container outlives the command line. */
  readonly isDetached: boolean;
  /** stdio is the slave of a terminal that was made for the container. */
  readonly hasTerminal: boolean;
}

/**
 * A session of its own: the terminal's signals go to the command line, which forwards them. A descriptor left open by mistake
 * would keep a pipe alive that somebody waits on.
 */
export function settleChild(keep: readonly number[], birth: 'forked' | 'booted'): void {
  setsid();
  // A booted process was given only what it needs, and its own threads use the rest.
  if (birth === 'booted') return;
  forgetEnvironment();
  keepOnlyDescriptors(keep);
}

/** A line for the debug log, from a child process. */
export function debugLine(fds: ChildDescriptors, isOn: boolean, message: string): void {
  if (isOn && fds.debug >= 0) write(fds.debug, Buffer.from(`${JSON.stringify({ level: 'debug', time: new Date().toISOString(), msg: message })}\n`));
}
