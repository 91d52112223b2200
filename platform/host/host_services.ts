// SPDX-License-Identifier: Apache-2.0

/**
 * HostServices: files, clocks, machine description, random bytes and the log, over ffi.
 */
import { EINTR } from '../abi/linux/errno.ts';
import { getrandom } from '../ffi/memory.ts';
import type { HostNetwork, HostServices } from '../platform.ts';
import { createHostClock } from './host_clock.ts';
import { createHostFiles } from './host_files.ts';
import { createHostInfo } from './host_info.ts';
import type { HostInfoOptions } from './host_info.ts';

export interface HostServicesOptions extends HostInfoOptions {
  /** The host's network, when the sandbox uses it. */
  network?: HostNetwork;
  /** Where log lines go; default: nowhere. */
  log?: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void;
}

/** getrandom(2) until `buf` is full: never a guessable byte, even when a signal cuts a call short. */
export function fillRandom(buf: Uint8Array): void {
  let done = 0;
  while (done < buf.length) {
    const n = getrandom(done === 0 ? buf : buf.subarray(done), 0);
    if (n > 0) done += n;
    else if (n !== EINTR) panicWithoutRandom(n);
  }
}

/** Without random bytes nothing may go on. */
function panicWithoutRandom(n: number): never {
  process.stderr.write(`runsc-ts: getrandom failed: errno ${-n}\n`);
  process.abort();
}

/** Creates the host services. Call it while /proc is still there. */
export function createHostServices(options: HostServicesOptions): HostServices {
  return {
    files: createHostFiles(),
    clock: createHostClock(),
    info: createHostInfo(options),
    ...(options.network === undefined ? {} : { network: options.network }),
    random: fillRandom,
    log: options.log ?? (() => {}),
  };
}
