// SPDX-License-Identifier: Apache-2.0

/**
 * HostWatches: what happens outside the sandbox to files of bind mounts that the application watches with inotify(7).
 *
 * The host tells the sandbox's own changes too. Those have been reported already, so what the application did to a name is
 * remembered until the host's events have been read, and events about that name are left out then.
 *
 * Invariants: the host's descriptor is read to its end at every event. What is remembered was done before that, so its
 *             events have come by then.
 */
import { isErrno } from '../../../platform/abi/linux/errno.ts';
import { EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import type { HostFiles, HostListener, Platform } from '../../../platform/platform.ts';
import { UNWATCH, WATCH } from '../../../gofer/protocol/constants.ts';
import type { ByteString } from '../../vfs/inode.ts';
import {
  fsNotify,
  IN_ATTRIB,
  IN_CLOSE_WRITE,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
  IN_MOVE_SELF,
  nextCookie,
} from '../../vfs/notify.ts';
import type { GoferConnection } from './connection.ts';
import type { GoferInode } from './gofer_inode.ts';

/** What the host reports at once when the application does it. IN_CLOSE_WRITE comes when our descriptor closes: see closedByUs(). */
const ECHOED =
  IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;
const TOLD = ECHOED | IN_CLOSE_WRITE;
const IN_IGNORED = 0x8000;
const HEADER = 16;
const FIONREAD = 0x541b;
/** Events and bytes taken at a time: a host that changes files without end must not keep the kernel. */
const READS_AT_ONCE = 16;

export class HostWatches implements HostListener {
  private readonly connection: GoferConnection;
  private readonly files: HostFiles;
  private readonly platform: Platform;
  private fd = -1;
  private readonly inodes = new Map<number, GoferInode>();
  private readonly descriptors = new Map<GoferInode, number>();
  private readonly own = new Set<string>();
  private isTelling = false;
  private hostCookie = 0;
  private cookie = 0;
  private readonly buffer = Buffer.allocUnsafe(16384);
  private readonly word = Buffer.alloc(4);

  constructor(connection: GoferConnection, files: HostFiles, platform: Platform) {
    this.connection = connection;
    this.files = files;
    this.platform = platform;
  }

  /** Begins to watch. Without effect when the host has no watch left: then only the sandbox's own changes are told. */
  add(inode: GoferInode): void {
    const reply = inode.callOn(WATCH, []);
    if (isErrno(reply)) return;
    const fd = this.connection.takeFd();
    if (fd >= 0 && this.fd < 0) {
      this.fd = fd;
      this.platform.watch(fd, EPOLLIN, this);
    } else if (fd >= 0) this.files.close(fd);
    const wd = reply[2];
    if (typeof wd !== 'number' || this.fd < 0) {
      this.connection.malformed();
      return;
    }
    this.inodes.set(wd, inode);
    this.descriptors.set(inode, wd);
    // While somebody holds it open the host does not tell that a directory has been removed.
    if (inode.canDropControl && inode.control !== 0) {
      this.connection.controls.remove(inode.control);
      inode.dropControl();
      this.connection.flushForgotten();
    }
  }

  remove(inode: GoferInode): void {
    const wd = this.descriptors.get(inode);
    if (wd === undefined) return;
    this.descriptors.delete(inode);
    this.inodes.delete(wd);
    this.connection.call(UNWATCH, [wd]);
  }

  /** Watches no more. */
  close(): void {
    if (this.fd < 0) return;
    this.platform.unwatch(this.fd);
    this.files.close(this.fd);
    this.fd = -1;
    this.inodes.clear();
    this.descriptors.clear();
  }

  /** The sandbox did this; the host's word of it is to be left out. */
  expect(inode: GoferInode, mask: number, name: ByteString): void {
    if (this.isTelling || (mask & ECHOED) === 0) return;
    this.remember(inode, name);
  }

  /** Our writable descriptor of `inode` was closed. */
  closedByUs(inode: GoferInode): void {
    if (this.fd < 0) return;
    this.remember(inode, '');
    if (inode.parent !== null) this.remember(inode.parent, inode.name);
  }

  private remember(inode: GoferInode, name: ByteString): void {
    const wd = this.descriptors.get(inode);
    // Nothing is waiting: the host has nothing to say about it.
    if (wd === undefined || this.files.ioctl(this.fd, FIONREAD, this.word) < 0 || this.word.readUInt32LE(0) === 0) return;
    this.own.add(`${wd}/${name}`);
  }

  onHostEvent(): void {
    for (let reads = 0; reads < READS_AT_ONCE; reads++) {
      const n = this.files.read(this.fd, this.buffer, 0, this.buffer.length);
      if (n <= 0) {
        this.own.clear();
        return;
      }
      this.tellAll(n);
    }
  }

  private tellAll(length: number): void {
    this.isTelling = true;
    for (let at = 0; at + HEADER <= length; ) {
      const size = this.buffer.readUInt32LE(at + 12);
      const end = Math.min(at + HEADER + size, length);
      const name = this.buffer.toString('latin1', at + HEADER, end);
      const nul = name.indexOf('\0');
      this.tell(
        this.buffer.readInt32LE(at),
        this.buffer.readUInt32LE(at + 4),
        this.buffer.readUInt32LE(at + 8),
        nul < 0 ? name : name.slice(0, nul),
      );
      at = end;
    }
    this.isTelling = false;
  }

  private tell(wd: number, mask: number, cookie: number, name: ByteString): void {
    const inode = this.inodes.get(wd);
    if (inode === undefined) return;
    if ((mask & IN_IGNORED) !== 0) {
      this.remove(inode);
      return;
    }
    if ((mask & TOLD) === 0 || inode.marks === null || this.own.has(`${wd}/${name}`)) return;
    fsNotify.hook?.(inode, mask & (TOLD | IN_ISDIR), name, this.guestCookie(cookie), false);
    // A removed file that somebody holds open is told as a change of its link count.
    if (name === '' && (mask & IN_ATTRIB) !== 0 && inode.refreshAttributes() === 0 && inode.nlink === 0 && inode.marks !== null)
      fsNotify.hook?.(inode, IN_DELETE_SELF, '', 0, false);
  }

  /** Both halves of a rename outside have one cookie here too. */
  private guestCookie(cookie: number): number {
    if (cookie === 0) return 0;
    if (cookie !== this.hostCookie) {
      this.hostCookie = cookie;
      this.cookie = nextCookie();
    }
    return this.cookie;
  }
}
