// SPDX-License-Identifier: Apache-2.0

/**
 * A terminal given as a descriptor, as the sandbox's sessions see it. The host's own notion of sessions never sees the application.
 */
import { EIO, type Errno } from '../../../platform/abi/linux/errno.ts';
import { TtyJobControl } from '../../kernel/process/tty_job_control.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';

export type { TtyKernel } from '../../kernel/process/tty_job_control.ts';

export class HostTty extends TtyJobControl {
  /** The inode of the terminal, for /dev/tty. */
  inode: Inode | null = null;
  /** Its path in the container; null: it has none. */
  name: ByteString | null = null;

  /** Opens the terminal again, for /dev/tty. */
  override openAgain(ctx: IoContext, path: Path, _inode: Inode, flags: number): FileDescription | Errno {
    return this.inode === null ? EIO : this.inode.open(ctx, path, flags);
  }
}
