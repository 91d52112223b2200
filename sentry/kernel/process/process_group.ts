// SPDX-License-Identifier: Apache-2.0

/**
 * ProcessGroup and Session: what job control and terminals act on.
 *
 * Linux:      kernel/pid.c (PIDTYPE_PGID, PIDTYPE_SID), kernel/exit.c (orphaned process groups), drivers/tty/tty_jobctrl.c
 * Invariants: a group or session is registered under its leader's numbers in every pid namespace until its last member
 *             leaves. All members of a group are in one session.
 */
import type { Errno } from '../../../platform/abi/linux/errno.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import type { Inode } from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import type { PidNamespace } from './pid_namespace.ts';
import type { ThreadGroup } from './thread_group.ts';

/** A controlling terminal, as the kernel sees one. devpts implements it. */
export interface ControllingTty {
  /** Device number for /proc/pid/stat (tty_nr). */
  readonly rdev: number;
  /** Opens the terminal again, for /dev/tty. */
  openAgain(ctx: IoContext, path: Path, inode: Inode, flags: number): FileDescription | Errno;
  /** The session leader is gone or gave the terminal up: forget the session. */
  onSessionReleased(session: Session): void;
}

export class Session {
  /** The leader's process id by namespace level. */
  readonly pids: readonly number[];
  readonly pidNs: PidNamespace;
  leader: ThreadGroup | null;
  readonly processGroups = new Set<ProcessGroup>();
  tty: ControllingTty | null = null;
  /** The terminal's foreground process group. */
  foreground: ProcessGroup | null = null;

  constructor(leader: ThreadGroup) {
    this.leader = leader;
    this.pidNs = leader.pidNs;
    this.pids = leader.pids;
    for (let ns: PidNamespace | null = this.pidNs; ns !== null; ns = ns.parent)
      ns.sessions.set(this.pids[ns.level] as number, this);
  }
  /** Session id in the initial pid namespace. */
  get id(): number {
    return this.pids[0] as number;
  }
  /** Session id as seen from `ns`; 0 when it has none there. */
  idIn(ns: PidNamespace): number {
    return ns.contains(this.pidNs) ? (this.pids[ns.level] as number) : 0;
  }
  /** Called by the last process group leaving. */
  unregister(): void {
    for (let ns: PidNamespace | null = this.pidNs; ns !== null; ns = ns.parent)
      ns.sessions.delete(this.pids[ns.level] as number);
  }
}

export class ProcessGroup {
  readonly pids: readonly number[];
  readonly pidNs: PidNamespace;
  readonly session: Session;
  readonly members = new Set<ThreadGroup>();

  constructor(leader: ThreadGroup, session: Session) {
    this.pidNs = leader.pidNs;
    this.pids = leader.pids;
    this.session = session;
    session.processGroups.add(this);
    for (let ns: PidNamespace | null = this.pidNs; ns !== null; ns = ns.parent)
      ns.processGroups.set(this.pids[ns.level] as number, this);
  }
  /** Process group id in the initial pid namespace. */
  get id(): number {
    return this.pids[0] as number;
  }
  idIn(ns: PidNamespace): number {
    return ns.contains(this.pidNs) ? (this.pids[ns.level] as number) : 0;
  }

  add(group: ThreadGroup): void {
    this.members.add(group);
    group.processGroup = this;
  }
  /** Removes a member; the last one ends the group, and the last group its session. */
  remove(group: ThreadGroup): void {
    this.members.delete(group);
    if (this.members.size > 0) return;
    for (let ns: PidNamespace | null = this.pidNs; ns !== null; ns = ns.parent)
      ns.processGroups.delete(this.pids[ns.level] as number);
    const session = this.session;
    if (session.foreground === this) session.foreground = null;
    session.processGroups.delete(this);
    if (session.processGroups.size === 0) session.unregister();
  }

  /**
   * True when no member (but `ignored`) has a parent in the same session and another group: nobody could continue it, so
   * terminal stop signals do nothing. Linux: will_become_orphaned_pgrp().
   */
  isOrphaned(ignored: ThreadGroup | null = null): boolean {
    for (const member of this.members) {
      if (member === ignored || member.isDead) continue;
      const parent = member.parent;
      if (parent === null) continue;
      if (parent.processGroup !== this && parent.processGroup.session === this.session) return false;
    }
    return true;
  }
  /** True when some member is stopped. */
  hasStopped(): boolean {
    for (const member of this.members) if (member.isStopped) return true;
    return false;
  }
}
