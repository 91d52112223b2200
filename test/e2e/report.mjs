// SPDX-License-Identifier: Apache-2.0

/** Counts and prints what passed and what failed. */
const counts = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();

/** Counts one check; `detail` is printed when it failed. Returns `ok`. */
export function check(ok, what, detail = '') {
  counts[ok ? 'passed' : 'failed']++;
  const at = ((Date.now() - started) / 1000).toFixed(0).padStart(4);
  console.log(`${at}s ${ok ? 'ok  ' : 'FAIL'} ${what}${ok || detail === '' ? '' : `\n${String(detail).trim().replace(/^/gm, '       ')}`}`);
  return ok;
}

/** Says plainly that something is not run here, and why. */
export function notRun(what, why) {
  counts.skipped++;
  console.log(`      not run: ${what}: ${why}`);
}

/** Prints the totals; returns the exit status. */
export function finish() {
  if (counts.skipped > 0) console.log(`${counts.skipped} not run here`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 ? 0 : 1;
}
