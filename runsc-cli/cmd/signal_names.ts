// SPDX-License-Identifier: Apache-2.0

/**
 * Signals by name, as kill(1) knows them.
 */
import { RunscError } from '../errors.ts';

const NAMES = [
  '', 'HUP', 'INT', 'QUIT', 'ILL', 'TRAP', 'ABRT', 'BUS', 'FPE', 'KILL', 'USR1', 'SEGV', 'USR2', 'PIPE', 'ALRM', 'TERM', 'STKFLT', 'CHLD', 'CONT', 'STOP', 'TSTP', 'TTIN',
  'TTOU', 'URG', 'XCPU', 'XFSZ', 'VTALRM', 'PROF', 'WINCH', 'IO', 'PWR', 'SYS',
];
const ALIASES: Record<string, number> = { CLD: 17, POLL: 29, IOT: 6, UNUSED: 31, RTMIN: 34, RTMAX: 64 };

/** A number, or a name with or without SIG in any case. Throws RunscError. */
export function signalNumber(text: string): number {
  if (/^\d{1,3}$/.test(text)) {
    if (Number(text) <= 64) return Number(text);
  } else {
    const name = text.toUpperCase().replace(/^SIG/, '');
    const at = name === '' ? -1 : NAMES.indexOf(name);
    if (at > 0) return at;
    if (Object.hasOwn(ALIASES, name)) return ALIASES[name] as number;
    const realtime = /^RT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
    const number = realtime === null ? -1 : realtime[1] === 'MIN+' ? 34 + Number(realtime[2]) : 64 - Number(realtime[2]);
    if (number >= 34 && number <= 64) return number;
  }
  throw new RunscError(`unknown signal "${text}"`);
}
