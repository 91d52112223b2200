// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of the file system calls.
 */
import { ENOSYS, EPERM, ESRCH } from '../../platform/abi/linux/errno.ts';
import {
  Addr,
  Choice,
  DirFd,
  Fd,
  FlagSet,
  Flags,
  InBuffer,
  Int,
  Long,
  LongFlags,
  Mode,
  Offset,
  OutBuffer,
  PathName,
  Size,
  UInt,
} from '../args/kinds.ts';
import { sys_io_cancel, sys_io_destroy, sys_io_getevents, sys_io_pgetevents, sys_io_setup } from '../file/aio.ts';
import { sys_io_submit } from '../file/aio_submit.ts';
import { sys_access, sys_faccessat, sys_faccessat2 } from '../file/access.ts';
import {
  sys_chmod,
  sys_chown,
  sys_fallocate,
  sys_fchmod,
  sys_fchmodat,
  sys_fchmodat2,
  sys_fchown,
  sys_fchownat,
  sys_ftruncate,
  sys_futimesat,
  sys_lchown,
  sys_truncate,
  sys_utime,
  sys_utimensat,
  sys_utimes,
} from '../file/attributes.ts';
import { sys_close, sys_close_range, sys_dup, sys_dup2, sys_dup3 } from '../file/close_dup.ts';
import {
  sys_chdir,
  sys_chroot,
  sys_fchdir,
  sys_getcwd,
  sys_getdents,
  sys_getdents64,
  sys_umask,
} from '../file/directory.ts';
import { sys_fcntl } from '../file/fcntl.ts';
import { sys_name_to_handle_at, sys_open_by_handle_at } from '../file/handles.ts';
import { sys_ioctl } from '../file/ioctl.ts';
import { sys_memfd_create } from '../file/memfd.ts';
import { sys_mount, sys_pivot_root, sys_umount2 } from '../file/mount.ts';
import { sys_file_getattr, sys_file_setattr } from '../file/file_attr.ts';
import * as mountApi from '../file/mount_api.ts';
import {
  sys_link,
  sys_linkat,
  sys_mkdir,
  sys_mkdirat,
  sys_mknod,
  sys_mknodat,
  sys_readlink,
  sys_readlinkat,
  sys_rename,
  sys_renameat,
  sys_renameat2,
  sys_rmdir,
  sys_symlink,
  sys_symlinkat,
  sys_unlink,
  sys_unlinkat,
} from '../file/names.ts';
import { sys_creat, sys_open, sys_openat, sys_openat2 } from '../file/open.ts';
import {
  sys_lseek,
  sys_pread64,
  sys_preadv,
  sys_preadv2,
  sys_pwrite64,
  sys_pwritev,
  sys_pwritev2,
  sys_read,
  sys_readv,
  sys_write,
  sys_writev,
} from '../file/read_write.ts';
import { sys_flock } from '../file/record_locks.ts';
import { sys_copy_file_range, sys_sendfile } from '../file/sendfile.ts';
import { sys_splice, sys_tee, sys_vmsplice } from '../file/splice.ts';
import { sys_sysfs, sys_ustat, sys_vhangup } from '../system/obsolete.ts';
import { sys_fstat, sys_fstatfs, sys_lstat, sys_newfstatat, sys_stat, sys_statfs, sys_statx } from '../file/stat.ts';
import {
  sys_fadvise64,
  sys_fdatasync,
  sys_fsync,
  sys_readahead,
  sys_sync,
  sys_sync_file_range,
  sys_syncfs,
} from '../file/sync.ts';
import {
  sys_fgetxattr,
  sys_flistxattr,
  sys_fremovexattr,
  sys_fsetxattr,
  sys_getxattr,
  sys_getxattrat,
  sys_lgetxattr,
  sys_listxattr,
  sys_listxattrat,
  sys_llistxattr,
  sys_lremovexattr,
  sys_lsetxattr,
  sys_removexattr,
  sys_removexattrat,
  sys_setxattr,
  sys_setxattrat,
} from '../file/xattr.ts';
import { type SyscallRow, missing, row } from './row.ts';

const OpenFlags = FlagSet(
  'OpenFlags',
  'u32',
  [
    ['O_RDWR', 2],
    ['O_WRONLY', 1],
    ['O_CREAT', 0o100],
    ['O_EXCL', 0o200],
    ['O_NOCTTY', 0o400],
    ['O_TRUNC', 0o1000],
    ['O_APPEND', 0o2000],
    ['O_NONBLOCK', 0o4000],
    ['O_SYNC', 0o4010000],
    ['O_DSYNC', 0o10000],
    ['O_ASYNC', 0o20000],
    ['O_DIRECT', 0o40000],
    ['O_LARGEFILE', 0o100000],
    ['O_TMPFILE', 0o20200000],
    ['O_DIRECTORY', 0o200000],
    ['O_NOFOLLOW', 0o400000],
    ['O_NOATIME', 0o1000000],
    ['O_CLOEXEC', 0o2000000],
    ['O_PATH', 0o10000000],
  ],
  'O_RDONLY',
);
const AtFlags = FlagSet('AtFlags', 'u32', [
  ['AT_SYMLINK_NOFOLLOW', 0x100],
  ['AT_REMOVEDIR', 0x200],
  ['AT_SYMLINK_FOLLOW', 0x400],
  ['AT_NO_AUTOMOUNT', 0x800],
  ['AT_EMPTY_PATH', 0x1000],
  ['AT_STATX_FORCE_SYNC', 0x2000],
  ['AT_STATX_DONT_SYNC', 0x4000],
]);
const Whence = Choice('Whence', 'u32', [
  ['SEEK_SET', 0],
  ['SEEK_CUR', 1],
  ['SEEK_END', 2],
  ['SEEK_DATA', 3],
  ['SEEK_HOLE', 4],
]);
const AccessMode = FlagSet(
  'AccessMode',
  'u32',
  [
    ['R_OK', 4],
    ['W_OK', 2],
    ['X_OK', 1],
  ],
  'F_OK',
);
const FcntlCommand = Choice('FcntlCommand', 'u32', [
  ['F_DUPFD', 0],
  ['F_GETFD', 1],
  ['F_SETFD', 2],
  ['F_GETFL', 3],
  ['F_SETFL', 4],
  ['F_GETLK', 5],
  ['F_SETLK', 6],
  ['F_SETLKW', 7],
  ['F_SETOWN', 8],
  ['F_GETOWN', 9],
  ['F_SETSIG', 10],
  ['F_GETSIG', 11],
  ['F_SETOWN_EX', 15],
  ['F_GETOWN_EX', 16],
  ['F_OFD_GETLK', 36],
  ['F_OFD_SETLK', 37],
  ['F_OFD_SETLKW', 38],
  ['F_SETLEASE', 1024],
  ['F_GETLEASE', 1025],
  ['F_NOTIFY', 1026],
  ['F_DUPFD_CLOEXEC', 1030],
  ['F_SETPIPE_SZ', 1031],
  ['F_GETPIPE_SZ', 1032],
  ['F_ADD_SEALS', 1033],
  ['F_GET_SEALS', 1034],
]);
const FlockOperation = FlagSet('FlockOperation', 'u32', [
  ['LOCK_SH', 1],
  ['LOCK_EX', 2],
  ['LOCK_NB', 4],
  ['LOCK_UN', 8],
]);
const RenameFlags = FlagSet('RenameFlags', 'u32', [
  ['RENAME_NOREPLACE', 1],
  ['RENAME_EXCHANGE', 2],
  ['RENAME_WHITEOUT', 4],
]);

const io: readonly SyscallRow[] = [
  row(0, 'read', [Fd, OutBuffer, Size], sys_read),
  row(1, 'write', [Fd, InBuffer, Size], sys_write),
  row(8, 'lseek', [Fd, Offset, Whence], sys_lseek),
  row(16, 'ioctl', [Fd, Flags, LongFlags], sys_ioctl),
  row(17, 'pread64', [Fd, OutBuffer, Size, Offset], sys_pread64),
  row(18, 'pwrite64', [Fd, InBuffer, Size, Offset], sys_pwrite64),
  row(19, 'readv', [Fd, Addr, UInt], sys_readv),
  row(20, 'writev', [Fd, Addr, UInt], sys_writev),
  row(40, 'sendfile', [Fd, Fd, Addr, Size], sys_sendfile),
  row(187, 'readahead', [Fd, Offset, Offset], sys_readahead),
  row(221, 'fadvise64', [Fd, Offset, Offset, Int], sys_fadvise64),
  row(275, 'splice', [Fd, Addr, Fd, Addr, Size, Flags], sys_splice),
  row(276, 'tee', [Fd, Fd, Size, Flags], sys_tee),
  row(277, 'sync_file_range', [Fd, Offset, Offset, Flags], sys_sync_file_range),
  row(278, 'vmsplice', [Fd, Addr, UInt, Flags], sys_vmsplice),
  row(295, 'preadv', [Fd, Addr, UInt, Offset, Long], sys_preadv),
  row(296, 'pwritev', [Fd, Addr, UInt, Offset, Long], sys_pwritev),
  row(326, 'copy_file_range', [Fd, Addr, Fd, Addr, Size, Flags], sys_copy_file_range),
  row(327, 'preadv2', [Fd, Addr, UInt, Offset, Long, Flags], sys_preadv2),
  row(328, 'pwritev2', [Fd, Addr, UInt, Offset, Long, Flags], sys_pwritev2),
];

const aio: readonly SyscallRow[] = [
  row(206, 'io_setup', [UInt, Addr], sys_io_setup),
  row(207, 'io_destroy', [Addr], sys_io_destroy),
  row(208, 'io_getevents', [Addr, Long, Long, Addr, Addr], sys_io_getevents),
  row(209, 'io_submit', [Addr, Long, Addr], sys_io_submit),
  row(210, 'io_cancel', [Addr, Addr, Addr], sys_io_cancel),
  row(333, 'io_pgetevents', [Addr, Long, Long, Addr, Addr, Addr], sys_io_pgetevents),
];

const descriptors: readonly SyscallRow[] = [
  row(2, 'open', [PathName, OpenFlags, Mode], sys_open),
  row(3, 'close', [Fd], sys_close),
  row(32, 'dup', [Fd], sys_dup),
  row(33, 'dup2', [Fd, Fd], sys_dup2),
  row(72, 'fcntl', [Fd, FcntlCommand, Long], sys_fcntl),
  row(73, 'flock', [Fd, FlockOperation], sys_flock),
  row(85, 'creat', [PathName, Mode], sys_creat),
  row(257, 'openat', [DirFd, PathName, OpenFlags, Mode], sys_openat),
  row(292, 'dup3', [Fd, Fd, OpenFlags], sys_dup3),
  row(319, 'memfd_create', [PathName, Flags], sys_memfd_create, { partial: 'MFD_HUGETLB is not supported.' }),
  row(436, 'close_range', [UInt, UInt, Flags], sys_close_range),
  row(437, 'openat2', [DirFd, PathName, Addr, Size], sys_openat2),
];

const attributes: readonly SyscallRow[] = [
  row(4, 'stat', [PathName, Addr], sys_stat),
  row(5, 'fstat', [Fd, Addr], sys_fstat),
  row(6, 'lstat', [PathName, Addr], sys_lstat),
  row(21, 'access', [PathName, AccessMode], sys_access),
  row(76, 'truncate', [PathName, Offset], sys_truncate),
  row(77, 'ftruncate', [Fd, Offset], sys_ftruncate),
  row(90, 'chmod', [PathName, Mode], sys_chmod),
  row(91, 'fchmod', [Fd, Mode], sys_fchmod),
  row(92, 'chown', [PathName, UInt, UInt], sys_chown),
  row(93, 'fchown', [Fd, UInt, UInt], sys_fchown),
  row(94, 'lchown', [PathName, UInt, UInt], sys_lchown),
  row(132, 'utime', [PathName, Addr], sys_utime),
  row(137, 'statfs', [PathName, Addr], sys_statfs),
  row(138, 'fstatfs', [Fd, Addr], sys_fstatfs),
  row(235, 'utimes', [PathName, Addr], sys_utimes),
  row(260, 'fchownat', [DirFd, PathName, UInt, UInt, AtFlags], sys_fchownat),
  row(261, 'futimesat', [DirFd, PathName, Addr], sys_futimesat),
  row(262, 'newfstatat', [DirFd, PathName, Addr, AtFlags], sys_newfstatat),
  row(268, 'fchmodat', [DirFd, PathName, Mode], sys_fchmodat),
  row(269, 'faccessat', [DirFd, PathName, AccessMode], sys_faccessat),
  row(280, 'utimensat', [DirFd, PathName, Addr, AtFlags], sys_utimensat),
  row(285, 'fallocate', [Fd, Flags, Offset, Offset], sys_fallocate),
  row(332, 'statx', [DirFd, PathName, AtFlags, Flags, Addr], sys_statx),
  row(439, 'faccessat2', [DirFd, PathName, AccessMode, AtFlags], sys_faccessat2),
  row(452, 'fchmodat2', [DirFd, PathName, Mode, AtFlags], sys_fchmodat2),
];

const names: readonly SyscallRow[] = [
  row(78, 'getdents', [Fd, Addr, UInt], sys_getdents),
  row(79, 'getcwd', [Addr, Size], sys_getcwd),
  row(80, 'chdir', [PathName], sys_chdir),
  row(81, 'fchdir', [Fd], sys_fchdir),
  row(82, 'rename', [PathName, PathName], sys_rename),
  row(83, 'mkdir', [PathName, Mode], sys_mkdir),
  row(84, 'rmdir', [PathName], sys_rmdir),
  row(86, 'link', [PathName, PathName], sys_link),
  row(87, 'unlink', [PathName], sys_unlink),
  row(88, 'symlink', [PathName, PathName], sys_symlink),
  row(89, 'readlink', [PathName, OutBuffer, Int], sys_readlink),
  row(95, 'umask', [Mode], sys_umask),
  row(133, 'mknod', [PathName, Mode, UInt], sys_mknod),
  row(161, 'chroot', [PathName], sys_chroot),
  row(217, 'getdents64', [Fd, Addr, UInt], sys_getdents64),
  row(258, 'mkdirat', [DirFd, PathName, Mode], sys_mkdirat),
  row(259, 'mknodat', [DirFd, PathName, Mode, UInt], sys_mknodat),
  row(263, 'unlinkat', [DirFd, PathName, AtFlags], sys_unlinkat),
  row(264, 'renameat', [DirFd, PathName, DirFd, PathName], sys_renameat),
  row(265, 'linkat', [DirFd, PathName, DirFd, PathName, AtFlags], sys_linkat),
  row(266, 'symlinkat', [PathName, DirFd, PathName], sys_symlinkat),
  row(267, 'readlinkat', [DirFd, PathName, OutBuffer, Int], sys_readlinkat),
  row(303, 'name_to_handle_at', [DirFd, PathName, Addr, Addr, AtFlags], sys_name_to_handle_at, {
    partial: 'On tmpfs; elsewhere only with AT_HANDLE_FID.',
  }),
  row(304, 'open_by_handle_at', [Fd, Addr, Flags], sys_open_by_handle_at, {
    partial: 'On tmpfs.',
  }),
  row(316, 'renameat2', [DirFd, PathName, DirFd, PathName, RenameFlags], sys_renameat2),
];

const mounts: readonly SyscallRow[] = [
  row(155, 'pivot_root', [PathName, PathName], sys_pivot_root),
  row(162, 'sync', [], sys_sync),
  row(165, 'mount', [PathName, PathName, PathName, LongFlags, Addr], sys_mount),
  row(166, 'umount2', [PathName, Flags], sys_umount2),
  row(428, 'open_tree', [DirFd, PathName, Flags], mountApi.sys_open_tree),
  row(429, 'move_mount', [DirFd, PathName, DirFd, PathName, Flags], mountApi.sys_move_mount, {
    partial: 'MOVE_MOUNT_SET_GROUP and MOVE_MOUNT_BENEATH return EINVAL.',
  }),
  row(430, 'fsopen', [PathName, Flags], mountApi.sys_fsopen),
  row(431, 'fsconfig', [Fd, UInt, PathName, Addr, Int], mountApi.sys_fsconfig, {
    partial: 'Flags and strings; no filesystem takes binary data, paths or descriptors.',
  }),
  row(432, 'fsmount', [Fd, Flags, Flags], mountApi.sys_fsmount),
  row(433, 'fspick', [DirFd, PathName, Flags], mountApi.sys_fspick),
  row(442, 'mount_setattr', [DirFd, PathName, Flags, Addr, Size], mountApi.sys_mount_setattr, {
    partial: 'No id-mapped mounts (MOUNT_ATTR_IDMAP).',
  }),
  row(74, 'fsync', [Fd], sys_fsync),
  row(75, 'fdatasync', [Fd], sys_fdatasync),
  row(306, 'syncfs', [Fd], sys_syncfs),
  missing(134, 'uselib', ENOSYS, 'Removed from Linux for x86-64.'),
  row(136, 'ustat', [UInt, Addr], sys_ustat),
  row(139, 'sysfs', [Int, Addr, Addr], sys_sysfs),
  row(153, 'vhangup', [], sys_vhangup),
  missing(167, 'swapon', EPERM, 'The sandbox has no swap.'),
  missing(168, 'swapoff', EPERM, 'The sandbox has no swap.'),
  missing(179, 'quotactl', ESRCH, 'No quotas.'),
  missing(180, 'nfsservctl', ENOSYS, 'Removed from Linux.'),
  missing(212, 'lookup_dcookie', ENOSYS, 'Removed from Linux.'),
  missing(443, 'quotactl_fd', ESRCH, 'No quotas.'),
  missing(451, 'cachestat', ENOSYS, 'Page cache statistics are the host kernel’s.'),
  missing(457, 'statmount', ENOSYS, 'Read /proc/self/mountinfo.'),
  missing(458, 'listmount', ENOSYS, 'Read /proc/self/mountinfo.'),
  row(467, 'open_tree_attr', [DirFd, PathName, Flags, Addr, Size], mountApi.sys_open_tree_attr, {
    partial: 'No id-mapped mounts (MOUNT_ATTR_IDMAP).',
  }),
];

const xattrs: readonly SyscallRow[] = [
  row(188, 'setxattr', [PathName, PathName, InBuffer, Size, Flags], sys_setxattr),
  row(189, 'lsetxattr', [PathName, PathName, InBuffer, Size, Flags], sys_lsetxattr),
  row(190, 'fsetxattr', [Fd, PathName, InBuffer, Size, Flags], sys_fsetxattr),
  row(191, 'getxattr', [PathName, PathName, OutBuffer, Size], sys_getxattr),
  row(192, 'lgetxattr', [PathName, PathName, OutBuffer, Size], sys_lgetxattr),
  row(193, 'fgetxattr', [Fd, PathName, OutBuffer, Size], sys_fgetxattr),
  row(194, 'listxattr', [PathName, OutBuffer, Size], sys_listxattr),
  row(195, 'llistxattr', [PathName, OutBuffer, Size], sys_llistxattr),
  row(196, 'flistxattr', [Fd, OutBuffer, Size], sys_flistxattr),
  row(197, 'removexattr', [PathName, PathName], sys_removexattr),
  row(198, 'lremovexattr', [PathName, PathName], sys_lremovexattr),
  row(199, 'fremovexattr', [Fd, PathName], sys_fremovexattr),
  row(463, 'setxattrat', [DirFd, PathName, AtFlags, PathName, Addr, Size], sys_setxattrat),
  row(464, 'getxattrat', [DirFd, PathName, AtFlags, PathName, Addr, Size], sys_getxattrat),
  row(465, 'listxattrat', [DirFd, PathName, AtFlags, OutBuffer, Size], sys_listxattrat),
  row(466, 'removexattrat', [DirFd, PathName, AtFlags, PathName], sys_removexattrat),
  row(468, 'file_getattr', [DirFd, PathName, Addr, Size, AtFlags], sys_file_getattr, { partial: 'No projects, no hints about extents.' }),
  row(469, 'file_setattr', [DirFd, PathName, Addr, Size, AtFlags], sys_file_setattr, { partial: 'No projects, no hints about extents.' }),
];

export const fileRows: readonly SyscallRow[] = [...io, ...aio, ...descriptors, ...attributes, ...names, ...mounts, ...xattrs];
