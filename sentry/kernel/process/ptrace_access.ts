// SPDX-License-Identifier: Apache-2.0

/**
 * May one task look into another? The rule behind ptrace attach, process_vm_readv, /proc/pid/mem and many /proc files.
 *
 * Linux: kernel/ptrace.c (__ptrace_may_access); ptrace(2), "Ptrace access mode checking"
 */
import { capIsSubset } from '../../auth/exec_credentials.ts';
import type { Task } from '../task.ts';
import type { ThreadGroup } from './thread_group.ts';

const CAP_SYS_PTRACE = 19;

/** `useFsIds`: compare the caller's fsuid/fsgid (PTRACE_MODE_FSCREDS, /proc) instead of its real ids. */
export function mayPtraceAccess(caller: Task, target: Task, useFsIds = false): boolean {
  if (caller.threadGroup === target.threadGroup) return true;
  const mine = caller.creds;
  const theirs = target.creds;
  const isCapable = mine.hasCapIn(theirs.userNs, CAP_SYS_PTRACE);
  const uid = useFsIds ? mine.fsuid : mine.ruid;
  const gid = useFsIds ? mine.fsgid : mine.rgid;
  const isSame =
    uid === theirs.euid &&
    uid === theirs.suid &&
    uid === theirs.ruid &&
    gid === theirs.egid &&
    gid === theirs.sgid &&
    gid === theirs.rgid;
  if (!isSame && !isCapable) return false;
  const hasMm = target.isLive && target.mm.userCount > 0;
  if (hasMm && target.mm.dumpable !== 1 && !mine.hasCapIn(target.mm.userNs ?? caller.kernel.userNs, CAP_SYS_PTRACE))
    return false;
  return isCapable || (mine.userNs === theirs.userNs && capIsSubset(theirs.permitted, useFsIds ? mine.effective : mine.permitted));
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
  if (yama.scope === 0 || (yama.scope < 3 && caller.creds.hasCapIn(target.creds.userNs, CAP_SYS_PTRACE))) return true;
  if (yama.scope >= 2) return false;
  const { ptracer } = target.threadGroup;
  return (
    isDescendant(caller.threadGroup, target.threadGroup) ||
    ptracer === 'any' ||
    (ptracer !== null && isDescendant(ptracer, caller.threadGroup))
  );
}
