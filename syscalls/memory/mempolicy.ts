// SPDX-License-Identifier: Apache-2.0

/**
 * Memory policy calls on a machine with one node: arguments are checked, policies are remembered, nothing moves.
 *
 * Linux: mm/mempolicy.c, mm/migrate.c
 */
import { E2BIG, EFAULT, EINVAL, ENODEV, ENOENT, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import * as M from '../../platform/abi/linux/mman.ts';
import { mayPtraceAccess } from '../../sentry/kernel/process/ptrace_access.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { MemoryPolicy } from '../../sentry/mm/vma.ts';
import { pageAlign } from '../../sentry/mm/munmap.ts';

const DEFAULT: MemoryPolicy = { mode: M.MPOL_DEFAULT, hasNode: false };
const MODE_FLAGS = M.MPOL_F_STATIC_NODES | M.MPOL_F_RELATIVE_NODES | M.MPOL_F_NUMA_BALANCING;
const MF_VALID = M.MPOL_MF_STRICT | M.MPOL_MF_MOVE | M.MPOL_MF_MOVE_ALL;
const CAP_SYS_NICE = 23;
/** Longest node mask Linux reads, in bits. */
const MAX_MASK_BITS = 4096 * 8;

/** Most pages in one call: the loop must end soon. */
const MAX_MOVED = 1 << 20;

/** Reads a node mask: 1 when node 0 is in it, 0 when empty. Errors: EINVAL (other nodes, too long), EFAULT. */
function readMask(t: Task, addr: number, maxnode: number): number {
  const bits = maxnode - 1;
  if (maxnode === 0 || bits === 0 || addr === 0) return 0;
  if (bits > MAX_MASK_BITS) return EINVAL;
  const bytes = new Uint8Array(Math.ceil(bits / 64) * 8);
  if (t.memory.copyIn(addr, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  for (let bit = 1; bit < bits; bit++) if (((bytes[bit >> 3] as number) >> (bit & 7)) & 1) return EINVAL;
  return (bytes[0] as number) & 1;
}

/** The policy for a mode word and mask, or errno. */
function parsePolicy(t: Task, word: number, addr: number, maxnode: number): MemoryPolicy | number {
  const mode = word & ~MODE_FLAGS;
  const flags = word & MODE_FLAGS;
  if (mode < 0 || mode > M.MPOL_WEIGHTED_INTERLEAVE) return EINVAL;
  const both = M.MPOL_F_STATIC_NODES | M.MPOL_F_RELATIVE_NODES;
  if (
    (flags & both) === both ||
    ((flags & M.MPOL_F_NUMA_BALANCING) !== 0 && mode !== M.MPOL_BIND && mode !== M.MPOL_PREFERRED_MANY)
  )
    return EINVAL;
  const mask = readMask(t, addr, maxnode);
  if (mask < 0) return mask;
  if (mode === M.MPOL_DEFAULT) return mask !== 0 || flags !== 0 ? EINVAL : DEFAULT;
  if (mode === M.MPOL_LOCAL) return mask !== 0 || flags !== 0 ? EINVAL : { mode, hasNode: false };
  if (mode === M.MPOL_PREFERRED && mask === 0) return flags !== 0 ? EINVAL : { mode: M.MPOL_LOCAL, hasNode: false };
  return mask === 0 ? EINVAL : { mode: word, hasNode: true };
}

export function sys_set_mempolicy(t: Task, mode: number, nodemask: number, maxnode: number): number {
  const policy = parsePolicy(t, mode, nodemask, maxnode);
  if (typeof policy === 'number') return policy;
  t.memoryPolicy = policy === DEFAULT ? null : policy;
  return 0;
}

export function sys_mbind(
  t: Task,
  start: number,
  length: number,
  mode: number,
  nodemask: number,
  maxnode: number,
  flags: number,
): number {
  if ((flags & ~MF_VALID) !== 0) return EINVAL;
  if ((flags & M.MPOL_MF_MOVE_ALL) !== 0 && !t.creds.hasCap(CAP_SYS_NICE)) return EPERM;
  if (start % M.PAGE_SIZE !== 0 || mode > 0xffffffff) return EINVAL;
  const policy = parsePolicy(t, mode | 0, nodemask, maxnode);
  if (typeof policy === 'number') return policy;
  const end = start + pageAlign(length);
  if (end >= 2 ** 64) return EINVAL;
  if (end === start) return 0;
  if (!t.mm.vmas.covers(start, end)) return EFAULT;
  t.mm.vmas.update(start, end, (vma) => {
    vma.policy = policy === DEFAULT ? null : policy;
  });
  return 0;
}

export function sys_get_mempolicy(
  t: Task,
  policyAddr: number,
  nodemask: number,
  maxnode: number,
  addr: number,
  flags: number,
): number {
  if ((flags & ~(M.MPOL_F_NODE | M.MPOL_F_ADDR | M.MPOL_F_MEMS_ALLOWED)) !== 0) return EINVAL;
  if (nodemask !== 0 && maxnode < 1) return EINVAL;
  let policy = t.memoryPolicy ?? DEFAULT;
  let word = policy.mode;
  let mask = policy.hasNode ? 1 : 0;
  if ((flags & M.MPOL_F_MEMS_ALLOWED) !== 0) {
    if ((flags & (M.MPOL_F_NODE | M.MPOL_F_ADDR)) !== 0) return EINVAL;
    word = 0;
    mask = 1;
  } else if ((flags & M.MPOL_F_ADDR) !== 0) {
    const vma = t.mm.vmas.find(addr);
    if (vma === null) return EFAULT;
    policy = vma.policy ?? DEFAULT;
    word = policy.mode;
    mask = policy.hasNode ? 1 : 0;
    if ((flags & M.MPOL_F_NODE) !== 0) word = 0;
  } else {
    if (addr !== 0) return EINVAL;
    if ((flags & M.MPOL_F_NODE) !== 0) {
      if ((word & ~MODE_FLAGS) !== M.MPOL_INTERLEAVE && (word & ~MODE_FLAGS) !== M.MPOL_WEIGHTED_INTERLEAVE)
        return EINVAL;
      word = 0;
    }
  }
  if (policyAddr !== 0 && t.memory.writeU32(policyAddr, word) < 0) return EFAULT;
  return nodemask === 0 ? 0 : writeMask(t, nodemask, maxnode, mask);
}

function writeMask(t: Task, addr: number, maxnode: number, mask: number): number {
  const length = Math.ceil((maxnode - 1) / 64) * 8;
  if (length > M.PAGE_SIZE) return EINVAL;
  const bytes = new Uint8Array(length);
  if (length > 0) bytes[0] = mask;
  return length === 0 || t.memory.copyOut(addr, bytes, 0, length) === length ? 0 : EFAULT;
}

/** Moves all pages of a process between nodes: with one node there is nothing to move. */
export function sys_migrate_pages(t: Task, pid: number, maxnode: number, oldNodes: number, newNodes: number): number {
  const from = readMask(t, oldNodes, maxnode);
  if (from < 0) return from;
  const to = readMask(t, newNodes, maxnode);
  if (to < 0) return to;
  const target = pid === 0 ? t : t.pidNs.tasks.get(pid);
  if (target === undefined) return ESRCH;
  if (!mayPtraceAccess(t, target)) return EPERM;
  return to === 0 ? EINVAL : 0;
}

/** Reports (nodes null) or "moves" single pages: mapped pages are on node 0. */
export function sys_move_pages(
  t: Task,
  pid: number,
  count: number,
  pages: number,
  nodes: number,
  status: number,
  flags: number,
): number {
  if ((flags & ~(M.MPOL_MF_MOVE | M.MPOL_MF_MOVE_ALL)) !== 0) return EINVAL;
  if ((flags & M.MPOL_MF_MOVE_ALL) !== 0 && !t.creds.hasCap(CAP_SYS_NICE)) return EPERM;
  const target = pid === 0 ? t : t.pidNs.tasks.get(pid);
  if (target === undefined) return ESRCH;
  if (!mayPtraceAccess(t, target)) return EPERM;
  if (count > MAX_MOVED) return E2BIG;
  for (let i = 0; i < count; i++) {
    const page = t.memory.readU64(pages + i * 8);
    if (page < 0) return EFAULT;
    let result: number = target.mm.vmas.find(page) === null ? EFAULT : 0;
    if (result === 0 && target.memory.readU32(page - (page % 4)) < 0) result = ENOENT;
    if (nodes !== 0) {
      const node = t.memory.readU32(nodes + i * 4);
      if (node < 0) return EFAULT;
      if (node !== 0) return ENODEV;
    }
    if (status !== 0 && t.memory.writeU32(status + i * 4, result) < 0) return EFAULT;
  }
  return 0;
}

export function sys_set_mempolicy_home_node(
  t: Task,
  start: number,
  length: number,
  node: number,
  flags: number,
): number {
  if (start % M.PAGE_SIZE !== 0 || flags !== 0 || node !== 0) return EINVAL;
  const end = start + pageAlign(length);
  if (end >= 2 ** 64) return EINVAL;
  return end === start || t.mm.vmas.covers(start, end) ? 0 : ENOENT;
}
