// SPDX-License-Identifier: Apache-2.0

/**
 * May one task look into another? The rule behind ptrace attach, process_vm_readv, /proc/pid/mem and many /proc files.
 *
 * Linux: kernel/ptrace.c (__ptrace_may_access); ptrace(2), "Ptrace access mode checking"
 */
import type { Task } from '../task.ts';
import type { ThreadGroup } from './thread_group.ts';

const CAP_SYS_PTRACE = 19;

/** `useFsIds`: compare the caller's fsuid/fsgid (PTRACE_MODE_FSCREDS, /proc) instead of its real ids. */
export function mayPtraceAccess(caller: Task, target: Task, useFsIds = false): boolean {
  if (caller.threadGroup === target.threadGroup) return true;
  const mine = caller.creds;
  const theirs = target.creds;
  if (mine.hasCap(CAP_SYS_PTRACE)) return true;
  const uid = useFsIds ? mine.fsuid : mine.ruid;
  const gid = useFsIds ? mine.fsgid : mine.rgid;
  if (uid !== theirs.euid || uid !== theirs.suid || uid !== theirs.ruid) return false;
  if (gid !== theirs.egid || gid !== theirs.sgid || gid !== theirs.rgid) return false;
  if (target.mm.dumpable !== 1) return false;
  const [lowP, highP] = theirs.permitted;
  const [lowE, highE] = mine.permitted;
  return (lowP & ~lowE) === 0 && (highP & ~highE) === 0;
}

/** Tasks that may attach whoever their tracee is (PR_SET_PTRACER): a process, or anybody. */
export type Ptracer = ThreadGroup | 'any' | null;

/** sysctl kernel.yama.ptrace_scope. */
export const yama = { scope: 1 };

function isDescendant(of: ThreadGroup, group: ThreadGroup): boolean {
  for (let up: ThreadGroup | null = group; up !== null; up = up.parent) if (up === of) return true;
  return false;
}

/** May `caller` attach to `target` with ptrace? The access rule, and what Yama adds. Linux: security/yama/yama_lsm.c */
export function mayAttach(caller: Task, target: Task): boolean {
  if (!mayPtraceAccess(caller, target)) return false;
  if (yama.scope === 0 || (yama.scope < 3 && caller.creds.hasCap(CAP_SYS_PTRACE))) return true;
  if (yama.scope >= 2) return false;
  const { ptracer } = target.threadGroup;
  return (
    isDescendant(caller.threadGroup, target.threadGroup) ||
    ptracer === 'any' ||
    (ptracer !== null && isDescendant(ptracer, caller.threadGroup))
  );
}
