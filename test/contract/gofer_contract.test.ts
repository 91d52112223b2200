// SPDX-License-Identifier: Apache-2.0

/** The gofer filesystem under the filesystem contract, exclusive and shared, and with very few controls. */
import { mkdtempSync, rmSync } from 'node:fs';
import { makeGofer } from '../harness/in_process_gofer.ts';
import { fsContract } from './fs_contract.ts';

for (const [name, sharing, controlLimit] of [
  ['gofer, exclusive', 'exclusive', 1024],
  ['gofer, shared', 'shared', 1024],
  ['gofer, exclusive, few controls', 'exclusive', 64],
] as const) {
  let dir = '';
  fsContract({
    name,
    make: () => {
      dir = mkdtempSync('/tmp/gofer-contract-');
      return makeGofer(dir, sharing, { controlLimit }).fs;
    },
    release: () => rmSync(dir, { recursive: true, force: true }),
  });
}
