// SPDX-License-Identifier: Apache-2.0

/**
 * ptrace(2)'s requests about a tracee's seccomp filters, for who checkpoints it: the oldest filter has number 0.
 *
 * Linux: kernel/seccomp.c (get_nth_filter, seccomp_get_filter, seccomp_get_metadata)
 */
import { CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import { EACCES, EFAULT, EINVAL, ENOENT, EPERM, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { PTRACE_O_SUSPEND_SECCOMP } from '../../platform/abi/linux/ptrace.ts';
import { filterBytes } from '../../sentry/kernel/seccomp/bpf.ts';
import { SECCOMP_MODE_FILTER, type SeccompFilter } from '../../sentry/kernel/seccomp/seccomp.ts';
import type { Task } from '../../sentry/kernel/task.ts';

const FILTER_FLAG_LOG = 2;
/** struct seccomp_metadata: filter_off, flags. */
const METADATA_SIZE = 16;

/** Who has filters of its own, or no right to administer, may not look. */
function mayLook(t: Task): boolean {
  return t.creds.hasCap(CAP_SYS_ADMIN) && t.seccomp === null;
}

/** check_ptrace_options(): may the tracer set them? Returns 0 or EPERM. */
export function mayHaveOptions(t: Task, options: number): number {
  return (options & PTRACE_O_SUSPEND_SECCOMP) !== 0 && !mayLook(t) ? EPERM : 0;
}

function nthFilter(tracee: Task, wanted: number): SeccompFilter | Errno {
  if (tracee.seccomp === null || tracee.seccomp.mode !== SECCOMP_MODE_FILTER) return EINVAL;
  const chain: SeccompFilter[] = [];
  for (let at = tracee.seccomp.filter; at !== null; at = at.previous) chain.push(at);
  return chain[chain.length - 1 - wanted] ?? ENOENT;
}

/** PTRACE_SECCOMP_GET_FILTER: instructions to `data` unless that is 0. Returns how many there are. */
export function readFilter(t: Task, tracee: Task, number: number, data: number): number {
  if (!mayLook(t)) return EACCES;
  const filter = nthFilter(tracee, number);
  if (isErrno(filter)) return filter;
  const bytes = filterBytes(filter.program);
  if (data !== 0 && t.memory.copyOut(data, bytes, 0, bytes.length) !== bytes.length) return EFAULT;
  return bytes.length / 8;
}

/** PTRACE_SECCOMP_GET_METADATA: the flags of the filter whose number stands at `data`. Returns the bytes written. */
export function readFilterMetadata(t: Task, tracee: Task, size: number, data: number): number {
  if (!mayLook(t)) return EACCES;
  const length = Math.min(size, METADATA_SIZE);
  if (length < 8) return EINVAL;
  const number = t.memory.readU64(data);
  if (number < 0) return EFAULT;
  const filter = nthFilter(tracee, number);
  if (isErrno(filter)) return filter;
  const bytes = new Uint8Array(METADATA_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, number, true);
  view.setUint32(8, filter.logs ? FILTER_FLAG_LOG : 0, true);
  return t.memory.copyOut(data, bytes, 0, length) === length ? length : EFAULT;
}
