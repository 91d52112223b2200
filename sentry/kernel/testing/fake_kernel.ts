// SPDX-License-Identifier: Apache-2.0

/** A Kernel over FakePlatform whose init runs a script; files and mounts are stand-ins. */
import type { HostServices } from '../../../platform/platform.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { MemoryManager } from '../../mm/memory_manager.ts';
import type { Path } from '../../vfs/mount.ts';
import { FdTable } from '../fd_table.ts';
import { FsContext } from '../fs_context.ts';
import { Kernel } from '../kernel.ts';
import { ProcessGroup, Session } from '../process/process_group.ts';
import { ThreadGroup } from '../process/thread_group.ts';
import { SignalHandlers } from '../signal/handlers.ts';
import type { SyscallTable } from '../syscall_table.ts';
import { Task } from '../task.ts';
import { registerTask } from '../task_clone.ts';
import { FakeAddressSpace, FakePlatform, fakeHost, type Script } from './fake_platform.ts';

const place = { mount: { refs: 1e6 }, dentry: { get() {}, put() {} } } as unknown as Path;

export interface FakeMachine {
  platform: FakePlatform;
  kernel: Kernel;
  host: HostServices;
  init: Task;
  memory: FakeAddressSpace['memory'];
}

/** Builds a kernel whose init runs `script`; a fatal message fails the test that calls run(). */
export function fakeMachine(syscalls: SyscallTable, script: Script): FakeMachine {
  const platform = new FakePlatform();
  const host = fakeHost(platform);
  const kernel = new Kernel({ platform, host, syscalls, loadProgram: () => -38 as never, memoryServices: { host } });
  const space = new FakeAddressSpace(platform, script);
  const mm = new MemoryManager(space, kernel.memoryServices);
  const group = new ThreadGroup(kernel.pidNs, [kernel.pidNs.allocate()], null, new SignalHandlers(), 0, kernel.container);
  new ProcessGroup(group, new Session(group)).add(group);
  group.hasExeced = true;
  const init = new Task({
    kernel,
    pids: group.pids,
    pidNs: kernel.pidNs,
    group,
    thread: space.leader,
    mm,
    fdTable: new FdTable(),
    fsContext: new FsContext(place, place, 0o22),
    mountNs: { users: 1000 } as never,
    uts: kernel.uts,
    ipcNs: kernel.ipcNs,
    creds: rootCredentials(kernel.userNs),
    affinity: new Uint8Array([3]),
    startTimeNs: 0,
  });
  registerTask(kernel, init);
  group.leader = init;
  group.tasks.add(init);
  kernel.pidNs.init = group;
  kernel.ready.push(init);
  return { platform, kernel, host, init, memory: space.memory };
}
