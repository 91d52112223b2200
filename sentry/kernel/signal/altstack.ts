// SPDX-License-Identifier: Apache-2.0

/**
 * Alternate signal stacks: sigaltstack(2) and its use by delivery and sigreturn.
 *
 * Linux: kernel/signal.c (do_sigaltstack), include/linux/sched/signal.h (sas_ss_flags, on_sig_stack)
 */
import { EINVAL, ENOMEM, EPERM } from '../../../platform/abi/linux/errno.ts';
import { MINSIGSTKSZ, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from '../../../platform/abi/linux/signal.ts';
import type { Task } from '../task.ts';

/** True when sp lies on t's alternate stack (never with SS_AUTODISARM: it is disarmed while in use). */
export function onAltStack(t: Task, sp: number): boolean {
  if ((t.altStackFlags & SS_AUTODISARM) !== 0) return false;
  return isOnStack(t, sp);
}

/** True when sp lies within the stack's bounds, whatever its flags. */
export function isOnStack(t: Task, sp: number): boolean {
  return t.altStackSize > 0 && sp > t.altStackAddr && sp - t.altStackAddr <= t.altStackSize;
}

/** SS_DISABLE, SS_ONSTACK or 0, for sigaltstack's old value. */
export function altStackStatus(t: Task, sp: number): number {
  if (t.altStackSize === 0) return SS_DISABLE;
  return onAltStack(t, sp) ? SS_ONSTACK : 0;
}

/** execve(2): there is no stack; the flags are those a process begins with. */
export function clearAltStack(t: Task): void {
  t.altStackAddr = 0;
  t.altStackSize = 0;
  t.altStackFlags = 0;
}

export function resetAltStack(t: Task): void {
  t.altStackAddr = 0;
  t.altStackSize = 0;
  t.altStackFlags = SS_DISABLE;
}

/** Installs a new alternate stack. Errors: EPERM while on it, EINVAL, ENOMEM (too small). */
export function setAltStack(t: Task, sp: number, addr: number, flags: number, size: number): number {
  if (onAltStack(t, sp)) return EPERM;
  const mode = (flags & ~SS_AUTODISARM) >>> 0;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return EINVAL;
  // What changes nothing is not looked at any closer.
  if (addr === t.altStackAddr && size === t.altStackSize && flags >>> 0 === t.altStackFlags) return 0;
  if (mode === SS_DISABLE) {
    t.altStackAddr = 0;
    t.altStackSize = 0;
  } else {
    if (size < MINSIGSTKSZ) return ENOMEM;
    t.altStackAddr = addr;
    t.altStackSize = size;
  }
  t.altStackFlags = flags >>> 0;
  return 0;
}
