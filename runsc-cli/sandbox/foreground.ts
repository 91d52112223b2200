// SPDX-License-Identifier: Apache-2.0

/**
 * Waits for a sandbox in the foreground, synchronously: forwards signals, reports how it ended, leaves nothing behind.
 */
import { close, kill, getpid, poll, waitPid, waitStatus, write } from '../../platform/ffi/lifecycle.ts';
import { read } from '../../platform/ffi/lifecycle.ts';
import { decodeFromSentry, encodeMessage, type FromSentry, MAX_MESSAGE, type ToSentry } from '../../sentry/control/messages/lifecycle.ts';
import type { TerminalRelay } from '../console/relay.ts';
import { TerminalGuard } from '../console/terminal.ts';
import { EXIT_OWN_FAILURE, RunscError } from '../errors.ts';
import { mark } from './timing.ts';
import { SIGCHLD, SIGCONT, SIGSTOP, SIGWINCH, type SignalPipe, targetOf } from './signals.ts';
import { endSandbox, type RunningSandbox } from './start.ts';

const POLLIN = 1;
const POLLHUP = 16;
const WNOHANG = 1;
const SIGKILL = 9;
/** How long the rest of a sandbox may take to end after its result is known. */
const GRACE_MS = 2000;

/** How a container ended: an exit status as a shell would show it. Throws RunscError when the sandbox itself failed. */
export function waitInForeground(running: RunningSandbox, signals: SignalPipe, relay: TerminalRelay | null = null): number {
  const terminal = new TerminalGuard([0, 1, 2]);
  try {
    const outcome = new Foreground(running, signals, relay).run();
    if (outcome.type === 'exit') return outcome.signo !== 0 ? 128 + outcome.signo : outcome.status;
    throw new RunscError(outcome.message, outcome.status);
  } finally {
    mark('outcome known');
    endSandbox(running);
    close(running.controlFd);
    relay?.finish();
    terminal.restore();
    mark('ended');
  }
}

type Outcome = Extract<FromSentry, { type: 'exit' | 'error' }>;

class Foreground {
  private readonly running: RunningSandbox;
  private readonly signals: SignalPipe;
  private readonly relay: TerminalRelay | null;
  private readonly buffer = Buffer.alloc(MAX_MESSAGE);
  private isGoferGone = false;

  constructor(running: RunningSandbox, signals: SignalPipe, relay: TerminalRelay | null) {
    this.running = running;
    this.signals = signals;
    this.relay = relay;
  }

  run(): Outcome {
    const control = { fd: this.running.controlFd, events: POLLIN, revents: 0 };
    const signal = { fd: this.signals.fd, events: POLLIN, revents: 0 };
    for (;;) {
      if (poll([control, signal, ...(this.relay?.wanted() ?? [])], this.isGoferGone ? GRACE_MS : -1) === 0) return this.sentryDied();
      this.relay?.move();
      if ((control.revents & (POLLIN | POLLHUP)) !== 0) {
        const outcome = this.readControl();
        if (outcome !== null) return outcome;
      }
      if ((signal.revents & POLLIN) !== 0) for (const signo of this.signals.take()) this.onSignal(signo);
    }
  }

  /** Handles one message; the outcome when it is the last. */
  private readControl(): Outcome | null {
    const n = read(this.running.controlFd, this.buffer);
    if (n === -4) return null;
    if (n <= 0) return this.sentryDied();
    const message = decodeFromSentry(this.buffer.subarray(0, n));
    if (message === null) return { type: 'error', message: 'the sentry sent a message that makes no sense', status: EXIT_OWN_FAILURE };
    if (message.type === 'stopped') kill(getpid(), SIGSTOP);
    return message.type === 'exit' || message.type === 'error' ? message : null;
  }

  /** The control socket closed without a result. */
  private sentryDied(): Outcome {
    const deadline = Date.now() + GRACE_MS;
    let pid = 0;
    while (pid === 0 && Date.now() < deadline) {
      pid = waitPid(this.running.sentryPid, WNOHANG);
      if (pid === 0) poll([], 5);
    }
    const status = waitStatus();
    const signo = pid > 0 ? status & 0x7f : 0;
    const how = pid <= 0 ? 'it closed its control socket' : signo === SIGKILL ? 'it was killed (SIGKILL)' : signo !== 0 ? `signal ${signo}` : `exit status ${(status >> 8) & 255}`;
    const why = this.isGoferGone ? 'the gofer ended, and with it the sandbox' : `the sentry ended before the container did: ${how}`;
    return { type: 'error', message: why, status: EXIT_OWN_FAILURE };
  }

  private onSignal(signo: number): void {
    if (signo === SIGCHLD) {
      // The Gofer's death: the Sentry sees its socket close and says so; remember it in case it does not.
      if (!this.isGoferGone && waitPid(this.running.goferPid, WNOHANG) === this.running.goferPid) this.isGoferGone = true;
      return;
    }
    if (signo === SIGWINCH) this.relay?.resize();
    this.send({ type: 'signal', signo, target: signo === SIGCONT ? 'init' : targetOf(signo) });
  }

  private send(message: ToSentry): void {
    write(this.running.controlFd, encodeMessage(message));
  }
}
