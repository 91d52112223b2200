// SPDX-License-Identifier: Apache-2.0

/**
 * The caller's own standard descriptors as the container's.
 */
import { isErrno } from '../../platform/abi/linux/errno.ts';
import type { Credentials } from '../../sentry/auth/credentials.ts';
import { HostFilesystem, importStdio, type ImportedStdio } from '../../sentry/fs/host/host_filesystem.ts';
import { HostTty, type TtyKernel } from '../../sentry/fs/host/host_tty.ts';
import { FdTable } from '../../sentry/kernel/fd_table.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { sendToProcessGroup } from '../../sentry/kernel/signal/send.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import type { ProcessConfig } from '../sandbox/config.ts';
import { containerCredentials } from './process_settings.ts';
import { StartError } from './start_error.ts';

/** Device number of the host filesystem's own stat results; below those the VFS gives out. */
const HOST_DEV = 12;
const F_GETFD = 1;

/** Descriptors 0, 1 and 2 and those passed on, those of them that are open, as the container's. */
export function standardFiles(kernel: Kernel, preserved: readonly number[] = []): { hostFd: number; fd: number }[] {
  const { files } = kernel.host;
  const wanted = [0, 1, 2, ...preserved].map((hostFd, fd) => ({ hostFd, fd }));
  return wanted.filter(({ hostFd }) => files.fcntl(hostFd, F_GETFD, 0) >= 0);
}

/** A container's descriptors before it has a process. */
export interface ContainerFiles {
  readonly creds: Credentials;
  readonly fdTable: FdTable;
  readonly stdio: ImportedStdio;
}

/** Imports host descriptors for a process that is to be. Throws StartError. */
export function containerFiles(kernel: Kernel, process: ProcessConfig, wanted: readonly { hostFd: number; fd: number }[]): ContainerFiles {
  const creds = containerCredentials(kernel, process);
  const fdTable = new FdTable();
  return { creds, fdTable, stdio: importFiles(kernel, fdTable, creds, wanted) };
}

/** Closes them: there will be no process. */
export function dropFiles({ stdio }: ContainerFiles): void {
  for (const file of stdio.files) file.decRef();
}

let donated: HostFilesystem | null = null;

/** Installs host descriptors as descriptors `fd`. Throws StartError. */
export function importFiles(kernel: Kernel, fdTable: FdTable, creds: Credentials, wanted: readonly { hostFd: number; fd: number }[]): ImportedStdio {
  donated ??= new HostFilesystem({ files: kernel.host.files, platform: kernel.platform }, HOST_DEV);
  const stdio = importStdio(donated, wanted.map((w) => w.hostFd), { creds }, () => new HostTty(ttyKernel));
  if (isErrno(stdio)) throw new StartError(`standard descriptors: errno ${-stdio}`, EXIT_OWN_FAILURE);
  wanted.forEach(({ fd }, i) => {
    const file = stdio.files[i];
    if (file !== undefined) fdTable.install(file, false, fd + 1, fd);
  });
  return stdio;
}

const ttyKernel: TtyKernel = {
  signalProcessGroup: (group, signo) => sendToProcessGroup(group, signo),
  isBlockedOrIgnored: (ctx, signo) => {
    const task = ctx as Task;
    return task.blocked.has(signo) || task.threadGroup.handlers.isIgnored(signo);
  },
};
