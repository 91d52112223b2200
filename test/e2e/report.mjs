// SPDX-License-Identifier: Apache-2.0

/** Counts and prints what passed and what failed. */
const counts = { passed: 0, failed: 0, skipped: 0 };
const started = Date.now();

/** Counts one check; `detail` is printed when it failed. Returns `ok`. */
export function check(ok, what, detail = '') {
  counts[ok ? 'passed' : 'failed']++;
  const at = ((Date.now() - started) / 1000).toFixed(0).padStart(4);
  console.log(`${at}s ${ok ? 'ok  ' : 'FAIL'} ${what}${ok || detail === '' ? '' : `\n${shorten(String(detail).trim()).replace(/^/gm, '       ')}`}`);
  return ok;
}

/** Says plainly that something is not run here, and why. */
export function notRun(what, why) {
  counts.skipped++;
  console.log(`      not run: ${what}: ${why}`);
}

/** Adds what a program of its own counted: its output must end with "N passed, N failed". */
export function addCounts(what, status, output) {
  const totals = /^(\d+) passed, (\d+) failed$/m.exec(output);
  counts.passed += Number(totals?.[1] ?? 0);
  counts.failed += Number(totals?.[2] ?? 0);
  if (totals === null || (status !== 0 && totals[2] === '0')) check(false, `${what}: it ends with its totals`, `status ${status}`);
}

/** Prints the totals; returns the exit status. */
export function finish() {
  if (counts.skipped > 0) console.log(`${counts.skipped} not run here`);
  console.log(`${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 ? 0 : 1;
}

/** The first lines, cut: what is left of one container is a page. */
function shorten(text) {
  const lines = text.split('\n');
  const rest = lines.length > 40 ? [`... ${lines.length - 40} more lines`] : [];
  return [...lines.slice(0, 40), ...rest].map((line) => line.slice(0, 400)).join('\n');
}
