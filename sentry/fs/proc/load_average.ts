// SPDX-License-Identifier: Apache-2.0

/**
 * Load averages: exponentially damped means of the number of runnable tasks, sampled every five seconds.
 *
 * Linux: kernel/sched/loadavg.c
 */
import type { Kernel } from '../../kernel/kernel.ts';
import { TASK_KERNEL, TASK_USER } from '../../kernel/task.ts';

const INTERVAL_NS = 5_000_000_000;
const FACTORS = [60, 300, 900].map((seconds) => Math.exp(-5 / seconds));
/** Samples made up for at most when nobody looked for a while. */
const MAX_CATCH_UP = 4000;

export class LoadAverage {
  private readonly kernel: Kernel;
  private readonly averages = [0, 0, 0];
  private sampledNs: number;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.sampledNs = kernel.clock.monotonicNs();
  }

  /** "0.00 0.01 0.05": the samples since the last call are taken with the number of runnable tasks now. */
  text(): string {
    this.sample();
    return this.averages.map((average) => average.toFixed(2)).join(' ');
  }

  private sample(): void {
    const now = this.kernel.clock.monotonicNs();
    const due = Math.min(MAX_CATCH_UP, Math.floor((now - this.sampledNs) / INTERVAL_NS));
    if (due <= 0) return;
    this.sampledNs = now;
    let active = 0;
    for (const task of this.kernel.tasks.values()) if (task.state === TASK_KERNEL || task.state === TASK_USER) active++;
    for (let i = 0; i < 3; i++) {
      const kept = (FACTORS[i] as number) ** due;
      this.averages[i] = (this.averages[i] as number) * kept + active * (1 - kept);
    }
  }
}
