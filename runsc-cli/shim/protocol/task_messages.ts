// SPDX-License-Identifier: Apache-2.0

/**
 * The messages of containerd's Task service. Source: containerd's api/runtime/task/v2/shim.proto, api/types.
 */
import { message } from './message.ts';
import { Any, Timestamp } from './well_known.ts';

/** containerd.v1.types.Status */
export const STATUS_CREATED = 1;
export const STATUS_RUNNING = 2;
export const STATUS_STOPPED = 3;
export const STATUS_PAUSED = 4;

export const Mount = message('Mount', { type: [1, 'string'], source: [2, 'string'], target: [3, 'string'], options: [4, 'repeated', 'string'] });
export type MountMessage = ReturnType<typeof Mount.decode>;
const ProcessInfo = message('ProcessInfo', { pid: [1, 'uint32'], info: [2, Any] });
export const ProcessDetails = message('ProcessDetails', { execId: [1, 'string'] });

export const CreateTaskRequest = message('CreateTaskRequest', {
  id: [1, 'string'], bundle: [2, 'string'], rootfs: [3, 'repeated', Mount], terminal: [4, 'bool'], stdin: [5, 'string'], stdout: [6, 'string'], stderr: [7, 'string'],
  checkpoint: [8, 'string'], parentCheckpoint: [9, 'string'], options: [10, Any],
});
export type CreateTask = ReturnType<typeof CreateTaskRequest.decode>;
export const CreateTaskResponse = message('CreateTaskResponse', { pid: [1, 'uint32'] });
export const DeleteRequest = message('DeleteRequest', { id: [1, 'string'], execId: [2, 'string'] });
export const DeleteResponse = message('DeleteResponse', { pid: [1, 'uint32'], exitStatus: [2, 'uint32'], exitedAt: [3, Timestamp] });
export const ExecProcessRequest = message('ExecProcessRequest', {
  id: [1, 'string'], execId: [2, 'string'], terminal: [3, 'bool'], stdin: [4, 'string'], stdout: [5, 'string'], stderr: [6, 'string'], spec: [7, Any],
});
export type ExecProcess = ReturnType<typeof ExecProcessRequest.decode>;
export const ResizePtyRequest = message('ResizePtyRequest', { id: [1, 'string'], execId: [2, 'string'], width: [3, 'uint32'], height: [4, 'uint32'] });
export const StateRequest = message('StateRequest', { id: [1, 'string'], execId: [2, 'string'] });
export const StateResponse = message('StateResponse', {
  id: [1, 'string'], bundle: [2, 'string'], pid: [3, 'uint32'], status: [4, 'int32'], stdin: [5, 'string'], stdout: [6, 'string'], stderr: [7, 'string'], terminal: [8, 'bool'],
  exitStatus: [9, 'uint32'], exitedAt: [10, Timestamp], execId: [11, 'string'],
});
export const KillRequest = message('KillRequest', { id: [1, 'string'], execId: [2, 'string'], signal: [3, 'uint32'], all: [4, 'bool'] });
export const CloseIoRequest = message('CloseIoRequest', { id: [1, 'string'], execId: [2, 'string'], stdin: [3, 'bool'] });
export const PidsRequest = message('PidsRequest', { id: [1, 'string'] });
export const PidsResponse = message('PidsResponse', { processes: [1, 'repeated', ProcessInfo] });
export const CheckpointTaskRequest = message('CheckpointTaskRequest', { id: [1, 'string'], path: [2, 'string'], options: [3, Any] });
export const UpdateTaskRequest = message('UpdateTaskRequest', { id: [1, 'string'], resources: [2, Any], annotations: [3, 'map', 'string'] });
export const StartRequest = message('StartRequest', { id: [1, 'string'], execId: [2, 'string'] });
export const StartResponse = message('StartResponse', { pid: [1, 'uint32'] });
export const WaitRequest = message('WaitRequest', { id: [1, 'string'], execId: [2, 'string'] });
export const WaitResponse = message('WaitResponse', { exitStatus: [1, 'uint32'], exitedAt: [2, Timestamp] });
export const StatsRequest = message('StatsRequest', { id: [1, 'string'] });
export const StatsResponse = message('StatsResponse', { stats: [1, Any] });
export const ConnectRequest = message('ConnectRequest', { id: [1, 'string'] });
export const ConnectResponse = message('ConnectResponse', { shimPid: [1, 'uint32'], taskPid: [2, 'uint32'], version: [3, 'string'] });
export const ShutdownRequest = message('ShutdownRequest', { id: [1, 'string'], now: [2, 'bool'] });
export const PauseRequest = message('PauseRequest', { id: [1, 'string'] });
export const ResumeRequest = message('ResumeRequest', { id: [1, 'string'] });
