// SPDX-License-Identifier: Apache-2.0

/**
 * The line Linux's audit writes of a call that a filter wants logged, or ends a process for. It goes to the runtime's log (--debug).
 *
 * Linux: kernel/auditsc.c (audit_seccomp)
 */
import { SIGSYS } from '../../../platform/abi/linux/signal.ts';
import { REG_RIP, type Registers } from '../../../platform/registers.ts';
import type { Task } from '../task.ts';

const AUDIT_SECCOMP = 1326;

/** Writes the line; `verdict` is what the filter answered. */
export function auditSeccomp(t: Task, nr: number, regs: Registers, verdict: number, outcome: 'goes on' | 'dies'): void {
  const { creds } = t;
  const ip = regs.hi32(REG_RIP) * 2 ** 32 + regs.u32(REG_RIP);
  const who = `uid=${creds.ruid} gid=${creds.rgid} pid=${t.tid} comm=${JSON.stringify(t.comm)}`;
  const what = `sig=${outcome === 'dies' ? SIGSYS : 0} arch=c000003e syscall=${nr} compat=0 ip=0x${ip.toString(16)} code=0x${(verdict >>> 0).toString(16)}`;
  t.kernel.host.log('info', `audit: type=${AUDIT_SECCOMP} ${who} ${what}`);
}
