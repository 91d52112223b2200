// SPDX-License-Identifier: Apache-2.0

/**
 * Signals sent to the command line while a container runs in the foreground are the container's.
 */
import { signalsToPipe } from '../../platform/ffi/forkable.ts';
import { pipe, read } from '../../platform/ffi/lifecycle.ts';

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGUSR1 = 10;
export const SIGUSR2 = 12;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGWINCH = 28;

/** What a terminal sends to its foreground job goes to the container's foreground job; what a person sends, to its init. */
const FROM_TERMINAL = [SIGINT, SIGQUIT, SIGTSTP, SIGWINCH];
const FORWARDED = [SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT, SIGTSTP, SIGWINCH];

const O_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000;

/** A descriptor that becomes readable when signals came. */
export class SignalPipe {
  readonly fd: number;
  /** Both ends. */
  readonly fds: readonly number[];
  private readonly buffer = Buffer.alloc(256);

  private constructor(ends: readonly [number, number]) {
    this.fd = ends[0];
    this.fds = ends;
  }

  /** Takes over the forwarded signals and, `withChildren`, SIGCHLD. Returns the pipe or errno. */
  static open(withChildren = true): SignalPipe | number {
    const ends = pipe(O_CLOEXEC_NONBLOCK);
    if (typeof ends === 'number') return ends;
    const result = signalsToPipe(withChildren ? [...FORWARDED, SIGCHLD] : FORWARDED, ends[1]);
    return result < 0 ? result : new SignalPipe(ends);
  }

  /** The signals that came, oldest first. */
  take(): number[] {
    const n = read(this.fd, this.buffer);
    const out: number[] = [];
    for (let i = 0; i + 4 <= n; i += 4) out.push(this.buffer.readInt32LE(i));
    return out;
  }
}

export function targetOf(signo: number): 'init' | 'foreground' {
  return FROM_TERMINAL.includes(signo) ? 'foreground' : 'init';
}
