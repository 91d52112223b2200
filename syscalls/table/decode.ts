// SPDX-License-Identifier: Apache-2.0

/**
 * From a row to the function the run loop calls: argument decoding unrolled for the row's kinds.
 *
 * Invariants: generated once, when the table is built, from row data alone (numbers and the four view names), never from
 *             anything an application says. Each row has code of its own, so its call site stays monomorphic.
 */
import { REG_R10, REG_R8, REG_R9, REG_RDI, REG_RDX, REG_RSI } from '../../platform/registers.ts';
import type { SyscallFunction } from '../../sentry/kernel/syscall_table.ts';
import type { SyscallRow } from './row.ts';

const ARGUMENT_REGISTERS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9] as const;
const VIEWS = ['i32', 'u32', 'i64', 'u64'] as const;

/** Makes the decoding function of a row. */
export function decoderFor(row: SyscallRow): SyscallFunction {
  const { handler, kinds } = row;
  if (kinds.length === 0) return (t) => handler(t);
  if (kinds.length > ARGUMENT_REGISTERS.length) throw new Error(`${row.name}: more than six arguments`);
  const reads = kinds.map((kind, i) => {
    if (!VIEWS.includes(kind.view)) throw new Error(`${row.name}: unknown view ${kind.view}`);
    return `r.${kind.view}(${ARGUMENT_REGISTERS[i]})`;
  });
  const make = new Function('h', `return (t, r) => h(t, ${reads.join(', ')});`) as (
    h: SyscallRow['handler'],
  ) => SyscallFunction;
  return make(handler);
}
