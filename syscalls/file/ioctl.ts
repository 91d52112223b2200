// SPDX-License-Identifier: Apache-2.0

/**
 * ioctl(2): the commands every descriptor knows; the rest goes to the file.
 *
 * Linux: fs/ioctl.c (do_vfs_ioctl)
 */
import { CAP_SYS_RAWIO } from '../../platform/abi/linux/capability.ts';
import { EBADF, EFAULT, EINVAL, ENOTTY, EOPNOTSUPP, EPERM } from '../../platform/abi/linux/errno.ts';
import { F_OWNER_PID, O_ASYNC, O_NONBLOCK } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from '../../platform/abi/linux/stat.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { updateAsync } from './async_signal.ts';
import { getOwner, setOwner } from './fcntl.ts';
import { fileFlagsIoctl } from './file_flags.ts';
import { ioFile } from './path_args.ts';

const FIONCLEX = 0x5450;
const FIOCLEX = 0x5451;
const FIONBIO = 0x5421;
const FIOASYNC = 0x5452;
const FIONREAD = 0x541b;
const FIBMAP = 1;
const FIOSETOWN = 0x8901;
const FIOGETOWN = 0x8903;
const SIOCGPGRP = 0x8904;
const FIGETBSZ = 2;
const FIOQSIZE = 0x5460;
const FIEMAP = 0xc020660b;
const FICLONE = 0x40049409;
const FICLONERANGE = 0x4020940d;

/** Sets or clears a status flag by the int at `arg`. */
function switchFlag(t: Task, fd: number, file: FileDescription, flag: number, arg: number): number {
  const on = t.memory.readU32(arg);
  if (on < 0) return EFAULT;
  const result = file.setStatusFlags(on !== 0 ? file.flags | flag : file.flags & ~flag);
  if (result === 0) updateAsync(t, fd, file, F_OWNER_PID);
  return result;
}

/** FIOASYNC on what cannot send SIGIO: nothing to change is no error. */
function switchAsync(t: Task, file: FileDescription, arg: number): number {
  const on = t.memory.readU32(arg);
  if (on < 0) return EFAULT;
  return (on !== 0) === ((file.flags & O_ASYNC) !== 0) ? 0 : ENOTTY;
}

/** FIOQSIZE: the space a file, directory or link takes. */
function writeSpace(t: Task, file: FileDescription, arg: number): number {
  const { inode } = file;
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return ENOTTY;
  const failed = inode.refreshAttributes();
  return failed < 0 ? failed : t.memory.writeU64(arg, inode.blocks * 512);
}

/** F_SETOWN and F_GETOWN under the names sockets have for them. */
function ownerIoctl(t: Task, file: FileDescription, cmd: number, arg: number): number {
  if (cmd === FIOGETOWN || cmd === SIOCGPGRP) return t.memory.writeU32(arg, getOwner(file) >>> 0);
  const id = t.memory.readU32(arg);
  return id < 0 ? EFAULT : setOwner(t, file, id | 0);
}

export function sys_ioctl(t: Task, fd: number, cmd: number, arg: number): number {
  const file = ioFile(t, fd);
  if (file === null) return EBADF;
  switch (cmd) {
    case FIOCLEX:
      t.fdTable.setCloseOnExec(fd, true);
      return 0;
    case FIONCLEX:
      t.fdTable.setCloseOnExec(fd, false);
      return 0;
    case FIONBIO:
      return switchFlag(t, fd, file, O_NONBLOCK, arg);
    case FIOASYNC:
      return file.canFasync ? switchFlag(t, fd, file, O_ASYNC, arg) : switchAsync(t, file, arg);
    case FIGETBSZ:
      return t.memory.writeU32(arg, file.inode.blksize);
    case FIEMAP:
      return EOPNOTSUPP;
    case FICLONE:
    case FICLONERANGE:
      return EOPNOTSUPP;
    case FIOQSIZE:
      return writeSpace(t, file, arg);
    case FIBMAP:
      if ((file.inode.mode & S_IFMT) !== S_IFREG) break;
      return t.creds.hasCap(CAP_SYS_RAWIO) ? EINVAL : EPERM;
    case FIONREAD:
      if ((file.inode.mode & S_IFMT) !== S_IFREG) break;
      file.inode.refreshAttributes();
      return t.memory.writeU32(arg, (file.inode.size - file.position) >>> 0);
  }
  if (cmd >= FIOSETOWN && cmd <= SIOCGPGRP && (file.inode.mode & S_IFMT) === S_IFSOCK)
    return ownerIoctl(t, file, cmd, arg);
  return fileFlagsIoctl(t, file, cmd, arg) ?? file.ioctl(t, cmd, arg);
}
