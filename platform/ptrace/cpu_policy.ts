// SPDX-License-Identifier: Apache-2.0

/**
 * Which processor the Sentry and the application threads run on. Placeholder interface, see below.
 */
import type { PtraceThread } from './thread.ts';

export interface CpuPolicy {
  /** `thread` is about to run; `running` threads run now, it included. */
  onResume(thread: PtraceThread, running: number): void;
  /** A process is about to be killed: let it die wherever there is room. */
  onKill(pid: number): void;
  /** Shortens a wait when the policy wants to look again. */
  limitWait(deadlineNs: number, running: number): number;
  /** The wait ended without a stop. */
  onTick(running: number): void;
}
