// SPDX-License-Identifier: Apache-2.0

/**
 * The Task service's methods as a table: what each takes and answers, and which function of the service does it.
 */
import { messageOf } from '../../errors.ts';
import type { Message, Sparse } from '../protocol/message.ts';
import * as m from '../protocol/task_messages.ts';
import { Empty } from '../protocol/well_known.ts';
import { INVALID_ARGUMENT, StatusError } from '../ttrpc/status.ts';
import type { Method } from '../ttrpc/server.ts';
import type { TaskService } from './service.ts';

/** Version 3 is the same service under another name. */
export const SERVICES = ['containerd.task.v2.Task', 'containerd.task.v3.Task'];

type Bound = (service: TaskService) => Method;

function method<I extends object, O extends object>(input: Message<I>, output: Message<O>, act: (service: TaskService, request: I) => Promise<Sparse<O>>): Bound {
  return (service) => async (payload) => {
    let request: I;
    try {
      request = input.decode(payload);
    } catch (error) {
      throw new StatusError(INVALID_ARGUMENT, `${input.name}: ${messageOf(error)}`);
    }
    return output.encode(await act(service, request));
  };
}

export const METHODS: Readonly<Record<string, Bound>> = {
  Create: method(m.CreateTaskRequest, m.CreateTaskResponse, (s, r) => s.create(r)),
  Start: method(m.StartRequest, m.StartResponse, (s, r) => s.start(r.id, r.execId)),
  Delete: method(m.DeleteRequest, m.DeleteResponse, (s, r) => s.delete(r.id, r.execId)),
  Exec: method(m.ExecProcessRequest, Empty, (s, r) => s.exec(r)),
  State: method(m.StateRequest, m.StateResponse, async (s, r) => s.state(r.id, r.execId)),
  Kill: method(m.KillRequest, Empty, (s, r) => s.kill(r.id, r.execId, r.signal, r.all)),
  Pids: method(m.PidsRequest, m.PidsResponse, (s, r) => s.pids(r.id)),
  Pause: method(m.PauseRequest, Empty, (s, r) => s.pause(r.id)),
  Resume: method(m.ResumeRequest, Empty, (s, r) => s.resume(r.id)),
  ResizePty: method(m.ResizePtyRequest, Empty, async (s, r) => s.resize(r.id, r.execId, r.width, r.height)),
  CloseIO: method(m.CloseIoRequest, Empty, async (s, r) => s.closeIo(r.id, r.execId, r.stdin)),
  Update: method(m.UpdateTaskRequest, Empty, (s, r) => s.update(r.id, r.resources)),
  Wait: method(m.WaitRequest, m.WaitResponse, (s, r) => s.wait(r.id, r.execId)),
  Stats: method(m.StatsRequest, m.StatsResponse, async (s, r) => s.stats(r.id)),
  Checkpoint: method(m.CheckpointTaskRequest, Empty, (s) => s.checkpoint()),
  Connect: method(m.ConnectRequest, m.ConnectResponse, async (s, r) => s.connect(r.id)),
  Shutdown: method(m.ShutdownRequest, Empty, async (s) => s.shutdown()),
};
