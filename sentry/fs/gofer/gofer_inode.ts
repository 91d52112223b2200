// SPDX-License-Identifier: Apache-2.0

/**
 * GoferInode: one host file seen through the Gofer.
 *
 * Linux:      fs/9p, fs/fuse (the same division between cached and revalidated attributes)
 * Invariants: the file is addressed by its control or, while control is 0, by name from the nearest ancestor that has one. In
 *             a shared filesystem names may change behind us, so a control found by name is checked against the file's identity.
 */
import { ECONNREFUSED, ENODATA, EOPNOTSUPP, ESTALE, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { makedev, S_IFDIR, S_IFMT, S_IFREG } from '../../../platform/abi/linux/stat.ts';
import { type Attr, isAttrRecord } from '../../../gofer/protocol/attr.ts';
import * as c from '../../../gofer/protocol/constants.ts';
import type { WireValue } from '../../../gofer/protocol/codec.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import {
  ATTR_ATIME,
  ATTR_GID,
  ATTR_MODE,
  ATTR_MTIME,
  ATTR_SIZE,
  ATTR_UID,
  type ByteString,
  Inode,
  type SetAttr,
} from '../../vfs/inode.ts';
import type { Path } from '../../vfs/mount.ts';
import type { ControlHolder } from './control_cache.ts';
import * as dirs from './directory_calls.ts';
import { GoferDirectory } from './gofer_directory.ts';
import { GoferFile } from './gofer_file.ts';
import type { GoferFilesystem } from './gofer_filesystem.ts';
import type { Listing } from './listing.ts';
import type { FileShare } from './shared_files.ts';

/** Names walked in one address before an ancestor gets a control of its own. */
const ADDRESS_DEPTH = 24;

const NO_NAMES: ReadonlySet<ByteString> = new Set();

/** No id: it stays as it is. */
const KEEP_ID = 0xffffffff;

export class GoferInode extends Inode implements ControlHolder {
  declare readonly fs: GoferFilesystem;
  /** Identity of the host file. */
  readonly key: number | string;
  parent: GoferInode | null;
  name: ByteString;
  control = 0;
  /** The control must not go: the file has no name to find it by. */
  isControlPinned = false;
  /** Complete listing of a directory (exclusive only). */
  listing: Listing | null = null;
  /** Files walked past on the way to something deeper, not yet looked up; null: known to be missing. */
  ahead: Map<ByteString, GoferInode | null> | null = null;
  /** Lookups made without a listing, and of files with one. */
  missCount = 0;
  singleLookups = 0;
  /** Host descriptors: read-only and writable; -1 when not open. */
  roFd = -1;
  rwFd = -1;
  /** The writable descriptor can also be read. */
  isRwReadable = false;
  openCount = 0;
  /** A shared writable mapping may change mtime without a call. */
  isMappedShared = false;
  /** Attributes changed by our own writes: blocks and times are to be read from the host. */
  areAttrsStale = false;
  /** Its part in a file that other filesystems may show too; null: nobody else does. */
  share: FileShare | null = null;
  private xattrNames: ReadonlySet<ByteString> | null = null;

  constructor(fs: GoferFilesystem, key: number | string, parent: GoferInode | null, name: ByteString) {
    super(fs);
    this.key = key;
    this.parent = parent;
    this.name = name;
  }

  override get body(): Inode {
    return this.share?.body ?? this;
  }

  // Identity and address

  /** Is `attr` (with the same key) still this file, not a new one with a reused inode number? */
  isSameFile(attr: Attr): boolean {
    if (((attr.mode ^ this.mode) & S_IFMT) !== 0) return false;
    return attr.btimeSec === this.btimeSec && attr.btimeNsec === this.btimeNsec;
  }

  setPlace(parent: GoferInode, name: ByteString): void {
    if (this.parent === null && this !== this.fs.root) this.isControlPinned = false;
    if (this === this.fs.root) return;
    this.parent = parent;
    this.name = name;
  }

  get canDropControl(): boolean {
    return !this.isControlPinned && this.parent !== null;
  }

  dropControl(): void {
    if (this.control !== 0) this.fs.connection.forget(this.control);
    this.control = 0;
  }

  setControl(control: number): void {
    if (control === 0) return;
    if (this.control !== 0) {
      if (control !== this.control) this.fs.connection.forget(control);
      return;
    }
    this.control = control;
    this.fs.connection.controls.add(control, this);
  }

  /** Where requests find this file: [control, names]; ESTALE when it has neither control nor name. */
  address(): [number, ByteString[]] | Errno {
    if (this.control !== 0) {
      this.fs.connection.controls.touch(this.control);
      return [this.control, []];
    }
    if (!this.fs.isExclusive) {
      const err = this.acquireControl();
      return err < 0 ? (err as Errno) : [this.control, []];
    }
    const names: ByteString[] = [];
    let at: GoferInode = this;
    while (at.control === 0) {
      if (at.parent === null) return ESTALE;
      if (names.length >= ADDRESS_DEPTH) {
        const err = at.acquireControl();
        if (err < 0) return err as Errno;
        break;
      }
      names.push(at.name);
      at = at.parent;
    }
    this.fs.connection.controls.touch(at.control);
    return [at.control, names.reverse()];
  }

  /** Gets a control by walking from the parent. Returns 0 or errno; ESTALE when another file has the name now. */
  acquireControl(): number {
    if (this.control !== 0) return 0;
    if (this.parent === null) return ESTALE;
    const from = this.parent.address();
    if (isErrno(from)) return from;
    const reply = this.fs.connection.call(c.WALK, [from[0], [...from[1], this.name], c.WALK_CONTROL]);
    if (isErrno(reply)) return reply;
    const [, , control, records, stopped] = reply;
    if (typeof control !== 'number' || !(records instanceof Uint8Array)) return this.fs.connection.malformed();
    if (records.length !== (from[1].length + 1) * c.ATTR_SIZE) {
      if (control !== 0) this.fs.connection.forget(control);
      return typeof stopped === 'number' && stopped < 0 ? stopped : ESTALE;
    }
    const attr = this.fs.decode(records, records.length - c.ATTR_SIZE);
    if (attr.key !== this.key) {
      this.fs.connection.forget(control);
      return ESTALE;
    }
    this.setControl(control);
    return 0;
  }

  /** Calls a method on this file. Returns the reply or errno. */
  callOn(method: number, args: readonly WireValue[]): unknown[] | Errno {
    const address = this.address();
    if (isErrno(address)) return address;
    return this.fs.connection.call(method, [address[0], address[1], ...args]);
  }

  // Attributes

  /** Takes over the host's attributes. */
  applyAttr(attr: Attr): void {
    this.ino = this.fs.guestIno(attr);
    this.mode = attr.mode;
    this.nlink = attr.nlink;
    this.uid = attr.uid;
    this.gid = attr.gid;
    this.rdev = makedev(attr.rdevMajor, attr.rdevMinor);
    this.size = attr.size;
    this.blksize = attr.blksize;
    this.blocks = attr.blocks;
    this.atimeSec = attr.atimeSec;
    this.atimeNsec = attr.atimeNsec;
    this.mtimeSec = attr.mtimeSec;
    this.mtimeNsec = attr.mtimeNsec;
    this.ctimeSec = attr.ctimeSec;
    this.ctimeNsec = attr.ctimeNsec;
    this.btimeSec = attr.btimeSec;
    this.btimeNsec = attr.btimeNsec;
    this.areAttrsStale = false;
  }

  /** Takes over attributes from a reply's field. Returns 0 or EIO. */
  applyRecord(record: unknown): number {
    if (!isAttrRecord(record)) return this.fs.connection.malformed();
    this.applyAttr(this.fs.decode(record, 0));
    return 0;
  }

  override refreshAttributes(): number {
    if (this.fs.isExclusive && !this.areAttrsStale && !this.isMappedShared) return 0;
    if (this.fs.isExclusive) {
      const fd = this.rwFd >= 0 ? this.rwFd : this.roFd;
      if (fd >= 0) return this.refreshFrom(fd);
    } else if (this.fs.fresh.tookFresh(this)) {
      return 0;
    }
    const reply = this.callOn(c.GETATTR, []);
    return isErrno(reply) ? reply : this.applyRecord(reply[2]);
  }

  /**
   * Reads the attributes from a host descriptor of this file; all but the owner, whose ids the host translates for the Sentry's user
   * namespace. Returns 0 or errno.
   */
  refreshFrom(fd: number): number {
    const st = this.fs.stat;
    const r = this.fs.files.fstat(fd, st);
    if (r < 0) return r;
    this.mode = st.mode;
    this.nlink = st.nlink;
    this.size = st.size;
    this.blocks = st.blocks;
    this.atimeSec = st.atimeSec;
    this.atimeNsec = st.atimeNsec;
    this.mtimeSec = st.mtimeSec;
    this.mtimeNsec = st.mtimeNsec;
    this.ctimeSec = st.ctimeSec;
    this.ctimeNsec = st.ctimeNsec;
    this.areAttrsStale = false;
    return 0;
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    // chown(-1, -1) changes nothing but the time of change: the host's does the same.
    const valid = attr.valid === 0 ? ATTR_UID | ATTR_GID : attr.valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_SIZE | ATTR_ATIME | ATTR_MTIME);
    if (valid === 0) return 0;
    if (valid === ATTR_SIZE && this.rwFd >= 0) {
      const r = this.fs.files.ftruncate(this.rwFd, attr.size);
      return r < 0 ? r : this.refreshFrom(this.rwFd);
    }
    dirs.forgetAhead(this.parent);
    const reply = this.callOn(c.SETATTR, [
      valid,
      attr.mode & 0o7777,
      attr.valid === 0 ? KEEP_ID : attr.uid >>> 0,
      attr.valid === 0 ? KEEP_ID : attr.gid >>> 0,
      Math.max(0, attr.size),
      attr.atimeSec,
      attr.atimeNsec,
      attr.mtimeSec,
      attr.mtimeNsec,
    ]);
    return isErrno(reply) ? reply : this.applyRecord(reply[2]);
  }

  // What happens to the host file outside the sandbox

  override watchedChanged(isWatched: boolean): void {
    const { watches } = this.fs.connection;
    if (this.fs.isExclusive || watches === null) return;
    if (isWatched) watches.add(this);
    else watches.remove(this);
  }
  override notified(mask: number, name: ByteString): void {
    if (!this.fs.isExclusive) this.fs.connection.watches?.expect(this, mask, name);
  }

  // Directories: the work is in directory_calls.ts

  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    return dirs.lookupChild(this, name);
  }
  override prefetchWalk(names: readonly ByteString[]): void {
    dirs.walkAhead(this, names);
  }
  override bindHost(
    name: ByteString,
    type: number,
    mode: number,
    uid: number,
    gid: number,
    take: (fd: number) => void,
  ): Inode | Errno | null {
    if (!this.fs.allowsBinding) return null;
    const made = dirs.makeEntry(this, name, c.BIND, [name, type, mode & 0o7777, uid, gid]);
    const fd = this.fs.connection.takeFd();
    if (isErrno(made)) {
      if (fd >= 0) this.fs.files.close(fd);
      return made;
    }
    if (fd >= 0) take(fd);
    return made;
  }
  override connectHost(type: number): number {
    if (!this.fs.allowsUds) return ECONNREFUSED;
    const reply = this.callOn(c.CONNECT, [type]);
    if (isErrno(reply)) return reply;
    const fd = this.fs.connection.takeFd();
    return fd >= 0 ? fd : ECONNREFUSED;
  }
  override create(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return dirs.createChild(this, name, mode, uid, gid);
  }
  override tmpfile(_ctx: IoContext, mode: number, uid: number, gid: number): Inode | Errno {
    return dirs.createNameless(this, mode, uid, gid);
  }
  override mkdir(_ctx: IoContext, name: ByteString, mode: number, uid: number, gid: number): Inode | Errno {
    return dirs.makeEntry(this, name, c.MKDIR, [name, mode & 0o7777, uid, gid]);
  }
  override mknod(
    _ctx: IoContext,
    name: ByteString,
    mode: number,
    rdev: number,
    uid: number,
    gid: number,
  ): Inode | Errno {
    const major = (rdev >>> 8) & 0xfff;
    const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
    return dirs.makeEntry(this, name, c.MKNOD, [name, mode, major, minor, uid, gid]);
  }
  override symlink(_ctx: IoContext, name: ByteString, target: ByteString, uid: number, gid: number): Inode | Errno {
    return dirs.makeEntry(this, name, c.SYMLINK, [name, target, uid, gid]);
  }
  override link(_ctx: IoContext, name: ByteString, target: Inode): number {
    return dirs.linkChild(this, name, target as GoferInode);
  }
  override unlink(_ctx: IoContext, name: ByteString, child: Inode): number {
    return dirs.removeChild(this, name, child as GoferInode, 0);
  }
  override rmdir(_ctx: IoContext, name: ByteString, child: Inode): number {
    return dirs.removeChild(this, name, child as GoferInode, 0x200);
  }
  override rename(
    _ctx: IoContext,
    name: ByteString,
    child: Inode,
    newDir: Inode,
    newName: ByteString,
    target: Inode | null,
    flags: number,
  ): number {
    return dirs.renameChild(
      this,
      name,
      child as GoferInode,
      newDir as GoferInode,
      newName,
      target as GoferInode | null,
      flags,
    );
  }

  /** Shared filesystems: does `name` still name `child`? Refreshes its attributes. */
  isStillChild(name: ByteString, child: GoferInode | null): boolean {
    return child !== null && dirs.confirmChild(this, name, child);
  }

  dropListing(): void {
    this.listing = null;
    this.fs.removeListed(this);
  }

  // Links and open files

  private linkText: ByteString | null = null;

  override readlink(_ctx: IoContext): ByteString | Errno {
    if (this.linkText !== null && this.fs.isExclusive) return this.linkText;
    const reply = this.callOn(c.READLINK, []);
    if (isErrno(reply)) return reply;
    if (typeof reply[2] !== 'string') return this.fs.connection.malformed();
    this.linkText = reply[2];
    return this.linkText;
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    if ((this.mode & S_IFMT) === S_IFDIR) return new GoferDirectory(path, this, flags, ctx.creds);
    const access = flags & 3;
    const err = access === 0 ? this.openReadable() : this.openWritable();
    if (err < 0) return err as Errno;
    if (access === 2 && !this.isRwReadable) {
      const readable = this.openReadable();
      if (readable < 0) return readable as Errno;
    }
    this.openCount++;
    this.fs.removeIdle(this);
    return new GoferFile(path, this, flags, ctx.creds);
  }

  /** Descriptor to read from; -1 when none is open. */
  get readFd(): number {
    return this.roFd >= 0 ? this.roFd : this.isRwReadable ? this.rwFd : -1;
  }

  private openReadable(): number {
    if (this.readFd >= 0) return 0;
    const fd = this.openHost(0);
    if (fd < 0) return fd;
    this.roFd = fd;
    return 0;
  }

  private openWritable(): number {
    if (this.rwFd >= 0) return 0;
    let fd = this.openHost(2);
    this.isRwReadable = fd >= 0;
    // EACCES: a rootless Gofer may be allowed to write and not to read.
    if (fd === -13) fd = this.openHost(1);
    if (fd < 0) return fd;
    this.rwFd = fd;
    return 0;
  }

  private openHost(access: number): number {
    const reply = this.callOn(c.OPEN, [access]);
    if (isErrno(reply)) return reply;
    const fd = this.fs.connection.takeFd();
    if (fd < 0) return this.fs.connection.malformed();
    if (!isAttrRecord(reply[2])) {
      this.fs.files.close(fd);
      return this.fs.connection.malformed();
    }
    const attr = this.fs.decode(reply[2], 0);
    if (attr.key !== this.key) {
      this.fs.files.close(fd);
      return ESTALE;
    }
    this.applyAttr(attr);
    if (reply[3] === 0) this.xattrNames = NO_NAMES;
    return fd;
  }

  /** Takes over what came with a walk to this file: a link's text, or a readable descriptor and whether there are extended attributes. */
  adoptAhead(ahead: unknown): void {
    if (typeof ahead === 'string') {
      this.linkText = ahead;
      return;
    }
    if (typeof ahead !== 'number') return;
    const fd = this.fs.connection.takeFd();
    if (fd < 0) return;
    if (ahead === 0) this.xattrNames = NO_NAMES;
    if (this.readFd >= 0 || (this.mode & S_IFMT) !== S_IFREG) {
      this.fs.files.close(fd);
      return;
    }
    this.roFd = fd;
    if (this.openCount === 0) this.fs.addIdle(this);
  }

  /** Takes over a writable descriptor that came with creation. */
  adoptCreated(fd: number): void {
    this.rwFd = fd;
    this.isRwReadable = true;
    this.fs.addIdle(this);
  }

  /** An open file of this inode was released. */
  closed(): void {
    if (--this.openCount > 0) return;
    this.isMappedShared = false;
    if (this.nlink === 0 || !this.fs.isExclusive) this.closeHostFds();
    else this.fs.addIdle(this);
  }

  closeHostFds(): void {
    if (this.areAttrsStale && this.nlink > 0) this.refreshAttributes();
    if (this.roFd >= 0) this.fs.files.close(this.roFd);
    if (this.rwFd >= 0) {
      this.fs.files.close(this.rwFd);
      if (!this.fs.isExclusive) this.fs.connection.watches?.closedByUs(this);
    }
    this.roFd = -1;
    this.rwFd = -1;
    this.isRwReadable = false;
    this.fs.removeIdle(this);
  }

  override evict(): void {
    this.fs.forgetInode(this);
    if (this === this.fs.root) return;
    this.share?.drop();
    this.share = null;
    // Attributes fetched ahead while this inode was there have not followed its changes.
    const entry = this.parent?.listing?.find(this.name);
    if (entry !== undefined) entry.record = null;
    this.closeHostFds();
    this.dropListing();
    if (this.ahead !== null) dirs.dropAhead(this, this.ahead);
    this.ahead = null;
    if (this.control !== 0) {
      this.fs.connection.controls.remove(this.control);
      this.dropControl();
    }
  }

  // Extended attributes

  private loadXattrNames(): ReadonlySet<ByteString> | Errno {
    if (this.xattrNames !== null && this.fs.isExclusive) return this.xattrNames;
    const reply = this.callOn(c.LISTXATTR, []);
    if (isErrno(reply)) {
      if (reply !== EOPNOTSUPP) return reply;
      this.xattrNames = new Set();
      return this.xattrNames;
    }
    if (!(reply[2] instanceof Uint8Array)) return this.fs.connection.malformed();
    const text = Buffer.from(reply[2]).toString('latin1');
    this.xattrNames = new Set(text.split('\0').filter((name) => name !== ''));
    return this.xattrNames;
  }

  override getxattr(_ctx: IoContext, name: ByteString): Uint8Array | Errno {
    if (!name.startsWith('user.') && name !== 'security.capability') {
      return name.startsWith('system.') ? EOPNOTSUPP : ENODATA;
    }
    const names = this.loadXattrNames();
    if (isErrno(names)) return names;
    if (!names.has(name)) return ENODATA;
    const reply = this.callOn(c.GETXATTR, [name]);
    if (isErrno(reply)) return reply;
    return reply[2] instanceof Uint8Array ? reply[2] : this.fs.connection.malformed();
  }

  override setxattr(_ctx: IoContext, name: ByteString, value: Uint8Array, flags: number): number {
    if (!name.startsWith('user.')) return EOPNOTSUPP;
    const reply = this.callOn(c.SETXATTR, [name, value, flags]);
    this.xattrNames = null;
    return isErrno(reply) ? reply : 0;
  }

  override removexattr(_ctx: IoContext, name: ByteString): number {
    if (!name.startsWith('user.')) return EOPNOTSUPP;
    const reply = this.callOn(c.REMOVEXATTR, [name]);
    this.xattrNames = null;
    return isErrno(reply) ? reply : 0;
  }

  override listxattr(_ctx: IoContext): ByteString[] | Errno {
    const names = this.loadXattrNames();
    return isErrno(names) ? names : [...names].filter((name) => !name.startsWith('system.'));
  }
}
