// SPDX-License-Identifier: Apache-2.0

/**
 * membarrier(2): makes the other running threads pass a memory barrier. The host does it, asked by a thread of the same address space.
 *
 * Linux: kernel/sched/membarrier.c
 */
import { EINVAL, EPERM } from '../../platform/abi/linux/errno.ts';
import { TASK_USER, type Task } from '../../sentry/kernel/task.ts';
import type { MemoryManager } from '../../sentry/mm/memory_manager.ts';

const MEMBARRIER_CMD_QUERY = 0;
const MEMBARRIER_CMD_GLOBAL = 1;
const MEMBARRIER_CMD_GLOBAL_EXPEDITED = 2;
const MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED = 4;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED = 8;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 16;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 32;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ = 128;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256;
const MEMBARRIER_CMD_FLAG_CPU = 1;
const MEMBARRIER_CMD_GET_REGISTRATIONS = 512;
const SUPPORTED = 0x3ff;

export function sys_membarrier(t: Task, command: number, flags: number, cpu: number): number {
  if (command === MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) return restartSequences(t, flags, cpu);
  if (flags !== 0) return EINVAL;
  switch (command) {
    case MEMBARRIER_CMD_QUERY:
      return SUPPORTED;
    case MEMBARRIER_CMD_GLOBAL:
      return barrierEverywhere(t, false);
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return barrierEverywhere(t, true);
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
      t.mm.barriers |= command;
      return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
      if ((t.mm.barriers & (command * 2)) === 0) return EPERM;
      return barrierIn(t, t.mm, command === MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
    case MEMBARRIER_CMD_GET_REGISTRATIONS:
      return t.mm.barriers;
    default:
      return EINVAL;
  }
}

/** The threads of one address space. Alone, the caller has been through the kernel, which is barrier enough. */
function barrierIn(t: Task, mm: MemoryManager, syncsCore: boolean): number {
  if (mm === t.mm && mm.userCount === 1) return 0;
  return mm.addressSpace.barrier?.(syncsCore ? 'core' : 'memory', -1) ?? EINVAL;
}

/** Critical sections that run now (on one processor: with MEMBARRIER_CMD_FLAG_CPU) are begun again. */
function restartSequences(t: Task, flags: number, cpu: number): number {
  if ((flags & ~MEMBARRIER_CMD_FLAG_CPU) !== 0) return EINVAL;
  if ((t.mm.barriers & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ) === 0) return EPERM;
  if (flags !== 0 && cpu < 0) return 0;
  if (t.mm.userCount === 1) return 0;
  return t.mm.addressSpace.barrier?.('sequences', flags === 0 ? -1 : cpu) ?? EINVAL;
}

/** All address spaces in which a thread runs; `registeredOnly`: those that asked for it. */
function barrierEverywhere(t: Task, registeredOnly: boolean): number {
  const seen = new Set<MemoryManager>();
  for (const task of t.kernel.tasks.values()) {
    if (task.state !== TASK_USER || seen.has(task.mm)) continue;
    seen.add(task.mm);
    if (registeredOnly && (task.mm.barriers & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) === 0) continue;
    barrierIn(t, task.mm, false);
  }
  return 0;
}
