// SPDX-License-Identifier: Apache-2.0

/**
 * Job control of a terminal: whose controlling terminal it is, and which process group may use it.
 *
 * Linux:      drivers/tty/tty_jobctrl.c
 * Invariants: session is the session whose `tty` this is, or null.
 */
import { EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { ControllingTty, ProcessGroup, Session } from './process_group.ts';
import type { ThreadGroup } from './thread_group.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';

const SIGHUP = 1;
const SIGCONT = 18;
const SIGTTIN = 21;
const SIGTTOU = 22;

/** What of the kernel job control needs. */
export interface TtyKernel {
  /** Sends a signal to every member of a process group. */
  signalProcessGroup(group: ProcessGroup, signo: number): void;
  /** Would this signal do nothing to the caller (blocked or ignored)? */
  isBlockedOrIgnored(ctx: IoContext, signo: number): boolean;
}

/** The caller's thread group: an IoContext of a system call is a Task. */
function callerOf(ctx: IoContext): ThreadGroup | null {
  return (ctx as unknown as { threadGroup?: ThreadGroup }).threadGroup ?? null;
}

export abstract class TtyJobControl implements ControllingTty {
  rdev = 0;
  session: Session | null = null;
  private readonly kernel: TtyKernel;

  constructor(kernel: TtyKernel) {
    this.kernel = kernel;
  }

  abstract openAgain(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno;

  onSessionReleased(session: Session): void {
    if (this.session === session) this.session = null;
  }

  /** Makes this the controlling terminal of `leader`'s session, whose group comes to the foreground (the container's init). */
  adopt(leader: ThreadGroup): void {
    const session = leader.processGroup.session;
    session.tty = this;
    session.foreground = leader.processGroup;
    this.session = session;
  }

  /** TIOCSCTTY. */
  setControlling(ctx: IoContext): number {
    const caller = callerOf(ctx);
    if (caller === null) return ENOTTY;
    const session = caller.processGroup.session;
    if (session === this.session) return 0;
    if (session.leader !== caller || session.tty !== null || this.session !== null) return EPERM;
    this.adopt(caller);
    return 0;
  }

  /** TIOCNOTTY. */
  giveUp(ctx: IoContext): number {
    const caller = callerOf(ctx);
    if (caller === null || this.session === null || caller.processGroup.session !== this.session) return ENOTTY;
    const session = this.session;
    if (session.leader !== caller) return 0;
    const { foreground } = session;
    session.tty = null;
    session.foreground = null;
    this.session = null;
    if (foreground !== null) {
      this.kernel.signalProcessGroup(foreground, SIGHUP);
      this.kernel.signalProcessGroup(foreground, SIGCONT);
    }
    return 0;
  }

  /** TIOCGPGRP: the foreground group's id as the caller sees it. */
  foregroundId(ctx: IoContext): number {
    const caller = callerOf(ctx);
    if (caller === null || this.session === null || caller.processGroup.session !== this.session) return ENOTTY;
    return this.session.foreground?.idIn(caller.pidNs) ?? 0;
  }

  /** TIOCSPGRP; `arg` is the address of the group's id. */
  setForeground(ctx: IoContext, arg: number): number {
    const changed = this.checkChange(ctx);
    if (changed < 0) return changed === EIO ? ENOTTY : changed;
    const id = ctx.memory.readU32(arg);
    if (id < 0) return id;
    if (id > 0x7fffffff) return EINVAL;
    const caller = callerOf(ctx);
    if (caller === null || this.session === null || caller.processGroup.session !== this.session) return ENOTTY;
    const group = caller.pidNs.processGroups.get(id);
    if (group === undefined) return ESRCH;
    if (group.session !== this.session) return EPERM;
    this.session.foreground = group;
    return 0;
  }

  /** TIOCGSID. */
  sessionId(ctx: IoContext): number {
    const caller = callerOf(ctx);
    if (caller === null || this.session === null || caller.processGroup.session !== this.session) return ENOTTY;
    return this.session.idIn(caller.pidNs);
  }

  /** May the caller read? A background process is stopped by SIGTTIN. Returns 0, EIO or ERESTARTSYS. */
  checkRead(ctx: IoContext): number {
    return this.checkBackground(ctx, SIGTTIN);
  }

  /** May the caller change the terminal (or write, with TOSTOP)? Returns 0, EIO or ERESTARTSYS. */
  checkChange(ctx: IoContext): number {
    return this.checkBackground(ctx, SIGTTOU);
  }

  private checkBackground(ctx: IoContext, signo: number): number {
    const caller = callerOf(ctx);
    if (caller === null || this.session === null) return 0;
    const group = caller.processGroup;
    if (group.session !== this.session || this.session.foreground === null || this.session.foreground === group)
      return 0;
    if (this.kernel.isBlockedOrIgnored(ctx, signo)) return signo === SIGTTIN ? EIO : 0;
    if (group.isOrphaned()) return EIO;
    this.kernel.signalProcessGroup(group, signo);
    return ERESTARTSYS;
  }
}
