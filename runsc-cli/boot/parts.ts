// SPDX-License-Identifier: Apache-2.0

/**
 * The program's heavy parts, each a bundle with a code cache of its own: most commands need neither, and a sandbox's two
 * processes load their own after they were forked, at the same time, while the command line goes on.
 *
 * Invariants: a part has its own copy of the modules it shares with the command line. What it must know is an argument of its functions;
 *             no object of a class crosses.
 */
import type * as goferPart from './gofer.ts';
import type * as sentryPart from './sentry_part.ts';

interface Parts {
  readonly gofer: typeof goferPart;
  readonly sentry: typeof sentryPart;
}

/** What the launcher (tools/launcher.cjs) hands over. */
export interface PartLoader {
  /** Opens a part's files, for a process that will not see them when it loads the part. */
  open(name: string): void;
  /** Closes what open() opened. */
  close(name: string): void;
  /** Returns a part's exports. */
  load(name: string): unknown;
  /** Only in the build: which part's code cache this process was started to make. */
  readonly cached: string | null;
}

let loader: PartLoader | null = null;

export function setPartLoader(it: PartLoader): void {
  loader = it;
}

/** Before a fork whose child loads the part: in a root of its own and as somebody else it may not see the files. */
export function openPart(name: keyof Parts): void {
  loader?.open(name);
}

/** After the fork, in the parent. */
export function closePart(name: keyof Parts): void {
  loader?.close(name);
}

/** Loads a part; at once when it was loaded before. */
export function loadPart<N extends keyof Parts>(name: N): Parts[N] {
  if (loader === null) throw new Error(`the ${name} part is not there: start dist/runsc-ts.cjs`);
  return loader.load(name) as Parts[N];
}

/** The part whose code cache is being made; null outside of the build. */
export function cachedPart(): string | null {
  return loader?.cached ?? null;
}
