// SPDX-License-Identifier: Apache-2.0

/**
 * Kernel: the container's Linux: all tasks, the clocks, the mount table, the run loop.
 *
 * Yields: only in run(), at Platform.wait().
 */
import type { HostServices, Platform } from '../../platform/platform.ts';
import type { Task } from './task.ts';

export class Kernel {
  readonly platform: Platform;
  readonly host: HostServices;
  /** All live and zombie tasks by tid. */
  readonly tasks = new Map<number, Task>();

  constructor(platform: Platform, host: HostServices) {
    this.platform = platform;
    this.host = host;
  }
}
