// SPDX-License-Identifier: Apache-2.0

/**
 * A mount that a descriptor holds before it is anywhere: fsmount(2), open_tree(2) with OPEN_TREE_CLONE.
 *
 * Linux:      fs/namespace.c (FMODE_NEED_UNMOUNT, dissolve_on_fput)
 * Invariants: when the descriptor goes and nobody has attached the mount, it is taken apart.
 */
import { O_PATH } from '../../platform/abi/linux/fcntl.ts';
import type { Credentials } from '../auth/credentials.ts';
import { PathDescription } from './file_description.ts';
import type { Inode } from './inode.ts';
import type { Mount } from './mount.ts';
import { detachTree } from './mount_tree.ts';
import type { VirtualFilesystem } from './virtual_filesystem.ts';

export class DetachedMountFile extends PathDescription {
  private readonly vfs: VirtualFilesystem;

  constructor(vfs: VirtualFilesystem, mount: Mount, creds: Credentials) {
    super({ mount, dentry: mount.root }, mount.root.inode as Inode, O_PATH, creds);
    this.vfs = vfs;
    mount.isDetached = true;
  }
  protected override release(): void {
    const { mount } = this.path;
    if (mount.isDetached && mount.parent === null) {
      mount.isDetached = false;
      detachTree(this.vfs, mount);
    }
  }
}
