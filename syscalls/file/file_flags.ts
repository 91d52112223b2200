// SPDX-License-Identifier: Apache-2.0

/**
 * chattr(1)'s flags: FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR.
 *
 * Linux: fs/ioctl.c (ioctl_getflags, vfs_fileattr_set), mm/shmem.c (shmem_fileattr_set)
 */
import { CAP_LINUX_IMMUTABLE } from '../../platform/abi/linux/capability.ts';
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM } from '../../platform/abi/linux/errno.ts';
import type { Task } from '../../sentry/kernel/task.ts';
import type { FileDescription } from '../../sentry/vfs/file_description.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, ownerOrCapable, wantWrite } from '../../sentry/vfs/permission.ts';

const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
const FS_NODUMP_FL = 0x40;
const FS_NOATIME_FL = 0x80;
const MODIFIABLE = FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL;
/** [FS_*_FL, FS_XFLAG_*] */
const XFLAGS: readonly (readonly [number, number])[] = [
  [FS_IMMUTABLE_FL, 0x8],
  [FS_APPEND_FL, 0x10],
  [FS_NOATIME_FL, 0x40],
  [FS_NODUMP_FL, 0x80],
];
const FSXATTR_SIZE = 28;

/** Changes the flags of an open file's inode. Returns 0, EROFS, EPERM, EOPNOTSUPP or ENOTTY. */
function setFlags(t: Task, file: FileDescription, flags: number): number {
  const { inode } = file;
  const old = inode.fileFlags();
  if (old < 0) return old;
  if (!ownerOrCapable(t.creds, inode)) return EPERM;
  const changed = old ^ flags;
  if ((changed & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0 && !t.creds.hasCap(CAP_LINUX_IMMUTABLE)) return EPERM;
  if ((flags & ~MODIFIABLE) !== 0) return EOPNOTSUPP;
  return inode.setFileFlags(t, flags);
}

/** The command's result, or null when it is another command. */
export function fileFlagsIoctl(t: Task, file: FileDescription, cmd: number, arg: number): number | null {
  if (cmd === FS_IOC_GETFLAGS) {
    const flags = file.inode.fileFlags();
    return flags < 0 ? flags : t.memory.writeU32(arg, flags);
  }
  if (cmd !== FS_IOC_SETFLAGS && cmd !== FS_IOC_FSGETXATTR && cmd !== FS_IOC_FSSETXATTR) return null;
  const readOnly = cmd === FS_IOC_FSGETXATTR ? 0 : wantWrite(file.path.mount);
  if (readOnly !== 0) return readOnly;
  if (cmd === FS_IOC_SETFLAGS) {
    const flags = t.memory.readU32(arg);
    return flags < 0 ? EFAULT : setFlags(t, file, flags);
  }
  const bytes = new Uint8Array(FSXATTR_SIZE);
  const view = new DataView(bytes.buffer);
  if (cmd === FS_IOC_FSGETXATTR) {
    const flags = file.inode.fileFlags();
    if (flags < 0) return flags;
    view.setUint32(0, XFLAGS.reduce((sum, [fl, x]) => ((flags & fl) !== 0 ? sum | x : sum), 0), true);
    return t.memory.copyOut(arg, bytes, 0, FSXATTR_SIZE) === FSXATTR_SIZE ? 0 : EFAULT;
  }
  if (t.memory.copyIn(arg, bytes, 0, FSXATTR_SIZE) !== FSXATTR_SIZE) return EFAULT;
  const xflags = view.getUint32(0, true);
  if (XFLAGS.reduce((rest, [, x]) => rest & ~x, xflags) !== 0) return EOPNOTSUPP;
  if (view.getUint32(4, true) !== 0 || view.getUint32(12, true) !== 0) return EINVAL;
  return setFlags(t, file, XFLAGS.reduce((sum, [fl, x]) => ((xflags & x) !== 0 ? sum | fl : sum), 0));
}
