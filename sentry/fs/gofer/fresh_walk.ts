// SPDX-License-Identifier: Apache-2.0

/**
 * What one call has just told about a path of a shared filesystem, so that a walk of several components asks once.
 *
 * Invariants: each answer is used at most once, in order, before any other call is made and within a millisecond: it belongs to the
 *             system call in progress.
 */
import type { Attr } from '../../../gofer/protocol/attr.ts';
import { ATTR_SIZE } from '../../../gofer/protocol/constants.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { GoferConnection } from './connection.ts';
import type { GoferInode } from './gofer_inode.ts';

const LIFETIME_MS = 1;

export class FreshWalk {
  private readonly connection: GoferConnection;
  private dir: GoferInode | null = null;
  private names: readonly ByteString[] = [];
  private records: Uint8Array = new Uint8Array(0);
  private index = 0;
  /** The inode whose attributes were the last thing learnt. */
  private last: GoferInode | null = null;
  private madeAt = 0;
  private madeByCall = 0;

  constructor(connection: GoferConnection) {
    this.connection = connection;
  }

  private get isCurrent(): boolean {
    return this.connection.callCount === this.madeByCall && performance.now() - this.madeAt < LIFETIME_MS;
  }

  private stamp(): void {
    this.madeByCall = this.connection.callCount;
    this.madeAt = performance.now();
  }

  /** Remembers the answer to a walk of `names` from `dir` (their records; fewer when it stopped). */
  remember(dir: GoferInode, names: readonly ByteString[], records: Uint8Array): void {
    this.dir = dir;
    this.names = names;
    this.records = records;
    this.index = 0;
    this.last = null;
    this.stamp();
  }

  /** Is `name` in `dir` the next thing there is an answer for? */
  knows(dir: GoferInode, name: ByteString): boolean {
    return (
      this.dir === dir &&
      this.names[this.index] === name &&
      (this.index + 1) * ATTR_SIZE <= this.records.length &&
      this.isCurrent
    );
  }

  /** Takes the attributes of `name` in `dir`. Precondition: knows(). */
  take(dir: GoferInode): Attr {
    return dir.fs.decode(this.records, this.index++ * ATTR_SIZE);
  }

  /** The walk goes on in `child`, whose attributes are current. */
  confirmed(child: GoferInode): void {
    this.dir = child;
    this.last = child;
  }

  /** `child`'s attributes have just come by a call of their own. */
  learnt(child: GoferInode): void {
    this.dir = null;
    this.last = child;
    this.stamp();
  }

  /** Are the attributes of `inode` what the last call told? Answers true once. */
  tookFresh(inode: GoferInode): boolean {
    if (this.last !== inode || !this.isCurrent) return false;
    this.last = null;
    return true;
  }
}
