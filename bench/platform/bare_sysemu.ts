// SPDX-License-Identifier: Apache-2.0

/**
 * The floor under a system call by ptrace: the least a tracer in this Node can do (resume, wait, read the number, set the result),
 * with no kernel behind it; and the floor under fork: one host clone inside a stub with 64 MB dirty. Prints JSON.
 */
import { POKE_RESULT, bareFork, bareLoop } from './bare_loops.ts';

const calls = Number(process.argv[2] ?? 50_000);
console.log(JSON.stringify({ getppidUs: bareLoop(calls, POKE_RESULT), fork64MbUs: bareFork(20) }));
