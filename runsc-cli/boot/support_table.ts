// SPDX-License-Identifier: Apache-2.0

/**
 * The system call table as text: `runsc-ts help syscalls` and docs/compat.
 */
import { allRows } from './syscall_rows.ts';

/** One line a system call, in number order. */
export function supportTable(format: 'table' | 'json' | 'markdown'): string {
  const rows = allRows();
  if (format === 'json') return `${JSON.stringify(rows.map(({ number, name, support, note }) => ({ number, name, support, note })), null, 2)}\n`;
  const head = ['NUM', 'NAME', 'SUPPORT', 'NOTE'];
  const cells = rows.map((r) => [String(r.number), r.name, r.support, r.note]);
  if (format === 'markdown') {
    const line = (parts: readonly string[]): string => `| ${parts.map((p) => p.replace(/\|/g, '\\|')).join(' | ')} |\n`;
    return line(head) + line(head.map(() => '---')) + cells.map(line).join('');
  }
  const widths = [0, 1, 2].map((i) => Math.max(...[head, ...cells].map((c) => (c[i] as string).length)));
  return [head, ...cells].map((c) => `${c.map((text, i) => (i < 3 ? text.padEnd(widths[i] as number) : text)).join('  ').trimEnd()}\n`).join('');
}
