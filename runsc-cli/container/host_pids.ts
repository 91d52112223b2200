// SPDX-License-Identifier: Apache-2.0

/**
 * Which host processes hold the memory of a container's processes.
 */
import { readFileSync } from 'node:fs';
import type { ProcessFacts } from '../../sentry/control/messages/commands.ts';

/** Their numbers; the Sentry's own when none is found. */
export function hostPids(sentryPid: number, processes: readonly ProcessFacts[]): number[] {
  const wanted = new Set(processes.map((p) => p.stubPid));
  const found: number[] = [];
  for (const child of text(`/proc/${sentryPid}/task/${sentryPid}/children`).split(' ')) {
    const numbers = /^NSpid:\s+(.*)$/m.exec(child === '' ? '' : text(`/proc/${child}/status`))?.[1]?.split(/\s+/) ?? [];
    if (wanted.has(Number(numbers.at(-1)))) found.push(Number(child));
  }
  return found.length > 0 ? found : [sentryPid];
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
