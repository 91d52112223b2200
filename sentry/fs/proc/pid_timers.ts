// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/timers: the POSIX timers of a process.
 *
 * Linux: fs/proc/base.c (show_timer)
 */
import { SIGEV_NONE, SIGEV_THREAD_ID } from '../../../platform/abi/linux/signal.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { TaskScope } from './task_scope.ts';

export function timersText(t: Task, _ctx: IoContext, scope: TaskScope): string {
  let text = '';
  // The newest first.
  for (const { id, event, clockId } of [...(t.threadGroup.timers?.posix.values() ?? [])].reverse()) {
    const value = `${event.valueHi === 0 ? '' : event.valueHi.toString(16)}${event.valueLo.toString(16).padStart(event.valueHi === 0 ? 16 : 8, '0')}`;
    const how = event.notify === SIGEV_NONE ? 'none' : 'signal';
    const isThread = event.notify === SIGEV_THREAD_ID && event.task !== null;
    const target = isThread ? `tid.${event.task?.tidIn(scope.pidNs) ?? 0}` : `pid.${t.threadGroup.pidIn(scope.pidNs)}`;
    text += `ID: ${id}\nsignal: ${event.signo}/${value.padStart(16, '0')}\nnotify: ${how}/${target}\nClockID: ${clockId}\n`;
  }
  return text;
}
