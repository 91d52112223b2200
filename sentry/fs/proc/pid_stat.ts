// SPDX-License-Identifier: Apache-2.0

/**
 * Texts of /proc/pid/stat, status, limits, sched and the like.
 *
 * Linux: fs/proc/array.c (do_task_stat, proc_pid_status), fs/proc/base.c (proc_pid_limits)
 */
import type { SeccompState } from '../../kernel/seccomp/seccomp.ts';
import { SigSet } from '../../arch/sigset.ts';
import type { CapSet } from '../../auth/credentials.ts';
import { RLIMIT_SIGPENDING } from '../../kernel/process/rlimits.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { groupUsage, taskUsage } from '../../kernel/process/usage.ts';
import type { Task } from '../../kernel/task.ts';
import { memoryUsage, statusText } from '../../mm/usage.ts';
import type { IoContext } from '../../vfs/context.ts';
import { liveMm, mayAccess, type TaskScope } from './task_scope.ts';

const NS_PER_TICK = 10_000_000;
const ULONG_MAX = '18446744073709551615';
const PF_FORKNOEXEC = 0x40;
const PF_SUPERPRIV = 0x100;

const STATE_NAMES: Record<string, string> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  t: 't (tracing stop)',
  Z: 'Z (zombie)',
  X: 'X (dead)',
};

const ticks = (ns: number): number => Math.floor(ns / NS_PER_TICK);

/** CLOCK_BOOTTIME ns of the initial time namespace at which the task began. */
export function startBoottimeNs(t: Task): number {
  const { host } = t.kernel;
  return t.startTimeNs + (host.clock.boottimeNs() - host.clock.monotonicNs());
}

/** Number of the parent as the /proc instance shows it. */
function parentPid(group: ThreadGroup, scope: TaskScope): number {
  return group.parent?.pidIn(scope.pidNs) ?? 0;
}

/** A signal set's lower 31 bits as stat shows them. */
function statSignals(set: SigSet): number {
  return set.lo & 0x7fffffff;
}

function dispositions(group: ThreadGroup): { ignored: SigSet; caught: SigSet } {
  const ignored = new SigSet();
  const caught = new SigSet();
  group.handlers.summary(ignored, caught);
  return { ignored, caught };
}

/** tty_nr and tpgid. */
function terminal(group: ThreadGroup, scope: TaskScope): [number, number] {
  const { session } = group;
  if (session.tty === null) return [0, -1];
  return [session.tty.rdev, session.foreground?.idIn(scope.pidNs) ?? -1];
}

export function statText(t: Task, ctx: IoContext, scope: TaskScope): string {
  const group = t.threadGroup;
  const mm = liveMm(t);
  const usage = scope.isThread ? taskUsage(t) : groupUsage(group);
  const children = group.childUsage;
  const [ttyNr, tpgid] = terminal(group, scope);
  const { ignored, caught } = dispositions(group);
  const permitted = mayAccess(ctx, t) === 0;
  const memory = mm === null ? null : memoryUsage(mm);
  const rssLimit = group.rlimits.soft(5);
  const layout = mm !== null && permitted ? mm.layout : null;
  const isRealtime = t.schedPolicy === 1 || t.schedPolicy === 2;
  const dead = mm === null;
  return `${[
    t.tidIn(scope.pidNs),
    `(${t.comm})`,
    t.stateChar,
    parentPid(group, scope),
    dead && group.isReaped ? -1 : group.processGroup.idIn(scope.pidNs),
    group.session.idIn(scope.pidNs),
    ttyNr,
    tpgid,
    0x400000 | (group.hasExeced ? 0 : PF_FORKNOEXEC) | (t.creds.euid === 0 ? PF_SUPERPRIV : 0),
    usage.minorFaults,
    children.minorFaults,
    usage.majorFaults,
    children.majorFaults,
    ticks(usage.userNs),
    ticks(usage.systemNs),
    ticks(children.userNs),
    ticks(children.systemNs),
    isRealtime ? -1 - t.schedPriority : 20 + t.nice,
    t.nice,
    group.tasks.size,
    0,
    ticks(startBoottimeNs(t) + ((ctx as Partial<Task>).timeNs?.boottimeNs ?? 0)),
    memory?.size ?? 0,
    Math.floor((memory?.resident ?? 0) / 4096),
    rssLimit === Number.POSITIVE_INFINITY ? ULONG_MAX : rssLimit,
    dead ? 0 : (layout?.startCode ?? 1),
    dead ? 0 : (layout?.endCode ?? 1),
    layout?.startStack ?? 0,
    0,
    0,
    statSignals(t.pending.set),
    statSignals(t.blocked),
    statSignals(ignored),
    statSignals(caught),
    permitted && t.stateChar === 'S' ? 1 : 0,
    0,
    0,
    group.exitSignal,
    0,
    t.schedPriority,
    t.schedPolicy,
    0,
    0,
    0,
    layout?.startData ?? 0,
    layout?.endData ?? 0,
    layout?.startBrk ?? 0,
    layout?.argStart ?? 0,
    layout?.argEnd ?? 0,
    layout?.envStart ?? 0,
    layout?.envEnd ?? 0,
    permitted ? (dead ? t.exitStatus : 0) : 0,
  ].join(' ')}\n`;
}

const caps = (set: CapSet): string =>
  (set[1] >>> 0).toString(16).padStart(8, '0') + (set[0] >>> 0).toString(16).padStart(8, '0');

/** Escapes as seq_put_escaped does for names: backslash and newline. */
function escapeName(name: string): string {
  return name.replace(/\\/g, '\\\\').replace(/\n/g, '\\n');
}

/** Filters in a seccomp chain. */
function filterCount(state: SeccompState | null): number {
  let count = 0;
  for (let filter = state?.filter ?? null; filter !== null; filter = filter.previous) count++;
  return count;
}

/** CPU bit array as comma-separated 32-bit hex words, and as ranges. */
export function cpuMask(affinity: Uint8Array, cpuCount: number): { hex: string; list: string } {
  const has = (cpu: number): boolean => (((affinity[cpu >> 3] ?? 0) >> (cpu & 7)) & 1) === 1;
  const words: string[] = [];
  const list: string[] = [];
  for (let base = 0; base < cpuCount; base += 32) {
    let word = 0;
    const bits = Math.min(32, cpuCount - base);
    for (let i = 0; i < bits; i++) if (has(base + i)) word += 2 ** i;
    words.unshift(word.toString(16).padStart(base + 32 >= cpuCount ? Math.ceil(bits / 4) : 8, '0'));
  }
  for (let cpu = 0; cpu < cpuCount; cpu++) {
    if (!has(cpu)) continue;
    let end = cpu;
    while (end + 1 < cpuCount && has(end + 1)) end++;
    list.push(end === cpu ? String(cpu) : `${cpu}-${end}`);
    cpu = end;
  }
  return { hex: words.join(','), list: list.join(',') };
}

export function statusFileText(t: Task, ctx: IoContext, scope: TaskScope): string {
  const group = t.threadGroup;
  const { creds } = t;
  const { userNs } = ctx.creds;
  const mm = liveMm(t);
  const { ignored, caught } = dispositions(group);
  const cpus = cpuMask(t.affinity, t.kernel.host.info.cpuCount);
  const sigLimit = group.rlimits.soft(RLIMIT_SIGPENDING);
  let queued = group.sharedPending.count;
  for (const task of group.tasks) queued += task.pending.count;
  const levels = (ids: readonly number[]): string =>
    // In each namespace of the task: 0 where the group or session is not to be seen.
    t.pids
      .map((_, level) => `\t${ids[level] ?? 0}`)
      .slice(scope.pidNs.level)
      .join('');
  const { processGroup, session } = group;
  const usage = taskUsage(t);
  const fdSize = t.isLive ? Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, t.fdTable.size)))) : 0;
  const memory =
    mm === null
      ? ''
      : `${statusText(mm)}HugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\n`;
  return (
    `Name:\t${escapeName(t.comm)}\n${t.isLive ? `Umask:\t${t.umask.toString(8).padStart(4, '0')}\n` : ''}State:\t${STATE_NAMES[t.stateChar]}\n` +
    `Tgid:\t${group.pidIn(scope.pidNs)}\nNgid:\t0\nPid:\t${t.tidIn(scope.pidNs)}\nPPid:\t${parentPid(group, scope)}\nTracerPid:\t${t.ptrace === null ? 0 : t.ptrace.tracer.threadGroup.pidIn(scope.pidNs)}\n` +
    `Uid:${[creds.ruid, creds.euid, creds.suid, creds.fsuid].map((id) => `\t${userNs.showUid(id)}`).join('')}\nGid:${[creds.rgid, creds.egid, creds.sgid, creds.fsgid].map((id) => `\t${userNs.showGid(id)}`).join('')}\n` +
    `FDSize:\t${fdSize}\nGroups:\t${creds.groups.map((gid) => `${userNs.showGid(gid)} `).join('') || ' '}\n` +
    `NStgid:${levels(group.pids)}\nNSpid:${levels(t.pids)}\nNSpgid:${levels(processGroup.pids)}\nNSsid:${levels(session.pids)}\nKthread:\t0\n` +
    `${memory}Threads:\t${group.tasks.size}\nSigQ:\t${queued}/${sigLimit === Number.POSITIVE_INFINITY ? ULONG_MAX : sigLimit}\n` +
    `SigPnd:\t${t.pending.set.toHex()}\nShdPnd:\t${group.sharedPending.set.toHex()}\nSigBlk:\t${t.blocked.toHex()}\n` +
    `SigIgn:\t${ignored.toHex()}\nSigCgt:\t${caught.toHex()}\n` +
    `CapInh:\t${caps(creds.inheritable)}\nCapPrm:\t${caps(creds.permitted)}\nCapEff:\t${caps(creds.effective)}\nCapBnd:\t${caps(creds.bounding)}\nCapAmb:\t${caps(creds.ambient)}\n` +
    `NoNewPrivs:\t${t.noNewPrivs ? 1 : 0}\nSeccomp:\t${t.seccomp?.mode ?? 0}\nSeccomp_filters:\t${filterCount(t.seccomp)}\nSpeculation_Store_Bypass:\tvulnerable\nSpeculationIndirectBranch:\tconditional enabled\n` +
    `Cpus_allowed:\t${cpus.hex}\nCpus_allowed_list:\t${cpus.list}\nMems_allowed:\t1\nMems_allowed_list:\t0\n` +
    `voluntary_ctxt_switches:\t${usage.voluntarySwitches}\nnonvoluntary_ctxt_switches:\t${usage.involuntarySwitches}\n`
  );
}

const LIMIT_ROWS: readonly (readonly [number, string, string])[] = [
  [0, 'Max cpu time', 'seconds'],
  [1, 'Max file size', 'bytes'],
  [2, 'Max data size', 'bytes'],
  [3, 'Max stack size', 'bytes'],
  [4, 'Max core file size', 'bytes'],
  [5, 'Max resident set', 'bytes'],
  [6, 'Max processes', 'processes'],
  [7, 'Max open files', 'files'],
  [8, 'Max locked memory', 'bytes'],
  [9, 'Max address space', 'bytes'],
  [10, 'Max file locks', 'locks'],
  [11, 'Max pending signals', 'signals'],
  [12, 'Max msgqueue size', 'bytes'],
  [13, 'Max nice priority', ''],
  [14, 'Max realtime priority', ''],
  [15, 'Max realtime timeout', 'us'],
];

export function limitsText(t: Task): string {
  const { rlimits } = t.threadGroup;
  const value = (n: number): string => (n === Number.POSITIVE_INFINITY ? 'unlimited' : String(n)).padEnd(20);
  let text = `${'Limit'.padEnd(25)} ${'Soft Limit'.padEnd(20)} ${'Hard Limit'.padEnd(20)} ${'Units'.padEnd(10)}\n`;
  for (const [resource, name, unit] of LIMIT_ROWS) {
    text += `${name.padEnd(25)} ${value(rlimits.soft(resource))} ${value(rlimits.hard(resource))} ${unit === '' ? '' : unit.padEnd(10)}\n`;
  }
  return text;
}

export function schedstatText(t: Task): string {
  const usage = taskUsage(t);
  return `${usage.userNs + usage.systemNs} 0 ${usage.voluntarySwitches + usage.involuntarySwitches}\n`;
}

export function schedText(t: Task, _ctx: IoContext, scope: TaskScope): string {
  const usage = taskUsage(t);
  const head = `${t.comm} (${t.tidIn(scope.pidNs)}, #threads: ${t.threadGroup.tasks.size})\n${'-'.repeat(67)}\n`;
  const line = (name: string, value: string | number): string => `${name.padEnd(45)}:${String(value).padStart(21)}\n`;
  const ms = ((usage.userNs + usage.systemNs) / 1e6).toFixed(6);
  return (
    head +
    line('se.sum_exec_runtime', ms) +
    line('nr_switches', usage.voluntarySwitches + usage.involuntarySwitches) +
    line('nr_voluntary_switches', usage.voluntarySwitches) +
    line('nr_involuntary_switches', usage.involuntarySwitches) +
    line('policy', t.schedPolicy) +
    line('prio', 120 + t.nice)
  );
}
