// SPDX-License-Identifier: Apache-2.0

/**
 * MemoryWatch: the out-of-memory killer of a sandbox with a memory limit.
 *
 * Linux:   mm/oom_kill.c (out_of_memory, oom_badness)
 * Differs: memory is looked at now and then, sooner the nearer it is to the limit: what a program touches between two looks
 *          can pass the limit for that long. Only a host cgroup stops it at the byte.
 */
import { SIGKILL, SI_KERNEL } from '../../platform/abi/linux/signal.ts';
import { makeSigInfo } from '../arch/siginfo.ts';
import type { MemoryBudget } from '../mm/memory_budget.ts';
import { CallbackTimer } from '../time/timer_heap.ts';
import type { Kernel } from './kernel.ts';
import { isKillPending, sendToGroup } from './signal/send.ts';
import type { Task } from './task.ts';

/** How fast memory can be touched, bytes per second: decides when the next look is due. */
const FILL_RATE = 8e9;
const MIN_INTERVAL_NS = 10e6;
const MAX_INTERVAL_NS = 500e6;
/** A look may take at most one part in this many of the time. */
const DUTY = 50;
const OOM_SCORE_ADJ_MIN = -1000;

export class MemoryWatch {
  private readonly kernel: Kernel;
  private readonly budget: MemoryBudget;
  private readonly timer: CallbackTimer;
  private readonly sample = new Float64Array(3);

  constructor(kernel: Kernel, budget: MemoryBudget) {
    this.kernel = kernel;
    this.budget = budget;
    this.timer = new CallbackTimer((now) => this.look(now));
    kernel.timers.arm(this.timer, kernel.clock.monotonicNs() + MIN_INTERVAL_NS);
  }

  private look(startNs: number): void {
    const used = this.budget.measure();
    const free = this.budget.limit - used;
    if (free < 0) this.killLargest(used);
    const now = this.kernel.clock.monotonicNs();
    const due = Math.max(MIN_INTERVAL_NS, (free / FILL_RATE) * 1e9, (now - startNs) * DUTY);
    this.kernel.timers.arm(this.timer, now + Math.min(due, MAX_INTERVAL_NS));
  }

  private killLargest(used: number): void {
    let victim: Task | null = null;
    let most = Number.NEGATIVE_INFINITY;
    for (const task of this.kernel.tasks.values()) {
      const group = task.threadGroup;
      if (!task.isLive || group.leader !== task || group.oomScoreAdj === OOM_SCORE_ADJ_MIN) continue;
      // One that is dying gives its memory back soon: nobody else has to die meanwhile.
      if (isKillPending(task)) return;
      if (task.mm.addressSpace.usage(this.sample) < 0) continue;
      const badness = (this.sample[0] as number) + (group.oomScoreAdj / 1000) * this.budget.limit;
      if (badness <= most) continue;
      most = badness;
      victim = task;
    }
    if (victim === null) return;
    const name = `${victim.comm} (${victim.tid})`;
    this.kernel.host.log('error', `out of memory: ${used} bytes used of ${this.budget.limit}: killed ${name}`);
    sendToGroup(victim.threadGroup, makeSigInfo(SIGKILL, SI_KERNEL), { force: true });
  }
}
