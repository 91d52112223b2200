// SPDX-License-Identifier: Apache-2.0

/**
 * lsm_list_modules(2), lsm_get_self_attr(2), lsm_set_self_attr(2): capabilities are the one security module, and have no attributes.
 *
 * Linux: security/lsm_syscalls.c, security/security.c (security_getselfattr)
 */
import { E2BIG, EFAULT, EINVAL, EOPNOTSUPP } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const LSM_ID_CAPABILITY = 100;
const LSM_FLAG_SINGLE = 1;
/** struct lsm_ctx without its text: id, flags, len, ctx_len. */
const LSM_CTX_SIZE = 32;
const PAGE = 4096;

export function sys_lsm_list_modules(t: Task, ids: number, sizeAddr: number, flags: number): number {
  if (flags !== 0) return EINVAL;
  const size = t.memory.readU32(sizeAddr);
  if (size < 0 || t.memory.writeU32(sizeAddr, 8) < 0) return EFAULT;
  if (size < 8) return E2BIG;
  return t.memory.writeU64(ids, LSM_ID_CAPABILITY) < 0 ? EFAULT : 1;
}

export function sys_lsm_get_self_attr(t: Task, attr: number, ctx: number, sizeAddr: number, flags: number): number {
  if (attr === 0 || sizeAddr === 0) return EINVAL;
  if (t.memory.readU32(sizeAddr) < 0) return EFAULT;
  if (flags !== 0) {
    if (flags !== LSM_FLAG_SINGLE || ctx === 0) return EINVAL;
    const bytes = new Uint8Array(LSM_CTX_SIZE);
    if (t.memory.copyIn(ctx, bytes, 0, LSM_CTX_SIZE) !== LSM_CTX_SIZE) return EFAULT;
    if (bytes.subarray(0, 8).every((byte) => byte === 0)) return EINVAL;
  }
  return t.memory.writeU32(sizeAddr, 0) < 0 ? EFAULT : EOPNOTSUPP;
}

export function sys_lsm_set_self_attr(t: Task, _attr: number, ctx: number, size: number, flags: number): number {
  if (flags !== 0 || size < LSM_CTX_SIZE) return EINVAL;
  if (size > PAGE) return E2BIG;
  const bytes = new Uint8Array(size);
  if (t.memory.copyIn(ctx, bytes, 0, size) !== size) return EFAULT;
  const view = new DataView(bytes.buffer);
  const [length, textLength] = [16, 24].map((at) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296) as [number, number];
  return size < length || length < LSM_CTX_SIZE + textLength ? EINVAL : EOPNOTSUPP;
}
