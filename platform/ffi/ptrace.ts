// SPDX-License-Identifier: Apache-2.0

/**
 * ptrace(2) and wait4(2) as the kernel has them: PTRACE_PEEK* stores through its data pointer, nothing goes through errno.
 */
import { defineSyscall } from './native.ts';

type Ptrace = (request: number, tid: number, addr: number, data: number) => number;
let ptraceFn: Ptrace | null = null;

/** Raw ptrace(2); `data` is a value or the address of memory of ours (see allocateNative). */
export function ptrace(request: number, tid: number, addr: number, data: number): number {
  if (ptraceFn === null) ptraceFn = defineSyscall<Ptrace>(101, 'iiii');
  return ptraceFn(request, tid, addr, data);
}

type Wait4 = (pid: number, status: number, options: number, rusage: number) => number;
let wait4Fn: Wait4 | null = null;

/** Raw wait4(2); `statusAddr` and `rusageAddr` are addresses of our own memory or 0. Returns pid, 0 (WNOHANG) or a negative errno. */
export function wait4(pid: number, statusAddr: number, options: number, rusageAddr = 0): number {
  if (wait4Fn === null) wait4Fn = defineSyscall<Wait4>(61, 'iiii');
  return wait4Fn(pid, statusAddr, options, rusageAddr);
}
