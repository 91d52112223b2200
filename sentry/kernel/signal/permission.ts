// SPDX-License-Identifier: Apache-2.0

/**
 * Who may send signals to whom, and the infos user-sent signals carry.
 *
 * Linux: kernel/signal.c (kill_ok_by_cred, check_kill_permission, prepare_kill_siginfo); kill(2)
 */
import { CAP_KILL } from '../../../platform/abi/linux/capability.ts';
import { EPERM } from '../../../platform/abi/linux/errno.ts';
import { SIGCONT } from '../../../platform/abi/linux/signal.ts';
import { makeSigInfo, type SigInfo } from '../../arch/siginfo.ts';
import type { Task } from '../task.ts';

/** 0, or EPERM when t may not send `signo` to `target`. */
export function checkKill(t: Task, target: Task, signo: number): number {
  if (target.threadGroup === t.threadGroup) return 0;
  const own = t.creds;
  const other = target.creds;
  if (own.euid === other.suid || own.euid === other.ruid || own.ruid === other.suid || own.ruid === other.ruid)
    return 0;
  if (own.hasCapIn(other.userNs, CAP_KILL)) return 0;
  if (signo === SIGCONT && t.threadGroup.session === target.threadGroup.session) return 0;
  return EPERM;
}

/** siginfo of kill(2) (SI_USER) or tgkill(2) (SI_TKILL) as `target` sees the sender. */
export function killInfo(t: Task, target: Task, signo: number, code: number): SigInfo {
  return makeSigInfo(signo, code, t.threadGroup.pidIn(target.pidNs), target.creds.userNs.showUid(t.creds.ruid));
}

/** True when the signal comes from an ancestor of the target's pid namespace: its init is not protected from that. */
export function isFromAncestor(t: Task, target: Task): boolean {
  return target.pidNs !== t.pidNs && t.pidNs.contains(target.pidNs);
}
