// SPDX-License-Identifier: Apache-2.0

/**
 * Chooses what a process's standard descriptors are by what the client gave.
 */
import { RunscError } from '../../errors.ts';
import { BinaryIo, FileIo, type LogContext } from './log_io.ts';
import { type PipeOwner, PipeIo } from './pipe_io.ts';
import type { ProcessIo, StdioPaths } from './process_io.ts';
import { TerminalIo } from './terminal_io.ts';

/** Throws RunscError. */
export async function openIo(given: StdioPaths, owner: PipeOwner, context: LogContext): Promise<ProcessIo> {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(given.stdout)?.[1] ?? 'fifo';
  const plain = (path: string): string => path.replace(/^fifo:\/\//, '');
  const paths = { ...given, stdin: plain(given.stdin), stdout: plain(given.stdout), stderr: plain(given.stderr) };
  if (scheme === 'fifo') return paths.terminal ? new TerminalIo(paths) : new PipeIo(paths, owner);
  if (given.terminal) throw new RunscError(`a terminal cannot be logged to ${scheme}`);
  if (scheme === 'file') return new FileIo(decodeURIComponent(new URL(given.stdout).pathname));
  if (scheme === 'binary') return BinaryIo.open(new URL(given.stdout), context);
  throw new RunscError(`unknown STDIO scheme "${scheme}"`);
}
