// SPDX-License-Identifier: Apache-2.0

/**
 * Taking signals on the way back to application code: handlers, default actions, restarts.
 *
 * Linux: kernel/signal.c (get_signal), arch/x86/kernel/signal.c (arch_do_signal_or_restart, handle_signal)
 */
import type { Task } from '../task.ts';

/** Returns true when the task may run application code; false when it was parked or exited. */
export function deliverSignals(_t: Task): boolean {
  return true;
}
