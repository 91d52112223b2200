// SPDX-License-Identifier: Apache-2.0

/**
 * The complete x86-64 system call table: every number is a row.
 *
 * Invariants: rows of the areas are unique and named as Linux names them; every other known number gets a `missing` row, so the
 *             table is complete by construction. A violation stops the program when the table is first used.
 */
import { ENOSYS } from '../../platform/abi/linux/errno.ts';
import type { SyscallFunction, SyscallTable, SyscallTracer } from '../../sentry/kernel/syscall_table.ts';
import { decoderFor } from './decode.ts';
import { missingReason } from './missing_reasons.ts';
import { syscallNames } from './names.ts';
import { missing, type SyscallRow } from './row.ts';
import { fileRows } from './x86_64_file.ts';
import { ipcRows } from './x86_64_ipc.ts';
import { memoryRows } from './x86_64_memory.ts';
import { pollNetRows } from './x86_64_poll_net.ts';
import { processRows } from './x86_64_process.ts';

const AREAS: readonly (readonly SyscallRow[])[] = [processRows, fileRows, memoryRows, ipcRows, pollNetRows];

function assemble(): SyscallRow[] {
  const rows: SyscallRow[] = [];
  const names = syscallNames();
  for (const row of AREAS.flat()) {
    if (names.get(row.number) !== row.name)
      throw new Error(`system call ${row.number} is ${names.get(row.number)}, not ${row.name}`);
    if (rows[row.number] !== undefined) throw new Error(`two rows for system call ${row.number} (${row.name})`);
    rows[row.number] = row;
  }
  for (const [number, name] of names) {
    if (rows[number] !== undefined) continue;
    const [errno, why] = missingReason(name);
    rows[number] = missing(number, name, errno, why);
  }
  return rows;
}

let complete: readonly (SyscallRow | undefined)[] | null = null;

/**
 * All rows by number; numbers Linux does not use are holes. Put together and checked when first asked for, as by a call that has no
 * implementation: most programs make none.
 */
export function allRows(): readonly (SyscallRow | undefined)[] {
  complete ??= assemble();
  return complete;
}

/** Beyond the last number in use; whatever is beyond this is ENOSYS to the run loop. */
const TABLE_SIZE = 512;

/** Wraps a row's function: how tracing is added when the table is built. */
export type RowWrapper = (row: SyscallRow, fn: SyscallFunction) => SyscallFunction;

/** The table the kernel runs. `wrap` and `tracer` (strace) are chosen here, once, not tested at each call. */
export function buildSyscallTable(wrap: RowWrapper | null = null, tracer: SyscallTracer | null = null): SyscallTable {
  const functions: SyscallFunction[] = [];
  const unused: SyscallFunction = () => ENOSYS;
  // A decoder is made (compiled) at its call's first use, and takes its place: most programs use few of them.
  const implemented: SyscallRow[] = [];
  for (const rows of AREAS) for (const row of rows) implemented[row.number] = row;
  const make = (number: number): SyscallFunction => {
    const row = implemented[number] ?? allRows()[number];
    if (row === undefined) return unused;
    const decode = decoderFor(row);
    return wrap === null ? decode : wrap(row, decode);
  };
  for (let number = 0; number < TABLE_SIZE; number++) {
    functions.push((t, registers) => {
      const fn = make(number);
      functions[number] = fn;
      return fn(t, registers);
    });
  }
  return { functions, name: (nr) => allRows()[nr]?.name ?? `syscall_${nr}`, tracer };
}
