// SPDX-License-Identifier: Apache-2.0

/**
 * A shim's socket in the file system: a name that outlives who listened on it.
 */
import { unlinkSync } from 'node:fs';
import { connect } from 'node:net';

/** Does a shim accept connections there? */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

export function removeSocket(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Somebody else did.
  }
}
