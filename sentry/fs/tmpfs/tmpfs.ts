// SPDX-License-Identifier: Apache-2.0

/**
 * tmpfs: files in memory, bounded in bytes and in number.
 *
 * Linux:      mm/shmem.c; tmpfs(5)
 * Invariants: usedPages never passes the limit except through holes filled by a shared mapping; all instances together hold
 *             at most MAX_INODES inodes.
 */
import type { ByteString } from '../../vfs/inode.ts';
import { EINVAL, ENOSPC, type Errno } from '../../../platform/abi/linux/errno.ts';
import { TMPFS_MAGIC } from '../../../platform/abi/linux/stat.ts';
import type { HostServices } from '../../../platform/platform.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Filesystem, type FilesystemType, type StatFs } from '../../vfs/filesystem.ts';
import { PAGE_SIZE, type TmpfsOptions, parseOptions } from './options.ts';
import { TmpfsDir } from './tmpfs_dir.ts';

export type TmpfsHost = Pick<HostServices, 'files' | 'info'>;

/** Inodes of all tmpfs instances together: a guest must not fill the Sentry's heap with empty files. */
const MAX_INODES = 1 << 20;
let totalInodes = 0;

export class Tmpfs extends Filesystem {
  override readonly typeName: string = 'tmpfs';
  override readonly supportsXattrs: boolean = true;
  readonly host: TmpfsHost;
  override readonly root: TmpfsDir;
  readonly limits: TmpfsOptions;
  private readonly defaults: TmpfsOptions;
  private usedPages = 0;
  private usedInodes = 0;

  constructor(host: TmpfsHost, limits: TmpfsOptions, defaults: TmpfsOptions = limits) {
    super();
    this.host = host;
    this.limits = limits;
    this.defaults = defaults;
    this.source = 'tmpfs';
    this.root = new TmpfsDir(this, limits.mode, limits.uid, limits.gid);
    this.usedInodes++;
    totalInodes++;
  }

  /** Takes `pages` from the budget. False: there are not that many. */
  charge(pages: number): boolean {
    if (this.usedPages + pages > this.limits.pages) return false;
    this.usedPages += pages;
    return true;
  }
  /** Gives pages back (negative: records pages that a mapping allocated). */
  uncharge(pages: number): void {
    this.usedPages = Math.max(0, this.usedPages - pages);
  }
  get freePages(): number {
    return Math.max(0, this.limits.pages - this.usedPages);
  }

  /** Takes one inode from the budget. Returns 0 or ENOSPC. */
  chargeInode(): 0 | Errno {
    if (this.usedInodes >= this.limits.inodes || totalInodes >= MAX_INODES) return ENOSPC;
    this.usedInodes++;
    totalInodes++;
    return 0;
  }
  unchargeInode(): void {
    this.usedInodes--;
    totalInodes--;
  }

  override statfs(out: StatFs): number {
    out.type = TMPFS_MAGIC;
    out.bsize = PAGE_SIZE;
    out.blocks = this.limits.pages;
    out.bfree = this.freePages;
    out.bavail = out.bfree;
    out.files = this.limits.inodes;
    out.ffree = Math.max(0, this.limits.inodes - this.usedInodes);
    out.namelen = 255;
    return 0;
  }

  override showOptions(): string {
    const { pages, inodes, mode, uid, gid } = this.limits;
    let text = '';
    if (pages !== this.defaults.pages) text += `,size=${pages * (PAGE_SIZE / 1024)}k`;
    if (inodes !== this.defaults.inodes) text += `,nr_inodes=${inodes}`;
    if (mode !== 0o1777) text += `,mode=${mode.toString(8).padStart(3, '0')}`;
    if (uid !== 0) text += `,uid=${uid}`;
    if (gid !== 0) text += `,gid=${gid}`;
    return `${text},inode64`;
  }

  override remount(_ctx: IoContext, data: string): number {
    const wanted = { ...this.limits };
    const err = parseOptions(data, wanted, this.host.info.memoryTotal, this.defaults);
    if (err !== 0) return err;
    if (wanted.pages < this.usedPages || wanted.inodes < this.usedInodes) return EINVAL;
    this.limits.pages = wanted.pages;
    this.limits.inodes = wanted.inodes;
    return 0;
  }

  override findByNumber(ino: number): ByteString[] | null {
    return this.root.findByNumber(ino);
  }

  override release(): void {
    this.root.releaseTree();
  }
}

/** The limits of a tmpfs without options: half of the memory, that many pages' inodes. */
export function defaultOptions(host: TmpfsHost): TmpfsOptions {
  const pages = Math.floor(host.info.memoryTotal / 2 / PAGE_SIZE);
  return { pages, inodes: Math.min(pages, MAX_INODES), mode: 0o1777, uid: 0, gid: 0 };
}

/** Makes a tmpfs from mount options. Errors: EINVAL. */
export function makeTmpfs(host: TmpfsHost, data: string): Tmpfs | Errno {
  const defaults = defaultOptions(host);
  const options = { ...defaults };
  const err = parseOptions(data, options, host.info.memoryTotal, defaults);
  return err !== 0 ? err : new Tmpfs(host, options, defaults);
}

/** The filesystem type for VirtualFilesystem.registerType(). `name`: tmpfs, or devtmpfs/ramfs where they share it. */
export function tmpfsType(host: TmpfsHost, name = 'tmpfs'): FilesystemType {
  return {
    name,
    isUserMountable: true,
    isNodev: true,
    takesOption(option) {
      const defaults = defaultOptions(host);
      return parseOptions(option, { ...defaults }, host.info.memoryTotal, defaults) === 0;
    },
    mount(ctx, source, data) {
      const fs = makeTmpfs(host, data);
      if (fs instanceof Tmpfs) {
        fs.source = source;
        if (!/(^|,)uid=/.test(data)) fs.root.uid = ctx.creds.fsuid;
        if (!/(^|,)gid=/.test(data)) fs.root.gid = ctx.creds.fsgid;
      }
      return fs;
    },
  };
}
