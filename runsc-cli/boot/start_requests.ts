// SPDX-License-Identifier: Apache-2.0

/**
 * The two FIFOs through which a shell, which cannot speak on a socket, starts the container (tools/front.sh): a line on one is answered by a
 * line on the other.
 *
 * Invariants: this process holds both ends of both, so whoever waits for an answer reads end of file when it dies.
 */
import type { HostListener } from '../../platform/platform.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { Commands } from './commands.ts';
import type { ChildDescriptors } from './process_entry.ts';

const EPOLLIN = 1;
const NEWLINE = 10;
const STARTED = Buffer.from('ok\n');
const REFUSED = Buffer.from('no\n');

export class StartRequests implements HostListener {
  private readonly kernel: Kernel;
  private readonly commands: Commands;
  private readonly requests: number;
  private readonly answers: number;
  private readonly buffer = Buffer.alloc(64);

  constructor(kernel: Kernel, commands: Commands, fds: ChildDescriptors) {
    this.kernel = kernel;
    this.commands = commands;
    this.requests = fds.startRequests;
    this.answers = fds.startAnswers;
  }

  /** Starts listening. */
  open(): void {
    this.kernel.platform.watch(this.requests, EPOLLIN, this);
  }

  onHostEvent(): void {
    const { files } = this.kernel.host;
    const n = files.read(this.requests, this.buffer, 0, this.buffer.length);
    for (let i = 0; i < n; i++) {
      if (this.buffer[i] !== NEWLINE) continue;
      const answer = this.commands.start() === '' ? STARTED : REFUSED;
      files.write(this.answers, answer, 0, answer.length);
    }
  }
}
