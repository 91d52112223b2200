// SPDX-License-Identifier: Apache-2.0

/**
 * Why a container could not be started: one line for a person, and the exit status that goes with it.
 */
export class StartError extends Error {
  readonly exitStatus: number;
  constructor(message: string, exitStatus: number) {
    super(message);
    this.exitStatus = exitStatus;
  }
}
