// SPDX-License-Identifier: Apache-2.0

/**
 * Donated descriptors (the container's stdio and others passed in) as files of the sandbox.
 *
 * Invariants: the open file description behind a donated descriptor is shared with processes outside: O_NONBLOCK is never set on
 *             it, and a regular file is read and written at its own offset. The inode owns the descriptor.
 */
import { ENXIO, EPERM, type Errno, isErrno } from '../../../platform/abi/linux/errno.ts';
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from '../../../platform/abi/linux/stat.ts';
import type { HostFiles, HostStat, Platform } from '../../../platform/platform.ts';
import { copyAttributes } from '../../vfs/attributes.ts';
import type { IoContext } from '../../vfs/context.ts';
import { Dentry } from '../../vfs/dentry.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { Filesystem, type StatFs } from '../../vfs/filesystem.ts';
import { ATTR_SIZE, Inode, type SetAttr } from '../../vfs/inode.ts';
import { Mount, type Path } from '../../vfs/mount.ts';
import { HostRegularFile } from './host_regular_file.ts';
import { HostStreamFile } from './host_stream_file.ts';
import { HostTtyFile } from './host_tty_file.ts';
import type { HostTty } from './host_tty.ts';
import type { HostWatch } from './host_watch.ts';

/** What donated files need of the world. */
export interface HostFileServices {
  readonly files: HostFiles;
  readonly platform: Pick<Platform, 'watch' | 'rewatch' | 'unwatch'>;
}

const O_ACCMODE = 3;
const O_RDWR = 2;
const O_APPEND = 0o2000;
const F_GETFL = 3;
const TCGETS = 0x5401;

function emptyStat(): HostStat {
  const names = ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'blksize', 'blocks'] as const;
  const times = ['atimeSec', 'atimeNsec', 'mtimeSec', 'mtimeNsec', 'ctimeSec', 'ctimeNsec'] as const;
  return Object.fromEntries([...names, ...times].map((name) => [name, 0])) as unknown as HostStat;
}

export type HostKind = 'regular' | 'pipe' | 'tty' | 'other';

/** The file behind a donated descriptor. */
export class HostInode extends Inode {
  declare readonly fs: HostFilesystem;
  override readonly opensSpecial = true;
  readonly hostFd: number;
  readonly kind: HostKind;
  /** O_ACCMODE and status flags of the donated description. */
  readonly hostFlags: number;
  /** Job control state when this is a terminal. */
  readonly tty: HostTty | null;
  /** Readiness of the descriptor, while somebody waits for it. */
  watch: HostWatch | null = null;
  /** A pipe or socket the host reads and writes without waiting when asked to; false once it said that it cannot. */
  takesNow = false;
  private openCount = 0;
  private readonly stat = emptyStat();

  constructor(fs: HostFilesystem, hostFd: number, hostFlags: number, tty: HostTty | null) {
    super(fs);
    this.hostFd = hostFd;
    this.hostFlags = hostFlags;
    this.tty = tty;
    this.refreshAttributes();
    const type = this.mode & S_IFMT;
    if (tty !== null) this.kind = 'tty';
    else if (type === S_IFREG) this.kind = 'regular';
    else this.kind = type === S_IFIFO ? 'pipe' : 'other';
    this.takesNow = this.kind === 'pipe';
  }

  override refreshAttributes(): number {
    const st = this.stat;
    const r = this.fs.services.files.fstat(this.hostFd, st);
    if (r < 0) return r;
    this.ino = st.ino;
    this.nlink = st.nlink;
    // A terminal with a name here has the attributes it got with it.
    if (this.tty === null || this.tty.name === null) {
      // A donated socket has no socket object here: shown as what it can do, read and write, else programs that ask for its
      // name and type (libuv) take it for something they cannot use.
      this.mode = (st.mode & S_IFMT) === S_IFSOCK ? S_IFIFO | 0o600 : st.mode;
      this.uid = st.uid;
      this.gid = st.gid;
      this.rdev = st.rdev;
    }
    this.size = st.size;
    this.blksize = st.blksize;
    this.blocks = st.blocks;
    this.atimeSec = st.atimeSec;
    this.atimeNsec = st.atimeNsec;
    this.mtimeSec = st.mtimeSec;
    this.mtimeNsec = st.mtimeNsec;
    this.ctimeSec = st.ctimeSec;
    this.ctimeNsec = st.ctimeNsec;
    return 0;
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    // A terminal with a name here belongs to the container; its owner outside stays who it is.
    if (this.tty !== null && this.tty.name !== null) {
      if ((attr.valid & ~ATTR_SIZE) !== 0) copyAttributes(this, attr);
      return 0;
    }
    if (attr.valid !== ATTR_SIZE || this.kind !== 'regular') return EPERM;
    return this.fs.services.files.ftruncate(this.hostFd, attr.size);
  }

  /** Anyone who can name it (through /proc/self/fd) may use it as far as the donated description allows. */
  override checkPermission(_ctx: IoContext, mask: number): number | null {
    return (mask & 1) !== 0 ? null : 0;
  }

  /** Opening /dev/stdout or /proc/self/fd/1 again. Errors: EACCES beyond the donated access mode. */
  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    const have = this.hostFlags & O_ACCMODE;
    const want = flags & O_ACCMODE;
    if (have !== 2 && want !== have && this.kind !== 'tty') return ENXIO;
    return this.describe(path, flags, ctx, 'reopened');
  }

  /** An open file on this inode. */
  describe(path: Path, flags: number, ctx: Pick<IoContext, 'creds'>, origin: 'donated' | 'reopened'): FileDescription {
    this.openCount++;
    if (this.kind === 'regular') return new HostRegularFile(path, this, flags, ctx.creds, origin);
    if (this.tty !== null) return new HostTtyFile(path, this, flags, ctx.creds, this.tty);
    return new HostStreamFile(path, this, flags, ctx.creds);
  }

  /** Keeps the descriptor open until closed(). */
  hold(): void {
    this.openCount++;
  }

  /** An open file was released; the last one closes the descriptor. */
  closed(): void {
    if (--this.openCount > 0) return;
    this.fs.services.files.close(this.hostFd);
    if (this.tty === null || this.tty.inode !== this) return;
    this.tty.inode = null;
    this.tty.onClosed?.();
  }
}

class HostRootInode extends Inode {
  override setAttributes(): number {
    return EPERM;
  }
  override open(): Errno {
    return ENXIO;
  }
}

/** The filesystem donated files belong to: in no tree. */
export class HostFilesystem extends Filesystem {
  override readonly typeName = 'host';
  override readonly root: Inode;
  readonly services: HostFileServices;
  private readonly mount: Mount;

  constructor(services: HostFileServices, dev: number) {
    super();
    this.services = services;
    this.dev = dev;
    const root = new HostRootInode(this);
    root.mode = 0o040555;
    this.root = root;
    this.mount = new Mount(4, this, new Dentry(this, null, '/', root), 0);
  }

  override statfs(out: StatFs): number {
    out.type = 0x09041934;
    out.bsize = 4096;
    out.namelen = 255;
    return 0;
  }

  /**
   * Takes over a descriptor of the Sentry's as an open file with one reference. `tty`: makes the job control state when the
   * descriptor is a terminal (isTerminal()). Returns the file or errno (EBADF).
   */
  importFd(hostFd: number, ctx: Pick<IoContext, 'creds'>, tty: HostTty | null): FileDescription | Errno {
    const flags = this.services.files.fcntl(hostFd, F_GETFL, 0);
    if (flags < 0) return flags as Errno;
    const inode = this.inodeFor(hostFd, flags, tty);
    const path = { mount: this.mount, dentry: new Dentry(this, null, '', inode) };
    // O_LARGEFILE is shown by 64-bit kernels too.
    return inode.describe(path, flags & (O_ACCMODE | O_APPEND | 0o100000), ctx, 'donated');
  }

  /** The inode of a descriptor. Descriptors of one terminal that can do everything share the first one's. */
  private inodeFor(hostFd: number, flags: number, tty: HostTty | null): HostInode {
    const first = tty?.inode as HostInode | null | undefined;
    if (
      first != null &&
      (first.hostFlags & O_ACCMODE) === O_RDWR &&
      (flags & O_ACCMODE) === O_RDWR &&
      first.hostFd !== hostFd
    ) {
      // The lowest three stay taken: what else gets their numbers would get what this process prints.
      if (hostFd > 2) this.services.files.close(hostFd);
      return first;
    }
    const inode = new HostInode(this, hostFd, flags, tty);
    if (tty !== null && tty.inode === null) {
      tty.inode = inode;
      tty.rdev = inode.rdev;
    }
    return inode;
  }
}

const termios = new Uint8Array(64);

/** Is the descriptor a terminal? */
export function isTerminal(files: HostFiles, hostFd: number): boolean {
  const st = emptyStat();
  if (files.fstat(hostFd, st) < 0 || (st.mode & S_IFMT) !== S_IFCHR) return false;
  return files.ioctl(hostFd, TCGETS, termios) >= 0;
}

/** What came of the container's stdio. */
export interface ImportedStdio {
  /** One open file for each descriptor, in order. */
  readonly files: readonly FileDescription[];
  /** The terminal among them (the first), or null: to adopt() by the init process. */
  readonly tty: HostTty | null;
}

/**
 * Takes over the container's stdio. `makeTty` makes job control state for a terminal; descriptors of one terminal share it.
 * Returns the files or errno (EBADF).
 */
export function importStdio(
  hostFs: HostFilesystem,
  hostFds: readonly number[],
  ctx: Pick<IoContext, 'creds'>,
  makeTty: () => HostTty,
): ImportedStdio | Errno {
  const files: FileDescription[] = [];
  const ttys = new Map<number, HostTty>();
  const st = emptyStat();
  let first: HostTty | null = null;
  for (const fd of hostFds) {
    let tty: HostTty | null = null;
    if (isTerminal(hostFs.services.files, fd)) {
      hostFs.services.files.fstat(fd, st);
      tty = ttys.get(st.rdev) ?? makeTty();
      ttys.set(st.rdev, tty);
      first ??= tty;
    }
    const file = hostFs.importFd(fd, ctx, tty);
    if (isErrno(file)) return file;
    files.push(file);
  }
  return { files, tty: first };
}
