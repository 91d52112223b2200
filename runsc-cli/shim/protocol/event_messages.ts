// SPDX-License-Identifier: Apache-2.0

/**
 * The events of tasks, and how they are forwarded to containerd. Source: containerd's api/events/task.proto, api/services/ttrpc/events.
 */
import { message } from './message.ts';
import { Mount } from './task_messages.ts';
import { Any, Timestamp } from './well_known.ts';

const TaskIo = message('TaskIo', { stdin: [1, 'string'], stdout: [2, 'string'], stderr: [3, 'string'], terminal: [4, 'bool'] });

/** By their names in package containerd.events. */
export const EVENTS = {
  TaskCreate: message('TaskCreate', { containerId: [1, 'string'], bundle: [2, 'string'], rootfs: [3, 'repeated', Mount], io: [4, TaskIo], checkpoint: [5, 'string'], pid: [6, 'uint32'] }),
  TaskStart: message('TaskStart', { containerId: [1, 'string'], pid: [2, 'uint32'] }),
  TaskDelete: message('TaskDelete', { containerId: [1, 'string'], pid: [2, 'uint32'], exitStatus: [3, 'uint32'], exitedAt: [4, Timestamp], id: [5, 'string'] }),
  TaskExit: message('TaskExit', { containerId: [1, 'string'], id: [2, 'string'], pid: [3, 'uint32'], exitStatus: [4, 'uint32'], exitedAt: [5, Timestamp] }),
  TaskOOM: message('TaskOOM', { containerId: [1, 'string'] }),
  TaskExecAdded: message('TaskExecAdded', { containerId: [1, 'string'], execId: [2, 'string'] }),
  TaskExecStarted: message('TaskExecStarted', { containerId: [1, 'string'], execId: [2, 'string'], pid: [3, 'uint32'] }),
  TaskPaused: message('TaskPaused', { containerId: [1, 'string'] }),
  TaskResumed: message('TaskResumed', { containerId: [1, 'string'] }),
} as const;

export type EventName = keyof typeof EVENTS;

export const TOPICS: Readonly<Record<EventName, string>> = {
  TaskCreate: '/tasks/create', TaskStart: '/tasks/start', TaskDelete: '/tasks/delete', TaskExit: '/tasks/exit', TaskOOM: '/tasks/oom', TaskExecAdded: '/tasks/exec-added',
  TaskExecStarted: '/tasks/exec-started', TaskPaused: '/tasks/paused', TaskResumed: '/tasks/resumed',
};

const Envelope = message('Envelope', { timestamp: [1, Timestamp], namespace: [2, 'string'], topic: [3, 'string'], event: [4, Any] });
export const ForwardRequest = message('ForwardRequest', { envelope: [1, Envelope] });
