// SPDX-License-Identifier: Apache-2.0

/**
 * Which system call table the kernel runs: the plain one, or the traced one for --strace.
 */
import type { HostServices } from '../../platform/platform.ts';
import type { SyscallTable } from '../../sentry/kernel/syscall_table.ts';
import { buildTracedSyscallTable } from '../../syscalls/strace/strace.ts';
import { buildSyscallTable } from '../../syscalls/table/x86_64.ts';

/** The table the run loop dispatches through. */
export function syscallTable(strace: boolean, host: HostServices): SyscallTable {
  return strace ? buildTracedSyscallTable((line) => host.log('debug', line), () => host.clock.monotonicNs()) : buildSyscallTable();
}
