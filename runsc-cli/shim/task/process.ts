// SPDX-License-Identifier: Apache-2.0

/**
 * A process that containerd knows: a container's init, or one that was exec'd.
 */
import type { Instant } from '../protocol/well_known.ts';
import type { Exit } from '../reaper.ts';
import type { ProcessIo, StdioPaths } from '../stdio/process_io.ts';

export class TaskProcess {
  /** '': init. */
  readonly execId: string;
  readonly stdio: StdioPaths;
  /** Of an exec: its description, until it is started. */
  spec: Uint8Array | null;
  phase: 'added' | 'created' | 'running' | 'paused' | 'stopped';
  pid = 0;
  io: ProcessIo | null = null;
  exit: Exit | null = null;
  /** Resolves when it has ended and containerd was told. */
  readonly ended: Promise<Exit>;
  private isStdinClosed = false;
  private resolveEnded!: (exit: Exit) => void;
  private last: Promise<unknown> = Promise.resolve();

  constructor(execId: string, stdio: StdioPaths, spec: Uint8Array | null) {
    this.execId = execId;
    this.stdio = stdio;
    this.spec = spec;
    this.phase = 'added';
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
  }

  /** One after the other: what changes this process. */
  exclusively<T>(act: () => Promise<T>): Promise<T> {
    const result = this.last.then(act, act);
    this.last = result.catch(() => {});
    return result;
  }

  /** It has descriptors from now on; what was said about them before holds. */
  useIo(io: ProcessIo): void {
    this.io = io;
    if (this.isStdinClosed) io.closeStdin();
  }

  /** The client has no more input; it may say so before the process is there. */
  closeStdin(): void {
    this.isStdinClosed = true;
    this.io?.closeStdin();
  }

  finish(exit: Exit): void {
    this.exit = exit;
    this.phase = 'stopped';
    this.io?.ended();
    this.resolveEnded(exit);
  }

  get exitFields(): { exitStatus: number; exitedAt: Instant | null } {
    return { exitStatus: this.exit?.status ?? 0, exitedAt: this.exit?.at ?? null };
  }
}
