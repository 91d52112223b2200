// SPDX-License-Identifier: Apache-2.0

/**
 * Which rows make up the system call table: the parts that the rooms supply, in number order.
 */
import { ENOSYS } from '../../platform/abi/linux/errno.ts';
import type { HostServices } from '../../platform/platform.ts';
import type { SyscallFunction, SyscallTable } from '../../sentry/kernel/syscall_table.ts';
import { decoderFor } from '../../syscalls/table/decode.ts';
import { pollNetRows } from '../../syscalls/table/x86_64_poll_net.ts';
import type { SyscallRow } from '../../syscalls/table/row.ts';

/** All rows by number. */
export function allRows(): readonly SyscallRow[] {
  return [...pollNetRows].sort((a, b) => a.number - b.number);
}

/** The table the run loop dispatches through. */
export function syscallTable(_strace: boolean, _host: HostServices): SyscallTable {
  const rows = allRows();
  const functions: SyscallFunction[] = Array.from({ length: (rows.at(-1)?.number ?? 0) + 1 }, () => () => ENOSYS);
  const names: string[] = [];
  for (const row of rows) {
    functions[row.number] = decoderFor(row);
    names[row.number] = row.name;
  }
  return { functions, name: (nr) => names[nr] ?? `syscall_${nr}`, tracer: null };
}
