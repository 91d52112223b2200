// SPDX-License-Identifier: Apache-2.0

/**
 * System call user dispatch: calls from outside one range of code become SIGSYS while a byte of the program's says so.
 *
 * Linux: kernel/entry/syscall_user_dispatch.c; prctl(2), PR_SET_SYSCALL_USER_DISPATCH
 */
import { EFAULT, EINVAL } from '../../../platform/abi/linux/errno.ts';
import { SIGSEGV, SIGSYS } from '../../../platform/abi/linux/signal.ts';
import { REG_RAX, REG_RIP } from '../../../platform/registers.ts';
import { makeSigInfo } from '../../arch/siginfo.ts';
import { dieOfSignal, forceSignal } from '../signal/deliver.ts';
import type { Task } from '../task.ts';

const PR_SYS_DISPATCH_OFF = 0;
const PR_SYS_DISPATCH_ON = 1;
const ALLOW = 0;
const BLOCK = 1;
const SYS_USER_DISPATCH = 2;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const USER_END = 2 ** 47 - 4096;

/** Where calls are always let through, and the address of the byte that decides about all others (0: they are never). */
export interface UserDispatch {
  readonly start: number;
  readonly length: number;
  readonly selector: number;
}

const selected = new Uint8Array(1);

/** The prctl. Errors: EINVAL, EFAULT. */
export function setUserDispatch(t: Task, mode: number, start: number, length: number, selector: number): number {
  if (mode === PR_SYS_DISPATCH_OFF) {
    if (start !== 0 || length !== 0 || selector !== 0) return EINVAL;
    t.userDispatch = null;
    return 0;
  }
  if (mode !== PR_SYS_DISPATCH_ON) return EINVAL;
  if (start !== 0 && (length === 0 || start + length >= 2 ** 64)) return EINVAL;
  if (selector < 0 || selector >= USER_END) return EFAULT;
  t.userDispatch = { start, length, selector };
  return 0;
}

/** Does system call `nr` become a signal? Then it is not made, and the registers are as they were before it. */
export function isDispatched(t: Task, { start, length, selector }: UserDispatch, nr: number): boolean {
  const { regs } = t;
  const at = regs.u64(REG_RIP);
  if (at >= start && at - start < length) return false;
  if (selector !== 0) {
    if (t.memory.copyIn(selector, selected, 0, 1) !== 1) {
      dieOfSignal(t, SIGSEGV, true);
      return true;
    }
    if (selected[0] === ALLOW) return false;
    if (selected[0] !== BLOCK) {
      dieOfSignal(t, SIGSYS, true);
      return true;
    }
  }
  const info = makeSigInfo(SIGSYS, SYS_USER_DISPATCH);
  info.addr = at;
  info.status = nr;
  new DataView(info.bytes.buffer).setUint32(28, AUDIT_ARCH_X86_64, true);
  regs.set(REG_RAX, nr);
  forceSignal(t, info);
  return true;
}
