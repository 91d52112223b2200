// SPDX-License-Identifier: Apache-2.0

/**
 * What files of anonymous inodes have in common: one shared inode, no position, a link text of their own.
 *
 * Linux: fs/anon_inodes.c
 */
import type { Credentials } from '../../auth/credentials.ts';
import { AnonInode, anonInodeFs } from '../../vfs/anon_mount.ts';
import { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString } from '../../vfs/inode.ts';

/** All anonymous inode files share it, as on Linux. Its mode has no type. */
class SharedInode extends AnonInode {
  override readonly hasFixedAttributes = true;
}
const sharedInode = new SharedInode(anonInodeFs.fs, 0o600, 0, 0);

export abstract class AnonFile extends FileDescription {
  /** "[eventfd]", "inotify": what follows "anon_inode:". */
  private readonly name: ByteString;

  constructor(name: ByteString, flags: number, creds: Credentials) {
    super(anonInodeFs.place(sharedInode, name), sharedInode, flags, creds);
    this.name = name;
  }
  override get isSeekable(): boolean {
    return false;
  }
  /** noop_llseek: succeeds and moves nothing. */
  override seek(): number {
    return this.position;
  }
  override get splicesOut(): boolean {
    return false;
  }
  override get splicesIn(): boolean {
    return false;
  }
  override get canPoll(): boolean {
    return true;
  }
  override linkText(): ByteString | null {
    return `anon_inode:${this.name}`;
  }
}
