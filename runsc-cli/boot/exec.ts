// SPDX-License-Identifier: Apache-2.0

/**
 * Further processes in a running container, asked for over the control socket with descriptors of their own.
 */
import { SI_KERNEL, SIGKILL } from '../../platform/abi/linux/signal.ts';
import { makeSigInfo } from '../../sentry/arch/siginfo.ts';
import type { Peer } from '../../sentry/control/control_server.ts';
import type { ExecProcess, Reply } from '../../sentry/control/messages/commands.ts';
import { FdTable } from '../../sentry/kernel/fd_table.ts';
import type { GuestContainer } from '../../sentry/kernel/guest_container.ts';
import { execInContainer, isLaunchFailure } from '../../sentry/kernel/init.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { ThreadGroup } from '../../sentry/kernel/process/thread_group.ts';
import type { SeccompState } from '../../sentry/kernel/seccomp/seccomp.ts';
import { sendFromOutside, sendToGroup } from '../../sentry/kernel/signal/send.ts';
import type { MountNamespace } from '../../sentry/vfs/mount.ts';
import { nameTerminal } from './devices.ts';
import { withHome } from './home.ts';
import { byteString, launchError } from './launch.ts';
import { containerCredentials, containerRlimits } from './process_settings.ts';
import { StartError } from './start_error.ts';
import { importFiles } from './stdio.ts';

/** What a process from outside has of the container's. */
export interface ExecPlace {
  readonly container: GuestContainer;
  readonly mountNs: MountNamespace;
  readonly seccomp: SeccompState | null;
}

/** Starts a process. `fds[i]` becomes its descriptor i. */
export function startExec(kernel: Kernel, { container, mountNs, seccomp }: ExecPlace, process: ExecProcess, fds: readonly number[], peer: Peer): Reply {
  const fdTable = new FdTable();
  const creds = containerCredentials(kernel, { ...process, createCwd: false, isProtectedInit: false });
  let group: ThreadGroup | null = null;
  let stdio: ReturnType<typeof importFiles>;
  try {
    stdio = importFiles(kernel, fdTable, creds, fds.map((hostFd, fd) => ({ hostFd, fd })));
  } catch (error) {
    if (error instanceof StartError) return { type: 'failed', message: error.message };
    throw error;
  }
  const task = execInContainer(kernel, {
    argv: process.args.map(byteString),
    envp: withHome(kernel, mountNs, process.env.map(byteString), process.uid),
    cwd: byteString(process.cwd),
    mountNs,
    container,
    creds,
    rlimits: containerRlimits({ ...process, createCwd: false, isProtectedInit: false }),
    fdTable,
    umask: process.umask,
    noNewPrivs: process.noNewPrivileges,
    oomScoreAdj: process.oomScoreAdj,
    onExit: (status) => {
      group = null;
      peer.onClose = null;
      peer.send({ type: 'exit', status: (status >> 8) & 255, signo: status & 127 });
    },
  });
  if (isLaunchFailure(task)) {
    for (const file of stdio.files) file.decRef();
    return { type: 'failed', message: launchError(task, process.args[0] ?? '').message };
  }
  task.seccomp = seccomp;
  group = task.threadGroup;
  if (process.terminal) {
    nameTerminal(kernel, mountNs, stdio.tty, creds.ruid);
    stdio.tty?.adopt(group);
  }
  peer.onClose = () => {
    if (group !== null) sendToGroup(group, makeSigInfo(SIGKILL, SI_KERNEL), { force: true });
  };
  peer.onCommand = (command) => {
    if (command.type !== 'signal') return false;
    if (group !== null) signalExec(group, command.signo, command.target);
    return true;
  };
  return { type: 'started', pid: group.pid };
}

function signalExec(group: ThreadGroup, signo: number, target: 'process' | 'foreground'): void {
  const foreground = target === 'foreground' ? group.processGroup.session.foreground : null;
  const groups = foreground === null ? [group] : [...foreground.members];
  for (const member of groups) sendFromOutside(member, signo);
}
