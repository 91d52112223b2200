// SPDX-License-Identifier: Apache-2.0

/**
 * capget, capset.
 *
 * Linux: kernel/capability.c, security/commoncap.c (cap_capset)
 */
import { CAP_SETPCAP } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import type { CapSet } from '../../sentry/auth/credentials.ts';
import { capAnd, capIsSubset, capOr } from '../../sentry/auth/exec_credentials.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const VERSION_1 = 0x19980330;
const VERSION_2 = 0x20071026;
const VERSION_3 = 0x20080522;
const VALID_HI = 0x1ff;
const buffer = new Uint8Array(24);
const words = new Uint32Array(buffer.buffer);

/** Number of 32-bit words a set has in the header's version; 0 after writing back the preferred version. */
function wordsOf(t: Task, header: number): number {
  const version = t.memory.readU32(header);
  if (version < 0) return EFAULT;
  if (version === VERSION_1) return 1;
  if (version === VERSION_2 || version === VERSION_3) return 2;
  return t.memory.writeU32(header, VERSION_3) === 0 ? 0 : EFAULT;
}

export function sys_capget(t: Task, header: number, data: number): number {
  const count = wordsOf(t, header);
  if (count < 0) return count;
  if (count === 0) return data === 0 ? 0 : EINVAL;
  const pidWord = t.memory.readU32(header + 4);
  if (pidWord < 0) return EFAULT;
  const pid = pidWord | 0;
  if (pid < 0) return EINVAL;
  const target = pid === 0 ? t : t.pidNs.tasks.get(pid);
  if (target === undefined) return ESRCH;
  if (data === 0) return 0;
  const { effective, permitted, inheritable } = target.creds;
  for (let i = 0; i < 2; i++) {
    words[i * 3] = effective[i] as number;
    words[i * 3 + 1] = permitted[i] as number;
    words[i * 3 + 2] = inheritable[i] as number;
  }
  return t.memory.copyOut(data, buffer, 0, count * 12) === count * 12 ? 0 : EFAULT;
}

export function sys_capset(t: Task, header: number, data: number): number {
  const count = wordsOf(t, header);
  if (count < 0) return count;
  if (count === 0) return EINVAL;
  const pidWord = t.memory.readU32(header + 4);
  if (pidWord < 0) return EFAULT;
  if (pidWord !== 0 && pidWord !== t.tidIn(t.pidNs)) return EPERM;
  buffer.fill(0);
  if (t.memory.copyIn(data, buffer, 0, count * 12) !== count * 12) return EFAULT;
  const set = (at: number): CapSet => [words[at] as number, (words[at + 3] as number) & VALID_HI];
  const effective = set(0);
  const permitted = set(1);
  const inheritable = set(2);
  const old = t.creds;
  if (!old.hasOwnCap(CAP_SETPCAP) && !capIsSubset(inheritable, capOr(old.inheritable, old.permitted))) return EPERM;
  if (!capIsSubset(inheritable, capOr(old.inheritable, old.bounding))) return EPERM;
  if (!capIsSubset(permitted, old.permitted) || !capIsSubset(effective, permitted)) return EPERM;
  const creds = old.clone();
  creds.effective = effective;
  creds.permitted = permitted;
  creds.inheritable = inheritable;
  creds.ambient = capAnd(creds.ambient, capAnd(permitted, inheritable));
  t.creds = creds;
  return 0;
}
