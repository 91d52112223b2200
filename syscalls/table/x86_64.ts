// SPDX-License-Identifier: Apache-2.0

/**
 * The complete x86-64 system call table: every number is a row.
 *
 * Invariants: rows of the areas are unique and named as Linux names them; every other known number gets a `missing` row, so the
 *             table is complete by construction. A violation stops the program when the table is loaded.
 */
import { ENOSYS } from '../../platform/abi/linux/errno.ts';
import type { SyscallFunction, SyscallTable, SyscallTracer } from '../../sentry/kernel/syscall_table.ts';
import { decoderFor } from './decode.ts';
import { missingReason } from './missing_reasons.ts';
import { SYSCALL_NAMES } from './names.ts';
import { missing, type SyscallRow } from './row.ts';
import { fileRows } from './x86_64_file.ts';
import { ipcRows } from './x86_64_ipc.ts';
import { memoryRows } from './x86_64_memory.ts';
import { pollNetRows } from './x86_64_poll_net.ts';
import { processRows } from './x86_64_process.ts';

function assemble(): SyscallRow[] {
  const rows: SyscallRow[] = [];
  for (const row of [...processRows, ...fileRows, ...memoryRows, ...ipcRows, ...pollNetRows]) {
    if (SYSCALL_NAMES.get(row.number) !== row.name)
      throw new Error(`system call ${row.number} is ${SYSCALL_NAMES.get(row.number)}, not ${row.name}`);
    if (rows[row.number] !== undefined) throw new Error(`two rows for system call ${row.number} (${row.name})`);
    rows[row.number] = row;
  }
  for (const [number, name] of SYSCALL_NAMES) {
    if (rows[number] !== undefined) continue;
    const [errno, why] = missingReason(name);
    rows[number] = missing(number, name, errno, why);
  }
  return rows;
}

/** All rows by number; numbers Linux does not use are holes. */
export const ROWS: readonly (SyscallRow | undefined)[] = assemble();

/** Wraps a row's function: how tracing is added when the table is built. */
export type RowWrapper = (row: SyscallRow, fn: SyscallFunction) => SyscallFunction;

/** The table the kernel runs. `wrap` and `tracer` (strace) are chosen here, once, not tested at each call. */
export function buildSyscallTable(wrap: RowWrapper | null = null, tracer: SyscallTracer | null = null): SyscallTable {
  const functions: SyscallFunction[] = [];
  const unused: SyscallFunction = () => ENOSYS;
  for (let number = 0; number < ROWS.length; number++) {
    const row = ROWS[number];
    if (row === undefined) {
      functions.push(unused);
      continue;
    }
    // A decoder is made (compiled) at its call's first use, and takes its place: most programs use few of them.
    functions.push((t, registers) => {
      const decode = decoderFor(row);
      const fn = wrap === null ? decode : wrap(row, decode);
      functions[number] = fn;
      return fn(t, registers);
    });
  }
  return { functions, name: (nr) => ROWS[nr]?.name ?? `syscall_${nr}`, tracer };
}
