// SPDX-License-Identifier: Apache-2.0

/**
 * Birth and death of tasks: clone, clone3, fork, vfork, exit, exit_group, set_tid_address, robust lists.
 *
 * Linux: kernel/fork.c, kernel/exit.c
 */
import { E2BIG, EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import { CAP_SYS_PTRACE } from '../../platform/abi/linux/capability.ts';
import {
  CLONE_DETACHED,
  CLONE_INTO_CGROUP,
  CLONE_PARENT,
  CLONE_PIDFD,
  CLONE_PARENT_SETTID,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  CSIGNAL,
} from '../../platform/abi/linux/sched.ts';
import { NSIG, SIGCHLD } from '../../platform/abi/linux/signal.ts';
import { ATTENTION_EXIT, type Task } from '../../sentry/kernel/task.ts';
import { cloneTask, hasFlag } from '../../sentry/kernel/task_clone.ts';
import { beginGroupExit } from '../../sentry/kernel/signal/send.ts';
import type { SyscallReturn } from '../../sentry/wait/blocking.ts';

const TASK_SIZE_MAX = 0x7ffffffff000;

export function sys_clone(
  t: Task,
  flags: number,
  stack: number,
  parentTid: number,
  childTid: number,
  tls: number,
): SyscallReturn {
  const low = flags % 4294967296;
  if (hasFlag(low, CLONE_PIDFD) && hasFlag(low, CLONE_PARENT_SETTID)) return EINVAL;
  const exitSignal = low & CSIGNAL;
  return cloneTask(t, {
    flags: low - exitSignal,
    pidfdAddr: parentTid,
    childTidAddr: childTid,
    parentTidAddr: parentTid,
    exitSignal,
    stackPointer: stack,
    tls,
    setTid: [],
  });
}

export function sys_fork(t: Task): SyscallReturn {
  return cloneTask(t, {
    flags: 0,
    pidfdAddr: 0,
    childTidAddr: 0,
    parentTidAddr: 0,
    exitSignal: SIGCHLD,
    stackPointer: 0,
    tls: 0,
    setTid: [],
  });
}

export function sys_vfork(t: Task): SyscallReturn {
  return cloneTask(t, {
    flags: CLONE_VFORK + CLONE_VM,
    pidfdAddr: 0,
    childTidAddr: 0,
    parentTidAddr: 0,
    exitSignal: SIGCHLD,
    stackPointer: 0,
    tls: 0,
    setTid: [],
  });
}

const CLONE_ARGS_SIZE_VER0 = 64;
const CLONE_ARGS_SIZE = 88;
const MAX_PID_LEVELS = 32;
const buffer = new Uint8Array(4096);
const view = new DataView(buffer.buffer);

/** A u64 field of clone_args as a Number. */
function field(index: number): number {
  return view.getUint32(index * 8, true) + view.getUint32(index * 8 + 4, true) * 4294967296;
}

export function sys_clone3(t: Task, addr: number, size: number): SyscallReturn {
  if (size > buffer.length) return E2BIG;
  if (size < CLONE_ARGS_SIZE_VER0) return EINVAL;
  buffer.fill(0);
  if (t.memory.copyIn(addr, buffer, 0, size) !== size) return EFAULT;
  for (let i = CLONE_ARGS_SIZE; i < size; i++) if (buffer[i] !== 0) return E2BIG;
  const [flags, pidfdAddr, childTidAddr, parentTidAddr, exitSignal, stack, stackSize, tls, setTidAddr, setTidSize] =
    Array.from({ length: 10 }, (_, i) => field(i)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
  if (setTidSize > MAX_PID_LEVELS || (setTidAddr === 0) !== (setTidSize === 0)) return EINVAL;
  if (exitSignal > NSIG) return EINVAL;
  // There is no cgroup a descriptor could be of.
  if (hasFlag(flags, CLONE_INTO_CGROUP)) return size < CLONE_ARGS_SIZE || field(10) > 0x7fffffff ? EINVAL : EBADF;
  const setTid = readSetTid(t, setTidAddr, setTidSize);
  if (typeof setTid === 'number') return setTid;
  // Unknown bits, the signal byte, CLONE_DETACHED.
  if (flags >= CLONE_INTO_CGROUP * 2 || (flags & (CLONE_DETACHED | (CSIGNAL & ~0x80))) !== 0) return EINVAL;
  if ((hasFlag(flags, CLONE_THREAD) || hasFlag(flags, CLONE_PARENT)) && exitSignal !== 0) return EINVAL;
  if (
    (stack === 0) !== (stackSize === 0) ||
    (stack !== 0 && (stack >= TASK_SIZE_MAX || stack + stackSize > TASK_SIZE_MAX))
  )
    return EINVAL;
  return cloneTask(t, {
    flags,
    pidfdAddr,
    childTidAddr,
    parentTidAddr,
    exitSignal,
    stackPointer: stack === 0 ? 0 : stack + stackSize,
    tls,
    setTid,
  });
}

function readSetTid(t: Task, addr: number, count: number): number[] | number {
  const pids: number[] = [];
  for (let i = 0; i < count; i++) {
    const pid = t.memory.readU32(addr + i * 4);
    if (pid < 0) return EFAULT;
    pids.push(pid | 0);
  }
  return pids;
}

export function sys_exit(t: Task, code: number): number {
  t.exitStatus = (code & 0xff) << 8;
  if (t.threadGroup.tasks.size === 1) beginGroupExit(t.threadGroup, t.exitStatus);
  t.attention |= ATTENTION_EXIT;
  return 0;
}

export function sys_exit_group(t: Task, code: number): number {
  beginGroupExit(t.threadGroup, (code & 0xff) << 8);
  t.attention |= ATTENTION_EXIT;
  return 0;
}

export function sys_set_tid_address(t: Task, addr: number): number {
  t.clearChildTid = addr;
  return t.tidIn(t.pidNs);
}

const ROBUST_LIST_HEAD_SIZE = 24;

export function sys_set_robust_list(t: Task, head: number, length: number): number {
  if (length !== ROBUST_LIST_HEAD_SIZE) return EINVAL;
  t.robustListHead = head;
  return 0;
}

export function sys_get_robust_list(t: Task, pid: number, headAddr: number, lengthAddr: number): number {
  const target = pid === 0 ? t : t.pidNs.tasks.get(pid);
  if (target === undefined) return ESRCH;
  if (target.threadGroup !== t.threadGroup && target.creds.ruid !== t.creds.euid && !t.creds.hasCap(CAP_SYS_PTRACE))
    return EPERM;
  if (t.memory.writeU64(lengthAddr, ROBUST_LIST_HEAD_SIZE) !== 0) return EFAULT;
  return t.memory.writeU64(headAddr, target.robustListHead) === 0 ? 0 : EFAULT;
}
