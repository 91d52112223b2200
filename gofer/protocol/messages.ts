// SPDX-License-Identifier: Apache-2.0

/**
 * The message table: every method's number, name and argument kinds. A request is [id, method, ...args]; a reply is
 * [id, errno, ...results], errno 0 or negative.
 *
 * Most methods begin with an address: a control id and the names to walk from it (often none). A walk inside an address
 * never follows a symbolic link.
 */
import * as c from './constants.ts';
import {
  bytes,
  CONTROL,
  CONTROL_BATCH,
  flags,
  integer,
  type Kind,
  MODE,
  NAME,
  NAME_BATCH,
  NAMES,
  NSEC,
  SECONDS,
  SIZE,
  text,
  U32,
} from './kinds.ts';

export interface MethodSpec {
  readonly name: string;
  readonly args: readonly Kind<unknown>[];
}

const AT = [CONTROL, NAMES] as const;
const OWNER = [U32, U32] as const;
const OPEN_FLAGS = flags('open flags', 3);
const XATTR_NAME = text('xattr name', 1, 255);

const entries: readonly (readonly [number, string, readonly Kind<unknown>[]])[] = [
  // version -> version, frame size, most controls, [[control, flags, attr], ...]
  [c.HELLO, 'hello', [U32]],
  // no reply
  [c.FORGET, 'forget', [CONTROL_BATCH]],
  // address, flags -> control or 0, attributes of each component reached, errno of the next one, and null or what was fetched ahead:
  // a link's text, raw directory entries, or (with a readable descriptor) 1 when the file has extended attributes and 0 when not
  [c.WALK, 'walk', [CONTROL, NAMES, flags('walk flags', c.WALK_CONTROL | c.WALK_AHEAD | c.WALK_LISTING)]],
  // -> attr
  [c.GETATTR, 'getattr', [...AT]],
  // O_ACCMODE -> attr, 1 when the file has extended attributes and 0 when not, and the descriptor
  [c.OPEN, 'open', [...AT, OPEN_FLAGS]],
  // name, O_ACCMODE, mode, uid, gid -> directory's attr, attr, and the descriptor
  [c.CREATE, 'create', [...AT, NAME, OPEN_FLAGS, MODE, ...OWNER]],
  [c.MKDIR, 'mkdir', [...AT, NAME, MODE, ...OWNER]],
  // name, mode with type, rdev major, minor, uid, gid
  [c.MKNOD, 'mknod', [...AT, NAME, MODE, U32, U32, ...OWNER]],
  [c.SYMLINK, 'symlink', [...AT, NAME, text('target', 1, c.LINK_MAX), ...OWNER]],
  // directory, name, target address
  [c.LINK, 'link', [...AT, NAME, ...AT]],
  // directory, name, AT_REMOVEDIR, keep a control on the file -> directory's attr, control or 0, file's attr
  [c.UNLINK, 'unlink', [...AT, NAME, flags('unlink flags', 0x200), flags('keep', 1)]],
  // old directory, old name, new directory, new name, RENAME_NOREPLACE|EXCHANGE, keep the replaced file -> both attrs, moved file's attr, control or 0
  [c.RENAME, 'rename', [...AT, NAME, ...AT, NAME, flags('rename flags', 3), flags('keep', 1)]],
  // SET_* bits, mode, uid, gid, size, atime, mtime -> attr
  [c.SETATTR, 'setattr', [...AT, flags('valid', 63), MODE, ...OWNER, SIZE, SECONDS, NSEC, SECONDS, NSEC]],
  // -> text
  [c.READLINK, 'readlink', [...AT]],
  // stream (0: start) -> control of the directory, stream to go on with or 0, [name, ino, dtype, ...]
  [c.READDIR, 'readdir', [...AT, U32]],
  // names of directories, byte budget, 1: attributes of all entries, 0: of subdirectories -> [[index of the parent or -1, name, raw entries, attributes in order], ...]
  [c.READDIR_TREE, 'readdir_tree', [...AT, NAME_BATCH, integer('budget', 0, c.TREE_BYTES_MAX), flags('all', 1)]],
  // names -> attributes, all zero for one that failed
  [c.STAT_MANY, 'stat_many', [...AT, NAME_BATCH]],
  [c.GETXATTR, 'getxattr', [...AT, XATTR_NAME]],
  [c.SETXATTR, 'setxattr', [...AT, XATTR_NAME, bytes('value', c.XATTR_MAX), flags('xattr flags', 3)]],
  [c.REMOVEXATTR, 'removexattr', [...AT, XATTR_NAME]],
  [c.LISTXATTR, 'listxattr', [...AT]],
  // -> type, bsize, blocks, bfree, bavail, files, ffree, namelen, flags
  [c.STATFS, 'statfs', [...AT]],
  // data only
  [c.FSYNC, 'fsync', [...AT, flags('data only', 1)]],
  // directory, mode, uid, gid -> control, attr, and the descriptor
  [c.TMPFILE, 'tmpfile', [...AT, MODE, ...OWNER]],
  // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET -> the connected descriptor
  [c.CONNECT, 'connect', [...AT, flags('socket type', 7)]],
  // directory, name, socket type, mode, uid, gid -> directory's attr, attr, and the bound descriptor
  [c.BIND, 'bind', [...AT, NAME, flags('socket type', 7), MODE, ...OWNER]],
  // struct sockaddr_in or sockaddr_in6 with a port below 1024, and with the message the socket
  [c.BIND_PORT, 'bind_port', [bytes('address', 28)]],
  // -> watch descriptor, with the first one the inotify descriptor that reports changes of content, attributes and entries
  [c.WATCH, 'watch', [...AT]],
  // watch descriptor
  [c.UNWATCH, 'unwatch', [U32]],
];

/** Methods by number; a hole is an unknown method. */
export const METHODS: readonly (MethodSpec | undefined)[] = (() => {
  const table: (MethodSpec | undefined)[] = [];
  for (const [number, name, args] of entries) table[number] = { name, args };
  return table;
})();
