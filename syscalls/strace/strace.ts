// SPDX-License-Identifier: Apache-2.0

/**
 * The strace log: one line a system call, made from the rows of the table.
 *
 * Invariants: installed by wrapping the rows when the table is built; without it nothing of this runs.
 */
import { errnoName } from '../../platform/abi/linux/errno.ts';
import { signalName } from '../../platform/abi/linux/signal.ts';
import { REG_R10, REG_R8, REG_R9, REG_RDI, REG_RDX, REG_RSI } from '../../platform/registers.ts';
import type { SyscallFunction, SyscallTable, SyscallTracer } from '../../sentry/kernel/syscall_table.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { SyscallRow } from '../table/row.ts';
import { allRows, buildSyscallTable } from '../table/x86_64.ts';

const ARGUMENT_REGISTERS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9] as const;
/** Results above this are addresses and shown in hex. */
const ADDRESS_FROM = 0x10000000;

interface Entry {
  text: string[];
  values: number[];
  startNs: number;
}

const RESTART_NAMES: Record<number, string> = {
  [-512]: 'ERESTARTSYS',
  [-513]: 'ERESTARTNOINTR',
  [-514]: 'ERESTARTNOHAND',
  [-516]: 'ERESTART_RESTARTBLOCK',
};

function resultText(result: number): string {
  if (result === -100000) return '?';
  const restart = RESTART_NAMES[result];
  if (restart !== undefined) return `? ${restart}`;
  if (result < 0 && result >= -4095) return `-1 ${errnoName(result)} (${-result})`;
  return result >= ADDRESS_FROM ? `0x${result.toString(16)}` : String(result);
}

class Strace implements SyscallTracer {
  private readonly log: (line: string) => void;
  private readonly now: () => number;
  /** What each task inside a system call entered it with. */
  private readonly entries = new Map<Task, Entry>();

  constructor(log: (line: string) => void, now: () => number) {
    this.log = log;
    this.now = now;
  }

  wrap(row: SyscallRow, fn: SyscallFunction): SyscallFunction {
    return (t, regs) => {
      const values = row.kinds.map((kind, i) => regs[kind.view](ARGUMENT_REGISTERS[i] as number));
      const text = row.kinds.map((kind, i) =>
        kind.isOutput === true ? '' : kind.format(t, values[i] as number, values[i + 1] ?? 0),
      );
      const entry: Entry = { text, values, startNs: this.now() };
      const { tid, comm } = t;
      const result = fn(t, regs);
      if (typeof result === 'number') this.finish(`[${tid}:${comm}]`, t, row, entry, result);
      else {
        this.entries.set(t, entry);
        this.log(`[${tid}:${comm}] ${row.name}(${this.args(t, row, entry, 0)}) ...`);
      }
      return result;
    };
  }

  onBlockingResult(t: Task, nr: number, result: number): void {
    const row = allRows()[nr];
    const entry = this.entries.get(t);
    this.entries.delete(t);
    if (row === undefined || entry === undefined) return;
    this.finish(`[${t.tid}:${t.comm}] ...`, t, row, entry, result);
  }

  onSignal(t: Task, signo: number, code: number): void {
    this.log(`[${t.tid}:${t.comm}] --- ${signalName(signo)} code=${code} ---`);
  }

  onExit(t: Task, status: number): void {
    this.entries.delete(t);
    const signo = status & 0x7f;
    this.log(
      `[${t.tid}:${t.comm}] +++ ${signo === 0 ? `exited with ${status >> 8}` : `killed by ${signalName(signo)}`} +++`,
    );
  }

  private args(t: Task, row: SyscallRow, entry: Entry, result: number): string {
    return row.kinds
      .map((kind, i) => (kind.isOutput === true ? kind.format(t, entry.values[i] as number, result) : entry.text[i]))
      .join(', ');
  }

  private finish(prefix: string, t: Task, row: SyscallRow, entry: Entry, result: number): void {
    const seconds = ((this.now() - entry.startNs) / 1e9).toFixed(6);
    this.log(`${prefix} ${row.name}(${this.args(t, row, entry, result)}) = ${resultText(result)} <${seconds}>`);
  }
}

/** The system call table with every call logged through `log`; `now` is a clock in ns. */
export function buildTracedSyscallTable(log: (line: string) => void, now: () => number): SyscallTable {
  const strace = new Strace(log, now);
  return buildSyscallTable((row, fn) => strace.wrap(row, fn), strace);
}
