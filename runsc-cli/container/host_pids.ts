// SPDX-License-Identifier: Apache-2.0

/**
 * Which host processes hold the memory of a container's processes.
 */
import { readFileSync } from 'node:fs';

/** The host's numbers of a Sentry's stubs, given in its own pid namespace; those that are gone are left out. */
export function hostPids(sentryPid: number, stubPids: readonly number[]): number[] {
  const wanted = new Set(stubPids);
  const found: number[] = [];
  for (const child of text(`/proc/${sentryPid}/task/${sentryPid}/children`).split(' ')) {
    const numbers = /^NSpid:\s+(.*)$/m.exec(child === '' ? '' : text(`/proc/${child}/status`))?.[1]?.split(/\s+/) ?? [];
    if (wanted.has(Number(numbers.at(-1)))) found.push(Number(child));
  }
  return found;
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
