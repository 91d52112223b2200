// SPDX-License-Identifier: Apache-2.0

/**
 * rseq(2): registering a thread's struct rseq. The host keeps it (see PlatformThread.setSequences); what is asked is checked here, and the
 * application's signature stays here.
 *
 * Linux: kernel/rseq.c
 */
import { EBUSY, EFAULT, EINVAL, ENOSYS, EPERM } from '../../platform/abi/linux/errno.ts';
import type { PlatformThread } from '../../platform/platform.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const RSEQ_FLAG_UNREGISTER = 1;
/** Size of the first struct rseq, the alignment it asks for, and where the present one ends. */
const ORIG_RSEQ_SIZE = 32;
const RSEQ_ALIGN = 32;
const RSEQ_END = 28;

export function sys_rseq(t: Task, addr: number, length: number, flags: number, signature: number): number {
  if ((flags & RSEQ_FLAG_UNREGISTER) !== 0) return unregister(t, addr, length, flags, signature);
  if (flags !== 0) return EINVAL;
  if (t.rseqAddr !== 0) return sameRegistration(t, addr, length, signature) || EBUSY;
  const isOriginal = length === ORIG_RSEQ_SIZE;
  if (length < ORIG_RSEQ_SIZE || addr % (isOriginal ? ORIG_RSEQ_SIZE : RSEQ_ALIGN) !== 0) return EINVAL;
  if (!isOriginal && length < RSEQ_END) return EINVAL;
  if (addr + length > t.mm.addressSpace.layout.maxAddr) return EFAULT;
  const r = (t.thread as PlatformThread).setSequences?.(addr, length, signature) ?? ENOSYS;
  if (r < 0) return r;
  t.rseqAddr = addr;
  t.rseqLength = length;
  t.rseqSignature = signature;
  return 0;
}

/** Is it the thread's own registration that is meant? Returns 0, EINVAL or EPERM. */
function sameRegistration(t: Task, addr: number, length: number, signature: number): number {
  if (addr !== t.rseqAddr || length !== t.rseqLength) return EINVAL;
  return signature === t.rseqSignature ? 0 : EPERM;
}

function unregister(t: Task, addr: number, length: number, flags: number, signature: number): number {
  if (flags !== RSEQ_FLAG_UNREGISTER || t.rseqAddr === 0) return EINVAL;
  const wrong = sameRegistration(t, addr, length, signature);
  if (wrong !== 0) return wrong;
  const r = (t.thread as PlatformThread).unsetSequences?.() ?? 0;
  if (r < 0) return r;
  t.rseqAddr = 0;
  return 0;
}
