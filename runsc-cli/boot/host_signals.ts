// SPDX-License-Identifier: Apache-2.0

/**
 * Signals sent to a detached Sentry's process are the container's: what a person or systemd sends goes to its init, what the host's
 * terminal sends (the container's own, made by the runtime) to its foreground job.
 */
import { ioctl } from '../../platform/ffi/files.ts';
import type { HostListener } from '../../platform/platform.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { SignalPipe, targetOf } from '../sandbox/signals.ts';
import type { Commands } from './commands.ts';

const EPOLLIN = 1;
const TIOCSCTTY = 0x540e;

export class HostSignals implements HostListener {
  private readonly pipe: SignalPipe;
  private commands: Commands | null = null;

  private constructor(pipe: SignalPipe) {
    this.pipe = pipe;
  }

  /** Takes the signals over, and the terminal on descriptor 0. Null when that is refused. Call before the seccomp filter is installed. */
  static create(hasTerminal: boolean): HostSignals | null {
    const pipe = SignalPipe.open(false);
    if (typeof pipe === 'number') return null;
    if (hasTerminal) ioctl(0, TIOCSCTTY, 0);
    return new HostSignals(pipe);
  }

  /** Starts forwarding. */
  open(kernel: Kernel, commands: Commands): void {
    this.commands = commands;
    kernel.platform.watch(this.pipe.fd, EPOLLIN, this);
  }

  onHostEvent(): void {
    for (const signo of this.pipe.take()) this.commands?.kill(signo, targetOf(signo));
  }
}
