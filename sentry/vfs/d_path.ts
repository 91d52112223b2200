// SPDX-License-Identifier: Apache-2.0

/**
 * From a place back to its path text.
 *
 * Linux: fs/d_path.c; getcwd(2)
 */
import type { ByteString } from './inode.ts';
import type { Path } from './mount.ts';

/** Path of `path` as seen from `root`, and whether the walk up met `root`. No "(deleted)". */
export function pathText(root: Path, path: Path): { text: ByteString; isReachable: boolean } {
  let { mount, dentry } = path;
  const parts: ByteString[] = [];
  let isReachable = true;
  while (!(dentry === root.dentry && mount === root.mount)) {
    if (dentry === mount.root) {
      if (mount.parent === null) {
        isReachable = false;
        break;
      }
      dentry = mount.mountpoint as typeof dentry;
      mount = mount.parent;
      continue;
    }
    parts.push(dentry.name);
    if (dentry.parent === null) {
      isReachable = false;
      break;
    }
    dentry = dentry.parent;
  }
  return { text: parts.length === 0 ? '/' : `/${parts.reverse().join('/')}`, isReachable };
}

/** Path for /proc/pid/fd, maps, exe...: " (deleted)" appended when its name is gone. */
export function dPath(root: Path, path: Path): ByteString {
  const { text } = pathText(root, path);
  return path.dentry.isUnlinked ? `${text} (deleted)` : text;
}
