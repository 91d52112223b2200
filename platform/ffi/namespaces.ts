// SPDX-License-Identifier: Apache-2.0

/**
 * Namespaces, mounts and roots of the calling process. Paths are byte strings.
 */
import { cstring, rawSyscall } from './native.ts';

export function unshare(flags: number): number {
  return rawSyscall(272, flags);
}

export function setns(fd: number, nstype: number): number {
  return rawSyscall(308, fd, nstype);
}

/** mount(2); source, type and data may be null. */
export function mount(
  source: string | null,
  target: string,
  type: string | null,
  flags: number,
  data: string | null,
): number {
  return rawSyscall(
    165,
    source === null ? null : cstring(source, 0),
    cstring(target, 1),
    type === null ? null : cstring(type, 2),
    flags,
    data === null ? null : cstring(data, 3),
  );
}

export function umount2(target: string, flags: number): number {
  return rawSyscall(166, cstring(target), flags);
}

export function pivot_root(newRoot: string, putOld: string): number {
  return rawSyscall(155, cstring(newRoot, 0), cstring(putOld, 1));
}

export function chroot(path: string): number {
  return rawSyscall(161, cstring(path));
}

export function chdir(path: string): number {
  return rawSyscall(80, cstring(path));
}

export function fchdir(fd: number): number {
  return rawSyscall(81, fd);
}

export function sethostname(name: string): number {
  return rawSyscall(170, cstring(name), name.length);
}

/** open_tree(2): a detached copy of a mount with OPEN_TREE_CLONE. */
export function open_tree(dirfd: number, path: string, flags: number): number {
  return rawSyscall(428, dirfd, cstring(path), flags);
}

export function move_mount(fromDir: number, fromPath: string, toDir: number, toPath: string, flags: number): number {
  return rawSyscall(429, fromDir, cstring(fromPath, 1), toDir, cstring(toPath), flags);
}

/** mount_setattr(2) with struct mount_attr (32 bytes). */
export function mount_setattr(dirfd: number, path: string, flags: number, attr: Uint8Array): number {
  return rawSyscall(442, dirfd, cstring(path), flags, attr, attr.length);
}
