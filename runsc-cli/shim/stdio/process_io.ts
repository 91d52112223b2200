// SPDX-License-Identifier: Apache-2.0

/**
 * What a process's standard descriptors are, seen from the shim.
 */

/** Paths (of FIFOs) or URIs as containerd gives them; '': none. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

export interface ProcessIo {
  /** What becomes descriptors 0, 1 and 2 of the command that makes the process; 'ignore': /dev/null. */
  readonly childStdio: readonly (number | 'ignore')[];
  /** It is to have a terminal. */
  readonly isTerminal: boolean;
  /** Listens on a socket that takes the master of the process's terminal. Returns its path. Throws RunscError. */
  listenForMaster(): string;
  /** The process has its descriptors: closes our copies, takes the master (-1: the one that was sent). Throws RunscError. */
  started(master?: number): void;
  /** No more input than what was sent already. */
  closeStdin(): void;
  resize(width: number, height: number): void;
  /** The process has ended: there is nobody to write to. */
  ended(): void;
  /** All that it wrote has been taken. */
  readonly drained: Promise<void>;
  /** Lets go of everything. */
  close(): void;
}
