// SPDX-License-Identifier: Apache-2.0

/**
 * The support table: what `runsc-ts help syscalls` and the documentation show, from the rows.
 */
import { errnoName } from '../../platform/abi/linux/errno.ts';
import type { Support, SyscallRow } from './row.ts';
import { allRows } from './x86_64.ts';

export interface SupportLine {
  number: number;
  name: string;
  support: Support;
  note: string;
}

/** One line a system call, by number. */
export function supportTable(): SupportLine[] {
  const rows = allRows().filter((row): row is SyscallRow => row !== undefined);
  return rows.map(({ number, name, support, note, handler }) => ({
    number,
    name,
    support,
    note: support === 'none' ? `${errnoName(handler(null as never) as number)}. ${note}` : note,
  }));
}

export type SupportFormat = 'table' | 'json' | 'markdown';

/** The support table as text. */
export function renderSupport(format: SupportFormat): string {
  const lines = supportTable();
  if (format === 'json') return `${JSON.stringify(lines, null, 2)}\n`;
  const count = (support: Support): number => lines.filter((line) => line.support === support).length;
  const summary = `${lines.length} system calls: ${count('full')} full, ${count('partial')} partial, ${count('none')} not implemented`;
  if (format === 'markdown') {
    const body = lines.map(
      ({ number, name, support, note }) => `| ${number} | ${name} | ${support} | ${note.replace(/\|/g, '\\|')} |`,
    );
    return [`${summary}.`, '', '| # | name | support | note |', '|---|---|---|---|', ...body, ''].join('\n');
  }
  const width = Math.max(...lines.map(({ name }) => name.length));
  const body = lines.map(({ number, name, support, note }) =>
    `${String(number).padStart(3)}  ${name.padEnd(width)}  ${support.padEnd(7)}  ${note}`.trimEnd(),
  );
  return [...body, '', summary, ''].join('\n');
}
