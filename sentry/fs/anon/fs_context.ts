// SPDX-License-Identifier: Apache-2.0

/**
 * A filesystem context: what fsopen(2) and fspick(2) give, fsconfig(2) fills and fsmount(2) mounts.
 *
 * Linux: fs/fsopen.c, fs/fs_context.c
 */
import { ENODATA } from '../../../platform/abi/linux/errno.ts';
import { O_RDWR } from '../../../platform/abi/linux/fcntl.ts';
import type { Credentials } from '../../auth/credentials.ts';
import type { Filesystem } from '../../vfs/filesystem.ts';
import type { Mount } from '../../vfs/mount.ts';
import { AnonFile } from './anon_file.ts';

/** Longest source and option text: a page each, as of mount(2). */
const TEXT_MAX = 4096;

export class FsContextFile extends AnonFile {
  readonly typeName: string;
  /** fspick(2): the mount to reconfigure. */
  readonly picked: Mount | null;
  source = '';
  isReadOnly = false;
  /** Made by FSCONFIG_CMD_CREATE. */
  filesystem: Filesystem | null = null;
  /** A command failed, or the mount was made: nothing more can be done with it. */
  isSpent = false;
  private options: string[] = [];

  override get canPoll(): boolean {
    return false;
  }

  constructor(typeName: string, picked: Mount | null, creds: Credentials) {
    super('fscontext', O_RDWR, creds);
    this.typeName = typeName;
    this.picked = picked;
  }
  /** Adds an option; false when there are too many. */
  addOption(option: string): boolean {
    if (this.data.length + option.length + 1 >= TEXT_MAX) return false;
    this.options.push(option);
    return true;
  }
  /** The options as mount(2)'s data. */
  get data(): string {
    return this.options.join(',');
  }
  protected override release(): void {
    // Made and never mounted: nobody else has it.
    if (this.picked === null && this.filesystem?.mountRefs === 0) this.filesystem.release();
    super.release();
  }
  /** The log of messages: there are none. */
  override read(): number {
    return ENODATA;
  }
}
