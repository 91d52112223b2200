// SPDX-License-Identifier: Apache-2.0

/** Judges a case: what it printed natively against what it printed elsewhere. */
import type { CaseOutcome } from './execute.ts';
import type { Expectation } from './expectations.ts';

export type Verdict = 'pass' | 'fail' | 'known' | 'skip' | 'better';

export interface Judgement {
  verdict: Verdict;
  /** What differs, line by line; empty when nothing does. */
  difference: string[];
}

/** Compares two outcomes under an expectation. Returns a verdict and what differs. */
export function judge(native: CaseOutcome, other: CaseOutcome, expectation: Expectation): Judgement {
  if (expectation.expect === 'skip') return { verdict: 'skip', difference: [] };
  const difference = differences(native, other);
  if (expectation.expect === 'fail')
    return difference.length > 0
      ? { verdict: 'known', difference }
      : { verdict: 'better', difference: ['passes now: take it out of the expectations'] };
  return { verdict: difference.length > 0 ? 'fail' : 'pass', difference };
}

/** Returns the lines that differ, native ones with "-", the other's with "+", in order; at most 20. */
export function differences(native: CaseOutcome, other: CaseOutcome): string[] {
  const left = [...native.lines, `(${native.end})`];
  const right = [...other.lines, `(${other.end})`];
  const result: string[] = [];
  const lengths = commonLengths(left, right);
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      i++;
      j++;
    } else if (j >= right.length || (i < left.length && at(lengths, i + 1, j) >= at(lengths, i, j + 1))) {
      result.push(`- ${left[i++]}`);
    } else {
      result.push(`+ ${right[j++]}`);
    }
  }
  if (result.length > 0 && other.note !== '') result.push(...other.note.split('\n').map((line) => `  ${line}`));
  return result.length > 20 ? [...result.slice(0, 20), `  ... ${result.length - 20} more`] : result;
}

function at(lengths: number[][], i: number, j: number): number {
  return lengths[i]?.[j] ?? 0;
}

/** lengths[i][j]: longest common subsequence of left[i..] and right[j..]. */
function commonLengths(left: string[], right: string[]): number[][] {
  const lengths: number[][] = Array.from({ length: left.length + 1 }, () => []);
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      (lengths[i] as number[])[j] =
        left[i] === right[j] ? at(lengths, i + 1, j + 1) + 1 : Math.max(at(lengths, i + 1, j), at(lengths, i, j + 1));
  return lengths;
}
