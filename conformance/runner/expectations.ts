// SPDX-License-Identifier: Apache-2.0

/**
 * What is known not to pass yet: conformance/expectations/<area>.json, case -> fail{reason} or skip{reason}.
 *
 * Invariants: the list may only improve: a case that is expected to fail and passes fails the run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../../test/harness/repository.ts';

export type Expectation = { expect: 'pass' } | { expect: 'fail' | 'skip'; reason: string };

/** Returns an area's expectations by case; a key may name a ground too ("rename_exchange@volume"). Throws when malformed. */
export function readExpectations(area: string, cases: string[]): (name: string, ground: string) => Expectation {
  const path = join(repositoryRoot(), 'conformance', 'expectations', `${area}.json`);
  const table = new Map<string, Expectation>();
  if (existsSync(path)) {
    const data = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    for (const [key, value] of Object.entries(data)) table.set(key, checked(path, key, value, cases));
  }
  return (name, ground) => table.get(`${name}@${ground}`) ?? table.get(name) ?? { expect: 'pass' };
}

function checked(path: string, key: string, value: unknown, cases: string[]): Expectation {
  if (!cases.includes(key.replace(/@.*/, ''))) throw new Error(`${path}: no case is called ${key}`);
  for (const expect of ['fail', 'skip'] as const) {
    const entry = (value as Record<string, { reason?: unknown } | undefined>)[expect];
    if (typeof entry?.reason === 'string' && entry.reason.length > 0) return { expect, reason: entry.reason };
  }
  throw new Error(`${path}: ${key} must be {"fail": {"reason": "..."}} or {"skip": {"reason": "..."}}`);
}
