// SPDX-License-Identifier: Apache-2.0

/**
 * A terminal given as a descriptor, as the sandbox's sessions see it. The host's own notion of sessions never sees the application.
 */
import { EIO, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { Session } from '../../kernel/process/process_group.ts';
import type { ThreadGroup } from '../../kernel/process/thread_group.ts';
import { TtyJobControl } from '../../kernel/process/tty_job_control.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { ByteString, Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';

export type { TtyKernel } from '../../kernel/process/tty_job_control.ts';

/** The inode of a terminal: its descriptor stays open while it is held. */
interface HeldInode extends Inode {
  hold(): void;
  closed(): void;
}

export class HostTty extends TtyJobControl {
  /** The inode of the terminal, for /dev/tty; null once its descriptor is closed. */
  inode: HeldInode | null = null;
  /** Its path in the container; null: it has none. */
  name: ByteString | null = null;
  /** Takes the name away again. */
  onClosed: (() => void) | null = null;
  private isHeld = false;

  /** Opens the terminal again, for /dev/tty. */
  override openAgain(ctx: IoContext, path: Path, _inode: Inode, flags: number): FileDescription | Errno {
    return this.inode === null ? EIO : this.inode.open(ctx, path, flags);
  }

  /** A session may have closed all of its descriptors and open /dev/tty all the same. */
  override adopt(leader: ThreadGroup): void {
    super.adopt(leader);
    if (this.isHeld || this.inode === null) return;
    this.isHeld = true;
    this.inode.hold();
  }

  override onSessionReleased(session: Session): void {
    super.onSessionReleased(session);
    this.letGo();
  }

  override giveUp(ctx: IoContext): number {
    const result = super.giveUp(ctx);
    if (this.session === null) this.letGo();
    return result;
  }

  private letGo(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.inode?.closed();
  }
}
