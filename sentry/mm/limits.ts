// SPDX-License-Identifier: Apache-2.0

/**
 * The questions every growth of an address space must pass: RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK, the sandbox's cap.
 *
 * Linux: mm/vma.c (may_expand_vm, mlock_future_ok), mm/mlock.c (can_do_mlock)
 */
import type { Credentials } from '../auth/credentials.ts';
import type { MemoryLimits, MemoryManager } from './memory_manager.ts';
import { isAccountable, isDataMapping, VM_ACCOUNT, VM_LOCKED } from './vma.ts';

const CAP_IPC_LOCK = 14;

/** May `length` more bytes with these flags be mapped, under RLIMIT_AS and RLIMIT_DATA? */
export function mayExpand(mm: MemoryManager, flags: number, length: number, limits: MemoryLimits): boolean {
  if (mm.vmas.total + length > limits.addressSpace) return false;
  return !isDataMapping(flags) || mm.vmas.data + length <= limits.data;
}

/** May `length` more bytes be locked, when flags ask for it? */
export function mayLock(
  mm: MemoryManager,
  flags: number,
  length: number,
  limits: MemoryLimits,
  creds: Credentials | null,
): boolean {
  if ((flags & VM_LOCKED) === 0 || creds?.hasCap(CAP_IPC_LOCK) === true) return true;
  return mm.vmas.locked + length <= limits.memlock;
}

/** May this task lock memory at all? */
export function canLock(limits: MemoryLimits, creds: Credentials | null): boolean {
  return limits.memlock > 0 || creds?.hasCap(CAP_IPC_LOCK) === true;
}

/** Does the sandbox's own cap allow `length` more bytes of committed memory? */
export function fitsBudget(mm: MemoryManager, flags: number, length: number): boolean {
  const budget = mm.services.budget;
  if (budget === undefined) return true;
  return ((flags & VM_ACCOUNT) === 0 && !isAccountable(flags)) || budget.allows(length);
}
