// SPDX-License-Identifier: Apache-2.0

/**
 * pipe(2), pipe2(2).
 *
 * Linux: fs/pipe.c (do_pipe2)
 */
import { EFAULT, EINVAL, ENOPKG } from '../../platform/abi/linux/errno.ts';
import { O_CLOEXEC, O_DIRECT, O_EXCL, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import { makePipe } from '../../sentry/kernel/pipe/pipe_file.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import { installFile } from './install_file.ts';

/** O_NOTIFICATION_PIPE has O_EXCL's value. */
const O_NOTIFICATION_PIPE = O_EXCL;
const pair = new Uint8Array(8);
const pairWords = new Int32Array(pair.buffer);

export function sys_pipe2(t: Task, fildes: number, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_DIRECT | O_NONBLOCK | O_NOTIFICATION_PIPE)) !== 0) return EINVAL;
  if ((flags & O_NOTIFICATION_PIPE) !== 0) return ENOPKG;
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const [reader, writer] = makePipe(t, flags);
  const readFd = installFile(t, reader, cloexec);
  if (readFd < 0) {
    writer.decRef();
    return readFd;
  }
  const writeFd = installFile(t, writer, cloexec);
  if (writeFd < 0) {
    t.fdTable.close(t, readFd);
    return writeFd;
  }
  pairWords[0] = readFd;
  pairWords[1] = writeFd;
  if (t.memory.copyOut(fildes, pair, 0, 8) === 8) return 0;
  t.fdTable.close(t, readFd);
  t.fdTable.close(t, writeFd);
  return EFAULT;
}

export function sys_pipe(t: Task, fildes: number): number {
  return sys_pipe2(t, fildes, 0);
}
