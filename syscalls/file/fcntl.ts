// SPDX-License-Identifier: Apache-2.0

/**
 * fcntl(2), its locks aside.
 *
 * Linux: fs/fcntl.c
 */
import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import {
  FD_CLOEXEC,
  F_ADD_SEALS,
  F_CREATED_QUERY,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWNER_UIDS,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_GET_FILE_RW_HINT,
  F_GET_RW_HINT,
  F_GET_SEALS,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_OWNER_PGRP,
  F_OWNER_PID,
  F_OWNER_TID,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_SET_FILE_RW_HINT,
  F_SET_RW_HINT,
  O_APPEND,
  O_ASYNC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
} from '../../platform/abi/linux/fcntl.ts';
import { PipeFile } from '../../sentry/kernel/pipe/pipe_file.ts';
import { RLIMIT_NOFILE } from '../../sentry/kernel/process/rlimits.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { getLease } from '../../sentry/vfs/leases.ts';
import { FS_APPEND_FL, ownerOrCapable } from '../../sentry/vfs/permission.ts';
import type { SyscallReturn } from '../../sentry/wait/blocking.ts';
import { type AsyncOwner, asyncOwnerOf, updateAsync, watchUrgent } from './async_signal.ts';
import { changeLease } from './lease.ts';
import { notifyDirectory } from './directory_notify.ts';
import { getLock, setLock } from './record_locks.ts';

const SETTABLE = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;
const NSIG = 64;
const pair = new Uint8Array(8);
const pairWords = new Int32Array(pair.buffer);

function asyncOf(file: FileDescription): AsyncOwner {
  return asyncOwnerOf(file, F_OWNER_PID);
}

function duplicate(t: Task, file: FileDescription, arg: number, cloexec: boolean): number {
  const min = arg | 0;
  const limit = t.threadGroup.rlimits.soft(RLIMIT_NOFILE);
  if (min < 0 || min >= limit) return EINVAL;
  const fd = t.fdTable.install(file, cloexec, limit, min);
  if (fd >= 0) file.incRef();
  return fd;
}

function setFlags(t: Task, fd: number, file: FileDescription, arg: number): number {
  const wanted = arg & SETTABLE;
  if ((file.inode.fsFlags & FS_APPEND_FL) !== 0 && (wanted & O_APPEND) === 0 && file.isWritable) return EPERM;
  if ((wanted & O_NOATIME) !== 0 && (file.flags & O_NOATIME) === 0 && !ownerOrCapable(t.creds, file.inode))
    return EPERM;
  if ((wanted & O_DIRECT) !== 0 && !file.canDirect) return EINVAL;
  const result = file.setStatusFlags((file.flags & ~SETTABLE) | wanted);
  if (result === 0) updateAsync(t, fd, file, F_OWNER_PID);
  return result;
}

/** F_SETOWN: a process, or a process group when negative. */
export function setOwner(t: Task, file: FileDescription, arg: number): number {
  const id = arg | 0;
  if (id === -0x80000000) return EINVAL;
  return installOwner(t, file, id < 0 ? F_OWNER_PGRP : F_OWNER_PID, Math.abs(id));
}

function installOwner(t: Task, file: FileDescription, type: number, id: number): number {
  const { tasks, processGroups, sessions } = t.pidNs;
  if (id !== 0 && !tasks.has(id) && !processGroups.has(id) && !sessions.has(id)) return ESRCH;
  const owner = asyncOf(file);
  owner.type = type;
  owner.id = id;
  owner.uid = t.creds.ruid;
  owner.euid = t.creds.euid;
  watchUrgent(file, owner, t.pidNs);
  return 0;
}

function setOwnerEx(t: Task, file: FileDescription, arg: number): number {
  if (t.memory.copyIn(arg, pair, 0, 8) !== 8) return EFAULT;
  const type = pairWords[0] as number;
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return EINVAL;
  const id = pairWords[1] as number;
  return id < 0 ? EINVAL : installOwner(t, file, type, id);
}

function writePair(t: Task, addr: number, first: number, second: number): number {
  pairWords[0] = first;
  pairWords[1] = second;
  return t.memory.copyOut(addr, pair, 0, 8) === 8 ? 0 : EFAULT;
}

/** Commands an O_PATH descriptor obeys too. */
function fcntlAny(t: Task, fd: number, file: FileDescription, cmd: number, arg: number): number | null {
  switch (cmd) {
    case F_DUPFD:
      return duplicate(t, file, arg, false);
    case F_DUPFD_CLOEXEC:
      return duplicate(t, file, arg, true);
    case F_GETFD:
      return t.fdTable.isCloseOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      t.fdTable.setCloseOnExec(fd, (arg & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.flags;
    case F_CREATED_QUERY:
      return file.wasCreated ? 1 : 0;
    case F_DUPFD_QUERY:
      return t.fdTable.get(arg | 0) === file ? 1 : t.fdTable.get(arg | 0) === null ? EBADF : 0;
    default:
      return null;
  }
}

/** F_GETOWN: the process, or the process group as a negative number; 0: nobody. */
export function getOwner(file: FileDescription): number {
  const owner = file.async as AsyncOwner | null;
  return owner === null ? 0 : owner.type === F_OWNER_PGRP ? -owner.id : owner.id;
}

function ownerCommand(t: Task, file: FileDescription, cmd: number, arg: number): number | null {
  const owner = file.async as AsyncOwner | null;
  switch (cmd) {
    case F_SETOWN:
      return setOwner(t, file, arg);
    case F_GETOWN:
      return getOwner(file);
    case F_SETOWN_EX:
      return setOwnerEx(t, file, arg);
    case F_GETOWN_EX:
      return writePair(t, arg, owner?.type ?? F_OWNER_PID, owner?.id ?? 0);
    case F_GETOWNER_UIDS:
      return writePair(t, arg, owner?.uid ?? 0, owner?.euid ?? 0);
    case F_SETSIG:
      if (arg < 0 || arg > NSIG) return EINVAL;
      asyncOf(file).signo = arg;
      return 0;
    case F_GETSIG:
      return owner?.signo ?? 0;
    default:
      return null;
  }
}

export function sys_fcntl(t: Task, fd: number, cmd: number, arg: number): SyscallReturn {
  const file = t.fdTable.get(fd);
  if (file === null) return EBADF;
  const any = fcntlAny(t, fd, file, cmd, arg);
  if (any !== null) return any;
  if ((file.flags & O_PATH) !== 0) return EBADF;
  switch (cmd) {
    case F_SETFL:
      return setFlags(t, fd, file, arg);
    case F_GETLK:
    case F_OFD_GETLK:
      return getLock(t, file, cmd, arg);
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return setLock(t, file, cmd, arg);
    case F_GETPIPE_SZ:
      return file instanceof PipeFile ? file.pipeSize : EBADF;
    case F_SETPIPE_SZ:
      return file instanceof PipeFile ? file.setPipeSize(t, arg) : EBADF;
    case F_ADD_SEALS:
      return file.addSeals(arg);
    case F_GET_SEALS:
      return file.getSeals();
    case F_NOTIFY:
      return notifyDirectory(t, fd, file, arg);
    case F_GETLEASE:
      return getLease(file);
    case F_SETLEASE:
      return changeLease(t, fd, file, arg);
    case F_GET_RW_HINT:
    case F_GET_FILE_RW_HINT:
      return t.memory.writeU64(arg, 0);
    case F_SET_RW_HINT:
    case F_SET_FILE_RW_HINT: {
      const hint = t.memory.readU64(arg);
      return hint < 0 ? hint : hint > 5 ? EINVAL : 0;
    }
    default:
      return ownerCommand(t, file, cmd, arg) ?? EINVAL;
  }
}
