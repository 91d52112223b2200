// SPDX-License-Identifier: Apache-2.0

/**
 * The caller's terminal: put back as it was when the container ends, whatever the program in it did.
 */
import { setSignalHandler, tcgetattr, tcgetpgrp, tcsetattr, getpgrp } from '../../platform/ffi/lifecycle.ts';

const SIGTTOU = 22;
const SIG_IGN = 1;

export class TerminalGuard {
  private readonly saved: { fd: number; attributes: Buffer }[] = [];

  constructor(fds: readonly number[]) {
    for (const fd of fds) {
      const attributes = tcgetattr(fd);
      if (attributes !== null) this.saved.push({ fd, attributes });
    }
  }

  /** Restores the settings, when we are still the terminal's foreground job. */
  restore(): void {
    setSignalHandler(SIGTTOU, SIG_IGN, 0);
    for (const { fd, attributes } of this.saved) if (tcgetpgrp(fd) === getpgrp()) tcsetattr(fd, attributes);
  }
}
