// SPDX-License-Identifier: Apache-2.0

/**
 * struct sockaddr_un: validation, and the names sockets are found by.
 *
 * Linux: net/unix/af_unix.c (unix_validate_addr, unix_mkname_bsd, unix_find_bsd, unix_find_abstract)
 */
import { ECONNREFUSED, EINVAL, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { MAY_WRITE } from '../../../platform/abi/linux/fcntl.ts';
import { AF_UNIX } from '../../../platform/abi/linux/socket.ts';
import { S_IFMT, S_IFSOCK } from '../../../platform/abi/linux/stat.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Inode } from '../../vfs/inode.ts';
import { walkPath } from '../../vfs/path_walk.ts';
import { inodePermission } from '../../vfs/permission.ts';
import type { UnixSocket } from './unix_socket.ts';

/** sizeof(struct sockaddr_un). */
const SOCKADDR_UN_SIZE = 110;

/** What an address names: a path, an abstract name (without its leading NUL), or nothing (autobind). */
export type UnixName = { kind: 'path'; path: string } | { kind: 'abstract'; name: string } | { kind: 'none' };

/** Sockets with abstract names; each type of socket and each network namespace has names of its own. */
export const abstractNames = new Map<string, UnixSocket>();

export function abstractKey(type: number, name: string, netTag: number): string {
  return netTag === 0 ? `${type}:${name}` : `${netTag}/${type}:${name}`;
}

/** The only address an unnamed socket has. */
export const UNNAMED = Uint8Array.of(AF_UNIX, 0);

/** Reads an address. Errors: EINVAL. */
export function parseUnixAddress(address: Uint8Array): UnixName | Errno {
  if (address.length < 2 || address.length > SOCKADDR_UN_SIZE) return EINVAL;
  if ((address[0] as number) + (address[1] as number) * 256 !== AF_UNIX) return EINVAL;
  if (address.length === 2) return { kind: 'none' };
  const bytes = Buffer.from(address.buffer, address.byteOffset + 2, address.length - 2);
  if (bytes[0] === 0) return { kind: 'abstract', name: bytes.toString('latin1', 1) };
  const nul = bytes.indexOf(0);
  return { kind: 'path', path: bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul) };
}

/** Makes the bytes getsockname(2) shows. */
export function encodeUnixName(name: UnixName): Uint8Array {
  if (name.kind === 'none') return UNNAMED;
  const text = name.kind === 'path' ? `${name.path}\0` : `\0${name.name}`;
  return Buffer.from(`\x01\0${text}`, 'latin1');
}

/** Finds the socket bound to a name. Errors: ECONNREFUSED; for paths those of the walk, EACCES. */
export function findUnixSocket(ctx: IoContext, type: number, name: UnixName, netTag: number): UnixSocket | Errno {
  if (name.kind === 'none') return EINVAL;
  if (name.kind === 'abstract') return abstractNames.get(abstractKey(type, name.name, netTag)) ?? ECONNREFUSED;
  const path = walkPath(ctx, null, name.path, true);
  if (isErrno(path)) return path;
  const inode = path.dentry.inode as Inode;
  const denied = inodePermission(ctx, inode, MAY_WRITE);
  if (denied !== 0) return denied as Errno;
  if ((inode.mode & S_IFMT) !== S_IFSOCK) return ECONNREFUSED;
  return (inode.body.attachment as UnixSocket | null) ?? ECONNREFUSED;
}

/** Connects to a socket of the host's by path (--host-uds=open). Returns the host descriptor. Errors: ECONNREFUSED. */
export function connectHostSocket(ctx: IoContext, type: number, name: UnixName): number {
  if (name.kind !== 'path') return ECONNREFUSED;
  const path = walkPath(ctx, null, name.path, true);
  if (isErrno(path)) return path;
  const inode = path.dentry.inode as Inode;
  return inode.body.attachment === null && (inode.mode & S_IFMT) === S_IFSOCK ? inode.connectHost(type) : ECONNREFUSED;
}

let autobindCounter = Math.floor(Math.random() * 0x100000);

/** A free abstract name for autobind: five hex digits. */
export function autobindName(type: number, netTag: number): string | null {
  for (let tries = 0; tries < 0x100000; tries++) {
    const name = (autobindCounter++ & 0xfffff).toString(16).padStart(5, '0');
    if (!abstractNames.has(abstractKey(type, name, netTag))) return name;
  }
  return null;
}
