// SPDX-License-Identifier: Apache-2.0

/**
 * SignalHandlers: the table of signal dispositions, shared with CLONE_SIGHAND; and what each signal does by default.
 *
 * Linux: include/linux/sched/signal.h (struct sighand_struct), include/linux/signal.h (sig_kernel_*); signal(7)
 */
import {
  NSIG,
  SIG_DFL,
  SIG_IGN,
  SIGABRT,
  SIGBUS,
  SIGCHLD,
  SIGCONT,
  SIGFPE,
  SIGILL,
  SIGQUIT,
  SIGSEGV,
  SIGSTOP,
  SIGSYS,
  SIGTRAP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGURG,
  SIGWINCH,
  SIGXCPU,
  SIGXFSZ,
} from '../../../platform/abi/linux/signal.ts';
import { SigSet } from '../../arch/sigset.ts';

/** Immutable, so that tables share them. */
export interface SigAction {
  /** SIG_DFL, SIG_IGN or an address. */
  readonly handler: number;
  /** SA_*, unsigned 32 bits. */
  readonly flags: number;
  readonly restorer: number;
  readonly mask: Readonly<SigSet>;
}

export type DefaultAction = 'terminate' | 'core' | 'ignore' | 'stop' | 'continue';

const DEFAULTS: DefaultAction[] = new Array<DefaultAction>(NSIG + 1).fill('terminate');
for (const signo of [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS])
  DEFAULTS[signo] = 'core';
for (const signo of [SIGCHLD, SIGURG, SIGWINCH]) DEFAULTS[signo] = 'ignore';
for (const signo of [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU]) DEFAULTS[signo] = 'stop';
DEFAULTS[SIGCONT] = 'continue';

/** What `signo` does when its disposition is SIG_DFL. */
export function defaultAction(signo: number): DefaultAction {
  return DEFAULTS[signo] as DefaultAction;
}

const DEFAULT: SigAction = { handler: SIG_DFL, flags: 0, restorer: 0, mask: new SigSet() };
const IGNORE: SigAction = { ...DEFAULT, handler: SIG_IGN };

export class SignalHandlers {
  /** Index 1..64. */
  private actions: SigAction[] = new Array<SigAction>(NSIG + 1).fill(DEFAULT);
  /** Thread groups using this table. */
  users = 1;

  get(signo: number): SigAction {
    return this.actions[signo] as SigAction;
  }
  set(signo: number, action: SigAction): void {
    this.actions[signo] = action;
  }

  /** True when `signo` would be thrown away: SIG_IGN, or SIG_DFL with an ignoring default. */
  isIgnored(signo: number): boolean {
    const handler = this.get(signo).handler;
    return (
      handler === SIG_IGN || (handler === SIG_DFL && (DEFAULTS[signo] === 'ignore' || DEFAULTS[signo] === 'continue'))
    );
  }

  clone(): SignalHandlers {
    const copy = new SignalHandlers();
    copy.actions = this.actions.slice();
    return copy;
  }

  /** execve: handlers become SIG_DFL, SIG_IGN stays. Linux: flush_signal_handlers(). */
  resetHandlers(): void {
    for (let signo = 1; signo <= NSIG; signo++) {
      this.actions[signo] = this.get(signo).handler === SIG_IGN ? IGNORE : DEFAULT;
    }
  }

  /** Signals ignored (SIG_IGN) and caught, for /proc/pid/status. */
  summary(ignored: SigSet, caught: SigSet): void {
    for (let signo = 1; signo <= NSIG; signo++) {
      const handler = this.get(signo).handler;
      if (handler === SIG_IGN) ignored.add(signo);
      else if (handler !== SIG_DFL) caught.add(signo);
    }
  }
}
