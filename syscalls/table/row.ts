// SPDX-License-Identifier: Apache-2.0

/**
 * One row of the system call table: the single description from which the decoder, the strace line, the support
 * table and the documentation come.
 *
 * Invariants: the handler takes the task and as many Numbers as the row has kinds; a wrong count does not compile.
 */
import type { Errno } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { SyscallReturn } from '../../sentry/wait/blocking.ts';
import type { ArgKind } from '../args/kinds.ts';

type Numbers<K extends readonly ArgKind[]> = { -readonly [I in keyof K]: number };

/** A handler whose arguments match kinds K. */
export type Handler<K extends readonly ArgKind[]> = (t: Task, ...args: Numbers<K>) => SyscallReturn;

export type Support = 'full' | 'partial' | 'none';

export interface SyscallRow {
  readonly number: number;
  readonly name: string;
  readonly kinds: readonly ArgKind[];
  // biome-ignore lint: the table erases argument counts; row() has checked them.
  readonly handler: (t: Task, ...args: any[]) => SyscallReturn;
  readonly support: Support;
  /** Why support is not full; '' when it is. */
  readonly note: string;
}

/** Describes a supported call. `note.partial` says what is missing. */
export function row<const K extends readonly ArgKind[]>(
  number: number,
  name: string,
  kinds: K,
  handler: Handler<K>,
  note?: { partial: string },
): SyscallRow {
  return {
    number,
    name,
    kinds,
    handler: handler as SyscallRow['handler'],
    support: note ? 'partial' : 'full',
    note: note?.partial ?? '',
  };
}

/** Describes a call that is not implemented: it returns `errno`, and `why` says so in the table. */
export function missing(number: number, name: string, errno: Errno, why: string): SyscallRow {
  return { number, name, kinds: [], handler: () => errno, support: 'none', note: why };
}
