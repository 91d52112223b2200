// SPDX-License-Identifier: Apache-2.0

/**
 * Building blocks of generated filesystems (proc, sys, dev): directories listed from a table or a function, files whose
 * content is made when they are read, symbolic links.
 *
 * Linux:      fs/proc/generic.c, fs/seq_file.c, fs/libfs.c; gVisor: kernfs
 * Invariants: a generated file's content is made once per pass: at the first read and again when read at offset 0.
 */
import { EINVAL, EIO, EISDIR, ENOENT, EPERM, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { SEEK_CUR } from '../../platform/abi/linux/fcntl.ts';
import { DT_DIR, S_IFDIR, S_IFLNK, S_IFREG, modeToDtype } from '../../platform/abi/linux/stat.ts';
import { copyAttributes, touchBorn } from './attributes.ts';
import type { IoContext } from './context.ts';
import type { Dentry } from './dentry.ts';
import { type DirEmit, FileDescription } from './file_description.ts';
import type { Filesystem } from './filesystem.ts';
import { ATTR_MODE, ATTR_SIZE, type ByteString, Inode, type SetAttr } from './inode.ts';
import type { IoSequence } from './io.ts';
import type { Path } from './mount.ts';
import { SeekableFile, seekTo } from './seekable_file.ts';

/** An inode of a generated filesystem: attributes live in the fields; owner root. */
export abstract class PseudoInode extends Inode {
  constructor(fs: Filesystem, mode: number) {
    super(fs);
    this.ino = fs.allocIno();
    this.mode = mode;
    touchBorn(this);
    this.btimeSec = -1;
  }

  override setAttributes(_ctx: IoContext, attr: SetAttr): number {
    // What belongs to a process has the mode Linux gives it.
    if ((attr.valid & ATTR_MODE) !== 0 && this.attachment !== null && this.fs.typeName === 'proc') return EPERM;
    if ((attr.valid & ~ATTR_SIZE) !== 0) copyAttributes(this, attr);
    return 0;
  }
}

/** One directory entry as a listing gives it. */
export interface DirEntry {
  readonly name: ByteString;
  readonly ino: number;
  /** DT_* */
  readonly dtype: number;
}

/** The parent's inode number for "..". */
export function dotDotIno(path: Path): number {
  const parent: Dentry | null = path.dentry.parent;
  return parent?.inode?.ino ?? path.dentry.inode?.ino ?? 1;
}

/** An open directory over a snapshot of its entries, taken at the first read and again after a rewind. */
export class ListedDirDescription extends FileDescription {
  private readonly list: (ctx: IoContext) => readonly DirEntry[] | Errno;
  private entries: readonly DirEntry[] | null = null;

  constructor(
    ctx: IoContext,
    path: Path,
    inode: Inode,
    flags: number,
    list: (ctx: IoContext) => readonly DirEntry[] | Errno,
  ) {
    super(path, inode, flags, ctx.creds);
    this.list = list;
  }

  override readdir(ctx: IoContext, emit: DirEmit): number {
    if (this.entries === null || this.position === 0) {
      const entries = this.list(ctx);
      if (isErrno(entries)) return entries;
      this.entries = entries;
    }
    if (this.position === 0) {
      if (!emit('.', this.inode.ino, DT_DIR, 1)) return 0;
      this.position = 1;
    }
    if (this.position === 1) {
      if (!emit('..', dotDotIno(this.path), DT_DIR, 2)) return 0;
      this.position = 2;
    }
    for (;;) {
      const entry = this.entries[this.position - 2];
      if (entry === undefined) return 0;
      if (!emit(entry.name, entry.ino, entry.dtype, this.position + 1)) return 0;
      this.position++;
    }
  }

  override read(): number {
    return EISDIR;
  }
  override pread(): number {
    return EISDIR;
  }
  override seek(_ctx: IoContext, offset: number, whence: number): number {
    const target = whence > 1 ? EINVAL : seekTo(this.position, offset, whence, () => 0);
    if (target >= 0) this.position = target;
    return target;
  }
  override fsync(): number {
    return 0;
  }
}

/** A directory whose entries a subclass lists and looks up (nlink 2 unless set). */
export abstract class ListedDirInode extends PseudoInode {
  constructor(fs: Filesystem, permissions = 0o555) {
    super(fs, S_IFDIR | permissions);
    this.nlink = 2;
  }
  /** All entries without "." and "..". */
  abstract list(ctx: IoContext): readonly DirEntry[] | Errno;

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return new ListedDirDescription(ctx, path, this, flags, (c) => this.list(c));
  }
}

/** A directory whose entries are a table filled when it is made, or (`fill`) when somebody first looks. */
export class StaticDirInode extends ListedDirInode {
  private readonly table = new Map<ByteString, Inode>();
  private fill: ((dir: StaticDirInode) => void) | null;

  constructor(fs: Filesystem, permissions = 0o555, fill: ((dir: StaticDirInode) => void) | null = null) {
    super(fs, permissions);
    this.fill = fill;
  }

  get entries(): Map<ByteString, Inode> {
    const { fill } = this;
    if (fill !== null) {
      this.fill = null;
      fill(this);
    }
    return this.table;
  }
  override refreshAttributes(): number {
    // The link count is known once the entries are.
    void this.entries;
    return 0;
  }

  /** Adds (or replaces) an entry. Returns the directory, for chaining. */
  add(name: ByteString, inode: Inode): this {
    if (!this.entries.has(name) && (inode.mode & S_IFDIR) === S_IFDIR) this.nlink++;
    this.entries.set(name, inode);
    return this;
  }
  /** Takes an entry out. The caller drops cached dentries (Filesystem.needsRevalidate, or VirtualFilesystem.forget). */
  remove(name: ByteString): boolean {
    return this.entries.delete(name);
  }

  override lookup(_ctx: IoContext, name: ByteString): Inode | Errno {
    return this.entries.get(name) ?? ENOENT;
  }

  override list(_ctx: IoContext): readonly DirEntry[] {
    const out: DirEntry[] = [];
    for (const [name, inode] of this.entries) out.push({ name, ino: inode.ino, dtype: modeToDtype(inode.mode) });
    return out;
  }
}

/** A string is bytes, one char (0..255) each. */
export type GeneratedContent = ByteString | Uint8Array;
/** Makes the content, or answers errno. */
export type GenerateContent = (ctx: IoContext) => GeneratedContent | Errno;
/** Takes what one write(2) wrote. Returns bytes consumed (usually text.length) or errno. */
export type AcceptContent = (ctx: IoContext, text: ByteString, offset: number, file: FileDescription) => number;

/** Longest single write a generated file takes. */
const MAX_WRITE = 65536;

/** A file whose content is made at read time and whose writes go to a function. */
export class GeneratedFileInode extends PseudoInode {
  readonly generate: GenerateContent;
  readonly accept: AcceptContent | null;

  constructor(
    fs: Filesystem,
    read: GenerateContent,
    write: AcceptContent | null = null,
    permissions = write === null ? 0o444 : 0o644,
  ) {
    super(fs, S_IFREG | permissions);
    this.generate = read;
    this.accept = write;
  }

  override open(ctx: IoContext, path: Path, flags: number): FileDescription | Errno {
    return new GeneratedFile(ctx, path, this, flags);
  }
}

/** The open generated file. */
export class GeneratedFile extends SeekableFile {
  private content: Uint8Array | null = null;
  private readonly source: GeneratedFileInode;

  constructor(ctx: IoContext, path: Path, inode: GeneratedFileInode, flags: number) {
    super(path, inode, flags, ctx.creds);
    this.source = inode;
  }

  protected override readAt(ctx: IoContext, io: IoSequence, offset: number): number {
    if (this.content === null || offset === 0) {
      const made = this.source.generate(ctx);
      if (isErrno(made)) return made;
      this.content = typeof made === 'string' ? Buffer.from(made, 'latin1') : made;
    }
    const left = this.content.length - offset;
    return left <= 0 ? 0 : io.put(this.content, offset, Math.min(left, io.remaining));
  }

  protected override writeAt(ctx: IoContext, io: IoSequence, offset: number): number {
    if (this.source.accept === null) return EIO;
    const buf = Buffer.allocUnsafe(Math.min(io.remaining, MAX_WRITE));
    const n = io.take(buf, 0, buf.length);
    if (n < 0) return n;
    this.content = null;
    const taken = this.source.accept(ctx, buf.toString('latin1', 0, n), offset, this);
    return taken;
  }

  override get canDirect(): boolean {
    return false;
  }
  /** Files of proc are sequences without an end. */
  override seek(ctx: IoContext, offset: number, whence: number): number {
    return whence > SEEK_CUR && this.inode.fs.typeName === 'proc' ? EINVAL : super.seek(ctx, offset, whence);
  }
  override fsync(): number {
    return this.inode.fs.typeName === 'proc' ? EINVAL : 0;
  }

  protected override currentSize(): number {
    return this.inode.size > 0 ? this.inode.size : (this.content?.length ?? 0);
  }
}

/** A file with fixed content. */
export class StaticFileInode extends GeneratedFileInode {
  constructor(fs: Filesystem, content: GeneratedContent, permissions = 0o444) {
    const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
    super(fs, () => bytes, null, permissions);
    this.size = bytes.length;
  }
}

/** A symbolic link with fixed or computed text. */
export class SymlinkInode extends PseudoInode {
  private readonly target: ByteString | ((ctx: IoContext) => ByteString | Errno);

  constructor(fs: Filesystem, target: ByteString | ((ctx: IoContext) => ByteString | Errno)) {
    super(fs, S_IFLNK | 0o777);
    this.target = target;
    if (typeof target === 'string') this.size = target.length;
  }
  override readlink(ctx: IoContext): ByteString | Errno {
    return typeof this.target === 'string' ? this.target : this.target(ctx);
  }
  override open(): Errno {
    return EPERM;
  }
}

/** A magic link of /proc: readlink(2) gives `text`, a walk goes to `place` whatever the text says. */
export class MagicLinkInode extends PseudoInode {
  private readonly text: (ctx: IoContext) => ByteString | Errno;
  private readonly place: (ctx: IoContext) => Path | Errno;

  constructor(fs: Filesystem, text: (ctx: IoContext) => ByteString | Errno, place: (ctx: IoContext) => Path | Errno) {
    super(fs, S_IFLNK | 0o777);
    this.text = text;
    this.place = place;
  }
  override readlink(ctx: IoContext): ByteString | Errno {
    return this.text(ctx);
  }
  override followLink(ctx: IoContext): Path | Errno {
    return this.place(ctx);
  }
  override open(): Errno {
    return EPERM;
  }
}
