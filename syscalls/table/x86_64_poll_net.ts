// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of pipes, readiness, event descriptors and sockets.
 */
import { Addr, Flags } from '../args/kinds.ts';
import { sys_pipe, sys_pipe2 } from '../poll/pipe.ts';
import { row, type SyscallRow } from './row.ts';

export const pollNetRows: readonly SyscallRow[] = [
  row(22, 'pipe', [Addr], sys_pipe),
  row(293, 'pipe2', [Addr, Flags], sys_pipe2),
];
