// SPDX-License-Identifier: Apache-2.0

/**
 * Filesystem instances for the configuration's mounts.
 */
import { ENODEV, type Errno, isErrno } from '../../platform/abi/linux/errno.ts';
import { populateDev } from '../../sentry/fs/dev/populate.ts';
import { MemfsFilesystem } from '../../sentry/fs/memfs/memfs_filesystem.ts';
import type { MemfsVolume } from '../../sentry/fs/memfs/volume.ts';
import { OverlayFilesystem } from '../../sentry/fs/overlay/overlay_filesystem.ts';
import { makeTmpfs } from '../../sentry/fs/tmpfs/tmpfs.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import type { Filesystem } from '../../sentry/vfs/filesystem.ts';
import type { MountConfig, MountKind } from '../sandbox/config.ts';
import { volumeNamed } from '../sandbox/volumes.ts';

/** Names under which the types are registered. */
const TYPES: Partial<Record<MountKind, string>> = { tmpfs: 'tmpfs', proc: 'proc', sysfs: 'sysfs', devpts: 'devpts', mqueue: 'mqueue', cgroup: 'cgroup2', dev: 'tmpfs' };

/** Is there a filesystem for this mount? */
export function hasFilesystem(kernel: Kernel, mount: MountConfig): boolean {
  const name = TYPES[mount.kind];
  return mount.kind === 'bind' || mount.kind === 'memfs' || (name !== undefined && kernel.vfs.filesystemType(name) !== undefined);
}

/** A new instance for a mount that is not a bind mount. Returns it or errno. */
export function makeFilesystem(kernel: Kernel, ctx: IoContext, mount: MountConfig): Filesystem | Errno {
  if (mount.kind === 'memfs') return makeMemfs(kernel, mount.source);
  const name = TYPES[mount.kind];
  const type = name === undefined ? undefined : kernel.vfs.filesystemType(name);
  if (type === undefined) return ENODEV;
  const fs = type.mount(ctx, mount.source, mount.data);
  if (isErrno(fs)) return fs;
  if (mount.kind === 'dev') {
    const err = populateDev(ctx, fs.root, mount.source === 'devtmpfs');
    if (err !== 0) return err as Errno;
  }
  return fs;
}

const memfs: MemfsFilesystem[] = [];

function makeMemfs(kernel: Kernel, name: string): Filesystem | Errno {
  const volume = volumeNamed(name);
  if (volume === undefined) return ENODEV;
  const fs = new MemfsFilesystem(volume as unknown as MemfsVolume, kernel.host.files);
  memfs.push(fs);
  return fs;
}

/** Puts what is still only in mapped memory into the volumes. */
export function flushMemfs(): void {
  for (const fs of memfs) fs.flush();
}

/** A writable in-memory layer over `lower`. */
export function makeOverlay(kernel: Kernel, lower: Filesystem): Filesystem | Errno {
  const upper = makeTmpfs(kernel.host, 'mode=755');
  if (isErrno(upper)) return upper;
  return new OverlayFilesystem(upper, lower);
}
