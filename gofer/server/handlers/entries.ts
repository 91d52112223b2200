// SPDX-License-Identifier: Apache-2.0

/**
 * Handlers that change directories: mkdir, mknod, symlink, link, unlink, rename.
 */
import { EINVAL, EROFS, EXDEV } from '../../../platform/abi/linux/errno.ts';
import { close, linkFd, mkdirat, mknodat, renameat2, symlinkat, unlinkat } from '../../../platform/ffi/gofer_calls.ts';
import { adoptEntry } from '../../hostfs/files.ts';
import { fileType, openComponent, type Place, S_IFDIR, S_IFMT } from '../../tree/controls.ts';
import type { Reply } from '../reply.ts';
import type { Session } from '../session.ts';

const AT_REMOVEDIR = 0x200;

/** Sets owner and mode of an entry just made and pushes both attributes; takes the entry back when that fails. */
export function finishEntry(
  session: Session,
  dir: Place,
  name: string,
  mode: number,
  uid: number,
  gid: number,
  reply: Reply,
): number {
  const fd = adoptEntry(dir.fd, name, mode, uid, gid);
  if (fd < 0) {
    unlinkat(dir.fd, name, (mode & S_IFMT) === S_IFDIR ? AT_REMOVEDIR : 0);
    return fd;
  }
  let r = session.pushAttr(reply, dir.fd);
  if (r >= 0) r = session.pushAttr(reply, fd);
  close(fd);
  return r;
}

/** [directory, name, mode, uid, gid] -> directory's attr, attr. */
export function mkdir(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  const mode = args[5] as number;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const r = mkdirat(dir.fd, name, mode & 0o777);
    if (r < 0) return r;
    return finishEntry(session, dir, name, (mode & 0o7777) | S_IFDIR, args[6] as number, args[7] as number, reply);
  });
}

/** Device number in the host's dev_t encoding. */
function makedev(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000;
}

/** [directory, name, mode with type, major, minor, uid, gid] -> directory's attr, attr. */
export function mknod(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  const mode = args[5] as number;
  const type = mode & S_IFMT;
  if (type !== 0o010000 && type !== 0o140000 && type !== 0o100000 && type !== 0o020000 && type !== 0o060000)
    return EINVAL;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const r = mknodat(dir.fd, name, mode & ~0o7000, makedev(args[6] as number, args[7] as number));
    if (r < 0) return r;
    return finishEntry(session, dir, name, mode, args[8] as number, args[9] as number, reply);
  });
}

/** [directory, name, target, uid, gid] -> directory's attr, attr. */
export function symlink(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const r = symlinkat(args[5] as string, dir.fd, name);
    if (r < 0) return r;
    return finishEntry(session, dir, name, 0o120777, args[6] as number, args[7] as number, reply);
  });
}

/** [directory, name, target address] -> directory's attr, attr. Errors: EXDEV between roots. */
export function link(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  return session.withDir(args[2] as number, args[3] as string[], (dir) =>
    session.withPlace(args[5] as number, args[6] as string[], (target) => {
      if (dir.root !== target.root) return EXDEV;
      if (dir.root.isReadonly) return EROFS;
      const r = linkFd(target.fd, dir.fd, name);
      if (r < 0) return r;
      const described = session.pushAttr(reply, dir.fd);
      return described < 0 ? described : session.pushAttr(reply, target.fd);
    }),
  );
}

/** Makes a control of a file that has just lost its name and pushes it with its attributes; or 0 and nothing. */
function keepNameless(session: Session, dir: Place, fd: number, reply: Reply): number {
  if (fd < 0) {
    reply.push(0);
    reply.push(null);
    return 0;
  }
  const type = fileType(fd);
  const id = type < 0 ? type : session.controls.add(fd, dir.root, type);
  reply.push(Math.max(id, 0));
  if (id <= 0) {
    reply.push(null);
    return 0;
  }
  return session.pushAttr(reply, fd);
}

/** [directory, name, AT_REMOVEDIR, keep] -> directory's attr, control or 0, the file's attr. */
export function unlink(session: Session, args: readonly unknown[], reply: Reply): number {
  const name = args[4] as string;
  return session.withDir(args[2] as number, args[3] as string[], (dir) => {
    if (dir.root.isReadonly) return EROFS;
    const kept = args[6] === 1 ? openComponent(dir.fd, name) : -1;
    const r = unlinkat(dir.fd, name, args[5] as number);
    if (r < 0) {
      if (kept >= 0) close(kept);
      return r;
    }
    const described = session.pushAttr(reply, dir.fd);
    if (described < 0) {
      if (kept >= 0) close(kept);
      return described;
    }
    return keepNameless(session, dir, kept, reply);
  });
}

/**
 * [old directory, old name, new directory, new name, flags, keep] -> old and new directory's attr, the moved file's attr,
 * control or 0 and attr of the file that was replaced. Errors: EXDEV between roots.
 */
export function rename(session: Session, args: readonly unknown[], reply: Reply): number {
  const oldName = args[4] as string;
  const newName = args[7] as string;
  return session.withDir(args[2] as number, args[3] as string[], (oldDir) =>
    session.withDir(args[5] as number, args[6] as string[], (newDir) => {
      if (oldDir.root !== newDir.root) return EXDEV;
      if (oldDir.root.isReadonly) return EROFS;
      const kept = args[9] === 1 ? openComponent(newDir.fd, newName) : -1;
      const r = renameat2(oldDir.fd, oldName, newDir.fd, newName, args[8] as number);
      if (r < 0) {
        if (kept >= 0) close(kept);
        return r;
      }
      return describeRename(session, oldDir, newDir, newName, kept, reply);
    }),
  );
}

function describeRename(
  session: Session,
  oldDir: Place,
  newDir: Place,
  newName: string,
  kept: number,
  reply: Reply,
): number {
  const moved = openComponent(newDir.fd, newName);
  let r = moved;
  if (r >= 0) r = session.pushAttr(reply, oldDir.fd);
  if (r >= 0) r = session.pushAttr(reply, newDir.fd);
  if (r >= 0) r = session.pushAttr(reply, moved);
  if (moved >= 0) close(moved);
  if (r < 0) {
    if (kept >= 0) close(kept);
    return r;
  }
  return keepNameless(session, newDir, kept, reply);
}
