// SPDX-License-Identifier: Apache-2.0

/**
 * The Sentry's end of the control socket: signals for the container, and job control stops of its init.
 *
 * Invariants: the command line is trusted, its death is not survivable: when the socket closes the sandbox ends, unless it was
 *             told before that it is on its own now.
 */
import type { HostListener } from '../../platform/platform.ts';
import { decodeToSentry, MAX_MESSAGE, type StateMessage } from '../../sentry/control/messages/lifecycle.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { sendFromOutside } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const EPOLLIN = 1;
const MSG_DONTWAIT = 0x40;
const EAGAIN = -11;
const SIGCONT = 18;
const SIGTSTP = 20;
const SIG_DFL = 0;

export class ControlChannel implements HostListener {
  private readonly kernel: Kernel;
  private readonly init: Task;
  private readonly fd: number;
  private readonly onState: (state: StateMessage['type']) => void;
  private readonly buffer = Buffer.alloc(MAX_MESSAGE);
  private readonly noFds = new Int32Array(8);

  constructor(kernel: Kernel, init: Task, fd: number, onState: (state: StateMessage['type']) => void) {
    this.kernel = kernel;
    this.init = init;
    this.fd = fd;
    this.onState = onState;
  }

  /** Starts listening. */
  open(): void {
    this.kernel.platform.watch(this.fd, EPOLLIN, this);
  }
  private isDetached = false;

  onHostEvent(): void {
    for (;;) {
      this.noFds[0] = 0;
      const n = this.kernel.host.files.recvmsg(this.fd, this.buffer, this.noFds, MSG_DONTWAIT);
      if (n === EAGAIN) return;
      if (n <= 0) {
        this.kernel.platform.unwatch(this.fd);
        if (!this.isDetached) this.kernel.onFatal('the command line is gone');
        return;
      }
      const message = decodeToSentry(this.buffer.subarray(0, n));
      if (message?.type === 'detach') this.isDetached = true;
      else if (message !== null) this.signal(message.signo, message.target);
    }
  }

  private signal(signo: number, target: 'init' | 'foreground'): void {
    const group = this.init.threadGroup;
    if (signo === SIGCONT && this.kernel.frozen) {
      this.kernel.thaw();
      this.onState('continued');
      return;
    }
    const foreground = target === 'foreground' ? group.processGroup.session.foreground : null;
    if (foreground === null) {
      this.kernel.signalInit(signo);
      return;
    }
    // Ctrl-Z with no job control inside: init's group is orphaned there, so nothing would stop. The job is the whole container.
    if (signo === SIGTSTP && foreground === group.processGroup && group.handlers.get(SIGTSTP).handler === SIG_DFL) {
      this.kernel.freeze();
      this.onState('stopped');
      return;
    }
    for (const member of [...foreground.members]) sendFromOutside(member, signo);
  }
}
