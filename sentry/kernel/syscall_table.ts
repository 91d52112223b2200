// SPDX-License-Identifier: Apache-2.0

/**
 * What the run loop needs of the system call table, which is built in syscalls/table and injected.
 */
import type { Registers } from '../../platform/registers.ts';
import type { SyscallReturn } from '../wait/blocking.ts';
import type { Task } from './task.ts';

/** Decodes the arguments from the registers and calls the handler. */
export type SyscallFunction = (t: Task, regs: Registers) => SyscallReturn;

export interface SyscallTable {
  /** By number; dense. Numbers at or beyond its length are ENOSYS. */
  readonly functions: readonly SyscallFunction[];
  /** Name for logs. */
  name(nr: number): string;
  /** Set when tracing: told about a call that finished after it had blocked, signals and exits. */
  readonly tracer: SyscallTracer | null;
}

/** The strace log's side of the run loop. */
export interface SyscallTracer {
  onBlockingResult(t: Task, nr: number, result: number): void;
  onSignal(t: Task, signo: number, code: number): void;
  onExit(t: Task, status: number): void;
}
