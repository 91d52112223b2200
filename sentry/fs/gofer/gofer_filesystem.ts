// SPDX-License-Identifier: Apache-2.0

/**
 * GoferFilesystem: one root of the Gofer as a filesystem.
 *
 * 'exclusive': nobody but this sandbox changes the files, so attributes, listings and negative lookups are cached for as long as
 * there is memory for them. 'shared' (bind mounts): every step of a walk and every stat asks the Gofer again.
 *
 * Invariants: an Inode is unique per host file (device and inode number), so hard links share locks and size.
 */
import { isErrno } from '../../../platform/abi/linux/errno.ts';
import type { HostFiles, HostStat } from '../../../platform/platform.ts';
import { type Attr, decodeAttr, deviceOf } from '../../../gofer/protocol/attr.ts';
import { ROOT_READONLY, ROOT_UDS, ROOT_UDS_BIND, STATFS } from '../../../gofer/protocol/constants.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Dentry } from '../../vfs/dentry.ts';
import { Filesystem, type StatFs } from '../../vfs/filesystem.ts';
import type { ByteString } from '../../vfs/inode.ts';
import type { GoferConnection, RootInfo } from './connection.ts';
import { FreshWalk } from './fresh_walk.ts';
import { GoferInode } from './gofer_inode.ts';
import { FileShare } from './shared_files.ts';

export type GoferSharing = 'exclusive' | 'shared';

/** Inode numbers of the root's own device pass through; other devices' get their own range of 2^45 numbers. */
const INO_RANGE = 2 ** 45;
/** Idle host descriptors kept open for the next open of the same file. */
const IDLE_FDS = 256;
/** Directory entries kept in cached listings. */
const LISTED_ENTRIES = 65536;
const TREE_BUDGET_START = 16384;

export function makeHostStat(): HostStat {
  return {
    dev: 0,
    ino: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    rdev: 0,
    size: 0,
    blksize: 0,
    blocks: 0,
    atimeSec: 0,
    atimeNsec: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    ctimeSec: 0,
    ctimeNsec: 0,
  };
}

export class GoferFilesystem extends Filesystem {
  override readonly typeName: string;
  override readonly root: GoferInode;
  override readonly cacheNegative: boolean;
  override readonly needsRevalidate: boolean;
  override readonly supportsXattrs = true;
  override readonly wantsPrefetch: boolean;
  readonly connection: GoferConnection;
  /** Shared: what the walk in progress already knows. */
  readonly fresh: FreshWalk;
  readonly files: HostFiles;
  readonly isExclusive: boolean;
  /** Socket files in it may be connected to. */
  readonly allowsUds: boolean;
  /** Sockets may be made in it. */
  readonly allowsBinding: boolean;
  /** Reused by fstat of donated descriptors. */
  readonly stat = makeHostStat();
  /** Tree walks: subdirectories listed since the last one that was not below a listed directory, and bytes to fetch at a time. */
  treeSteps = 0;
  treeBudget = TREE_BUDGET_START;
  /** Files (not directories) looked up in listed directories lately. */
  fileLookups = 0;
  /** Some listing was fetched ahead of use. */
  hasAhead = false;
  private readonly mainDevice: number;
  private readonly inodes = new Map<number | string, GoferInode>();
  private readonly devices = new Map<number, number>();
  /** Inodes with idle host descriptors, oldest first. */
  private readonly idle = new Set<GoferInode>();
  /** Directories with a cached listing, oldest first. */
  private readonly listed = new Map<GoferInode, number>();
  private listedEntries = 0;

  /** `info`: one of the connection's roots, known after the handshake. */
  constructor(connection: GoferConnection, info: RootInfo, sharing: GoferSharing, files: HostFiles, typeName = '9p') {
    super();
    this.typeName = typeName;
    this.connection = connection;
    this.files = files;
    this.isExclusive = sharing === 'exclusive';
    this.cacheNegative = this.isExclusive;
    this.needsRevalidate = !this.isExclusive;
    this.wantsPrefetch = true;
    this.fresh = new FreshWalk(connection);
    this.isReadOnly = (info.flags & ROOT_READONLY) !== 0;
    this.allowsUds = (info.flags & ROOT_UDS) !== 0;
    this.allowsBinding = (info.flags & ROOT_UDS_BIND) !== 0;
    const first = decodeAttr(info.attr, 0, -1);
    this.mainDevice = deviceOf(first.devMajor, first.devMinor);
    this.devices.set(this.mainDevice, 0);
    const attr = this.decode(info.attr, 0);
    this.root = new GoferInode(this, attr.key, null, '');
    this.root.control = info.control;
    this.root.isControlPinned = true;
    this.root.applyAttr(attr);
    this.inodes.set(attr.key, this.root);
  }

  /** Decodes the attribute record at `at`. */
  decode(records: Uint8Array, at: number): Attr {
    return decodeAttr(records, at, this.mainDevice);
  }

  /** The inode number shown for a host file: distinct for files of different host devices under one st_dev. */
  guestIno(attr: Attr): number {
    const device = deviceOf(attr.devMajor, attr.devMinor);
    let index = this.devices.get(device);
    if (index === undefined) {
      index = this.devices.size & 0xff;
      this.devices.set(device, index);
    }
    if (index === 0) return attr.ino > Number.MAX_SAFE_INTEGER ? attr.ino % 2 ** 53 : attr.ino;
    return (attr.ino % INO_RANGE) + index * INO_RANGE;
  }

  /** The inode of a host file found at parent/name, made when it is new. Its attributes become `attr`. */
  inodeFor(attr: Attr, parent: GoferInode, name: ByteString): GoferInode {
    const known = this.inodes.get(attr.key);
    if (known?.isSameFile(attr)) {
      known.setPlace(parent, name);
      known.applyAttr(attr);
      return known;
    }
    const inode = new GoferInode(this, attr.key, parent, name);
    inode.applyAttr(attr);
    // A number that a Number does not hold does not name one file.
    if (!this.isExclusive && attr.ino <= Number.MAX_SAFE_INTEGER) inode.share = new FileShare(inode, attr);
    this.inodes.set(attr.key, inode);
    return inode;
  }

  /** The inode with this identity if there is one now. */
  known(key: number | string): GoferInode | undefined {
    return this.inodes.get(key);
  }

  /** The host file is gone or nobody refers to it. */
  forgetInode(inode: GoferInode): void {
    if (this.inodes.get(inode.key) === inode) this.inodes.delete(inode.key);
  }

  override revalidate(_ctx: IoContext, dentry: Dentry): boolean {
    const parent = dentry.parent?.inode;
    if (!(parent instanceof GoferInode)) return true;
    return parent.isStillChild(dentry.name, dentry.inode as GoferInode | null);
  }

  override statfs(out: StatFs): number {
    const reply = this.connection.call(STATFS, [this.root.control, []]);
    if (isErrno(reply)) return reply;
    const v = reply.slice(2);
    if (v.length < 9 || v.some((n) => typeof n !== 'number')) return this.connection.malformed();
    const numbers = v as number[];
    out.type = numbers[0] as number;
    out.bsize = numbers[1] as number;
    out.blocks = numbers[2] as number;
    out.bfree = numbers[3] as number;
    out.bavail = numbers[4] as number;
    out.files = numbers[5] as number;
    out.ffree = numbers[6] as number;
    out.namelen = numbers[7] as number;
    out.flags = this.isReadOnly ? 1 : 0;
    return 0;
  }

  /** Notes that `inode` has host descriptors no open file uses; closes the oldest such when there are many. */
  addIdle(inode: GoferInode): void {
    this.idle.delete(inode);
    this.idle.add(inode);
    if (this.idle.size <= IDLE_FDS) return;
    for (const oldest of this.idle) {
      oldest.closeHostFds();
      return;
    }
  }

  removeIdle(inode: GoferInode): void {
    this.idle.delete(inode);
  }

  /** Notes that `dir` caches a listing of `count` entries; drops the oldest listings when there are too many. */
  addListed(dir: GoferInode, count: number): void {
    this.removeListed(dir);
    this.listed.set(dir, count);
    this.listedEntries += count;
    for (const oldest of this.listed.keys()) {
      if (this.listedEntries <= LISTED_ENTRIES || oldest === dir) return;
      oldest.dropListing();
    }
  }

  /** Host descriptors that were kept for the next open. */
  override release(): void {
    for (const inode of [...this.idle]) inode.closeHostFds();
  }

  removeListed(dir: GoferInode): void {
    const count = this.listed.get(dir);
    if (count === undefined) return;
    this.listed.delete(dir);
    this.listedEntries -= count;
  }
}
