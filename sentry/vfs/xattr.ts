// SPDX-License-Identifier: Apache-2.0

/**
 * Extended attributes: namespaces and who may touch them.
 *
 * Linux: fs/xattr.c (xattr_permission), security/commoncap.c; xattr(7)
 */
import { CAP_SETFCAP, CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import { EINVAL, ENODATA, EOPNOTSUPP, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import { MAY_READ, MAY_WRITE } from '../../platform/abi/linux/fcntl.ts';
import { S_IFDIR, S_IFMT, S_IFREG, S_ISVTX } from '../../platform/abi/linux/stat.ts';
import type { IoContext } from './context.ts';
import type { ByteString, Inode } from './inode.ts';
import type { Path } from './mount.ts';
import { IN_ATTRIB, notifyFile } from './notify.ts';
import { FS_APPEND_FL, FS_IMMUTABLE_FL, inodePermission, ownerOrCapable, wantWrite } from './permission.ts';

/** Returns 0, EPERM, ENODATA, EOPNOTSUPP, EINVAL (a prefix alone) or what the mode says. */
function xattrPermission(ctx: IoContext, inode: Inode, name: ByteString, mask: number): number {
  const denied = namespacePermission(ctx, inode, name, mask);
  return denied === 0 && (name === 'user.' || name === 'trusted.' || name === 'security.') ? EINVAL : denied;
}

function namespacePermission(ctx: IoContext, inode: Inode, name: ByteString, mask: number): number {
  const isWrite = (mask & MAY_WRITE) !== 0;
  if (isWrite && (inode.fsFlags & (FS_IMMUTABLE_FL | FS_APPEND_FL)) !== 0) return EPERM;
  if (name.startsWith('system.')) return 0;
  if (name.startsWith('security.')) return isWrite ? securityWrite(ctx, name) : 0;
  if (name.startsWith('trusted.'))
    return ctx.creds.hasCap(CAP_SYS_ADMIN) && ctx.creds.userNs.parent === null ? 0 : isWrite ? EPERM : ENODATA;
  if (!name.startsWith('user.')) {
    const denied = inodePermission(ctx, inode, mask);
    return denied !== 0 ? denied : EOPNOTSUPP;
  }
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return isWrite ? EPERM : ENODATA;
  if (type === S_IFDIR && isWrite && (inode.mode & S_ISVTX) !== 0 && !ownerOrCapable(ctx.creds, inode)) return EPERM;
  return inodePermission(ctx, inode, mask);
}

function securityWrite(ctx: IoContext, name: ByteString): number {
  const cap = name === 'security.capability' ? CAP_SETFCAP : CAP_SYS_ADMIN;
  return ctx.creds.hasCap(cap) ? 0 : EPERM;
}

/** getxattr(2): the value or errno. */
export function getXattr(ctx: IoContext, path: Path, name: ByteString): Uint8Array | Errno {
  const inode = path.dentry.inode as Inode;
  const denied = xattrPermission(ctx, inode, name, MAY_READ);
  return denied !== 0 ? (denied as Errno) : inode.getxattr(ctx, name);
}

/** setxattr(2). flags: XATTR_CREATE, XATTR_REPLACE. */
export function setXattr(ctx: IoContext, path: Path, name: ByteString, value: Uint8Array, flags: number): number {
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  const inode = path.dentry.inode as Inode;
  const denied = xattrPermission(ctx, inode, name, MAY_WRITE);
  if (denied !== 0) return denied;
  const err = inode.setxattr(ctx, name, value, flags);
  if (err === 0) notifyFile(path.dentry, IN_ATTRIB);
  return err;
}

/** removexattr(2). */
export function removeXattr(ctx: IoContext, path: Path, name: ByteString): number {
  const readOnly = wantWrite(path.mount);
  if (readOnly !== 0) return readOnly;
  const inode = path.dentry.inode as Inode;
  const denied = xattrPermission(ctx, inode, name, MAY_WRITE);
  if (denied !== 0) return denied;
  const err = inode.removexattr(ctx, name);
  if (err === 0) notifyFile(path.dentry, IN_ATTRIB);
  return err;
}

/** listxattr(2): names the caller may know of. */
export function listXattr(ctx: IoContext, path: Path): ByteString[] | Errno {
  const names = (path.dentry.inode as Inode).listxattr(ctx);
  if (typeof names === 'number' || ctx.creds.hasCap(CAP_SYS_ADMIN)) return names;
  return names.filter((name) => !name.startsWith('trusted.'));
}
