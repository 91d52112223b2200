// SPDX-License-Identifier: Apache-2.0

/** Compiles small C programs once: the result is kept under a name that is the hash of everything that went in. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

export interface CompileOptions {
  /** How it is linked; static when absent. */
  link?: 'static' | 'static-pie' | 'dynamic';
  /** Headers whose contents matter. */
  headers?: string[];
  includeDirectories?: string[];
  flags?: string[];
}

/** Returns the directory that compiled programs are kept in; the caller of the tests may delete it at any time. */
export function cacheDirectory(): string {
  const directory = join(tmpdir(), `runsc-ts-programs-${userInfo().uid}`);
  mkdirSync(directory, { recursive: true });
  return directory;
}

/**
 * Compiles C files into one program. Takes paths of .c files and options; returns the program's path.
 * Throws with the compiler's output when it does not compile.
 */
export function compileC(sources: string[], options: CompileOptions = {}): string {
  const link = options.link ?? 'static';
  const flags = ['-O1', '-w', '-pthread', ...linkFlags(link), ...(options.flags ?? [])];
  const hash = createHash('sha256').update(flags.join('\0'));
  for (const path of [...sources, ...(options.headers ?? [])]) hash.update('\0').update(readFileSync(path));
  const program = join(cacheDirectory(), hash.digest('hex').slice(0, 24));
  if (existsSync(program)) return program;
  const partial = `${program}.${process.pid}`;
  const includes = (options.includeDirectories ?? []).map((directory) => `-I${directory}`);
  const result = spawnSync('gcc', [...flags, ...includes, '-o', partial, ...sources], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`gcc ${sources.join(' ')} failed:\n${result.stderr}${result.error ?? ''}`);
  renameSync(partial, program);
  return program;
}

function linkFlags(link: 'static' | 'static-pie' | 'dynamic'): string[] {
  if (link === 'static') return ['-static', '-no-pie'];
  return link === 'static-pie' ? ['-static-pie', '-fPIE'] : [];
}
