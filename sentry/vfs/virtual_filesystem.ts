// SPDX-License-Identifier: Apache-2.0

/**
 * VirtualFilesystem: what all mounts of the sandbox share: filesystem types, device numbers, character devices, ids.
 *
 * Linux: fs/super.c, fs/filesystems.c, fs/namespace.c (ids)
 */
import { ENXIO, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { makedev } from '../../platform/abi/linux/stat.ts';
import type { HostServices } from '../../platform/platform.ts';
import { setFileClock } from './clock.ts';
import type { IoContext } from './context.ts';
import { Dentry, dropTree } from './dentry.ts';
import { type DeviceOpener, DeviceRegistry } from './devices.ts';
import type { FileDescription } from './file_description.ts';
import type { Filesystem, FilesystemType } from './filesystem.ts';
import type { ByteString, Inode } from './inode.ts';
import { Mount, MountNamespace, type Path } from './mount.ts';
import { untrackMount } from './mount_registry.ts';
import { fsNotify } from './notify.ts';
import { openPath } from './open.ts';
import { walkPath } from './path_walk.ts';

export class VirtualFilesystem {
  readonly host: Pick<HostServices, 'clock' | 'files' | 'info'>;
  readonly devices = new DeviceRegistry();
  /** Opens a FIFO node (set by the composition root: pipes live elsewhere). The file may answer pendingOpen(). */
  fifoOpener: DeviceOpener = () => ENXIO;
  private readonly types = new Map<string, FilesystemType>();
  private lastMountId = 20;
  private lastDevMinor = 20;
  private lastGroup = 0;
  private lastNamespace = 0;
  /** Mounts of filesystems that appear in no tree (pipes, sockets, anonymous inodes, memfd). */
  private readonly internalMounts = new Map<Filesystem, Mount>();

  constructor(host: Pick<HostServices, 'clock' | 'files' | 'info'>) {
    this.host = host;
    setFileClock(host.clock);
  }

  /** Makes a filesystem type available to mount(2) and the configuration. */
  registerType(type: FilesystemType): void {
    this.types.set(type.name, type);
  }
  filesystemType(name: string): FilesystemType | undefined {
    return this.types.get(name);
  }
  /** All types in order of registration, for /proc/filesystems. */
  filesystemTypes(): FilesystemType[] {
    return [...this.types.values()];
  }

  /** Text of /proc/filesystems. */
  filesystemsText(): string {
    return this.filesystemTypes()
      .map((t) => `${t.isNodev ? 'nodev' : ''}\t${t.name}\n`)
      .join('');
  }

  /** Gives a filesystem instance its device number and root dentry (once). */
  adopt(fs: Filesystem): Dentry {
    if (fs.dev === 0) fs.dev = makedev(0, ++this.lastDevMinor);
    if (fs.rootDentry === null) {
      fs.rootDentry = new Dentry(fs, null, '', fs.root);
      fs.rootDentry.get();
    }
    return fs.rootDentry;
  }

  /** A new mount of `fs`, in no tree yet, showing `root` (default: the filesystem's root). */
  newMount(fs: Filesystem, flags: number, root: Dentry | null = null): Mount {
    const top = this.adopt(fs);
    const mount = new Mount(++this.lastMountId, fs, root ?? top, flags);
    mount.root.get();
    fs.mountRefs++;
    return mount;
  }

  /** The last holder of a detached mount is gone: lets its filesystem go when no other mount shows it. */
  releaseMount(mount: Mount): void {
    untrackMount(mount);
    mount.root.put();
    if (--mount.fs.mountRefs > 0) return;
    fsNotify.unmounted?.(mount.fs);
    const root = mount.fs.rootDentry;
    mount.fs.rootDentry = null;
    if (root !== null) dropTree(root);
    root?.put();
    mount.fs.release();
  }

  /** A mount namespace with `fs` as its root. */
  newNamespace(fs: Filesystem, flags: number): MountNamespace {
    return this.namespaceOf(this.newMount(fs, flags));
  }
  /** A namespace over `root` that lives as long as the sandbox (its maker counts as a user). */
  namespaceOf(root: Mount): MountNamespace {
    const namespace = new MountNamespace(root, 0xf0000000 + this.lastNamespace++);
    namespace.users = 1;
    return namespace;
  }

  newPeerGroup(): number {
    return ++this.lastGroup;
  }

  /** A path for an inode that has no name in any tree (pipe, socket, eventfd, memfd): `name` shows in /proc when the file has no linkText. */
  anonPath(inode: Inode, name: ByteString): Path {
    let mount = this.internalMounts.get(inode.fs);
    if (mount === undefined) {
      mount = this.newMount(inode.fs, 0);
      this.internalMounts.set(inode.fs, mount);
    }
    const dentry = new Dentry(inode.fs, null, name, inode);
    return { mount, dentry };
  }

  /** Walks a path. `start` null: the working directory. Returns the place or errno. */
  resolve(ctx: IoContext, start: Path | null, path: ByteString, follow = true): Path | Errno {
    return walkPath(ctx, start, path, follow);
  }

  /** open(2) by path, for handlers and kernel-internal users (loader, core files). */
  open(
    ctx: IoContext,
    start: Path | null,
    path: ByteString,
    flags: number,
    mode = 0,
    resolve = 0,
  ): FileDescription | Errno {
    return openPath(this, ctx, start, path, flags, mode, resolve);
  }

  /** Drops a cached entry whose truth changed behind vfs. */
  forget(dir: Dentry, name: ByteString): void {
    dir.children?.get(name)?.drop();
  }
}

/** Narrowing shorthand for callers that only need success. */
export function isPath(value: Path | Errno): value is Path {
  return !isErrno(value);
}
