// SPDX-License-Identifier: Apache-2.0

/**
 * statfs(2) of a mount: the filesystem's numbers with the mount's flags.
 *
 * Linux: fs/statfs.c
 */
import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
} from '../../platform/abi/linux/mount.ts';
import {
  ST_NOATIME,
  ST_NODEV,
  ST_NODIRATIME,
  ST_NOEXEC,
  ST_NOSUID,
  ST_NOSYMFOLLOW,
  ST_RDONLY,
  ST_RELATIME,
  ST_VALID,
} from '../../platform/abi/linux/stat.ts';
import type { StatFs } from './filesystem.ts';
import type { Mount } from './mount.ts';

const FLAG_PAIRS: readonly (readonly [number, number])[] = [
  [MS_RDONLY, ST_RDONLY],
  [MS_NOSUID, ST_NOSUID],
  [MS_NODEV, ST_NODEV],
  [MS_NOEXEC, ST_NOEXEC],
  [MS_NOATIME, ST_NOATIME],
  [MS_NODIRATIME, ST_NODIRATIME],
  [MS_RELATIME, ST_RELATIME],
  [MS_NOSYMFOLLOW, ST_NOSYMFOLLOW],
];

/** Fills `out` for the filesystem seen through `mount`. Returns 0 or errno. */
export function statMount(mount: Mount, out: StatFs): number {
  out.type = 0;
  out.bsize = 4096;
  out.blocks = 0;
  out.bfree = 0;
  out.bavail = 0;
  out.files = 0;
  out.ffree = 0;
  out.namelen = 255;
  out.flags = 0;
  const err = mount.fs.statfs(out);
  if (err !== 0) return err;
  let flags = out.flags | ST_VALID;
  for (const [ms, st] of FLAG_PAIRS) if ((mount.flags & ms) !== 0) flags |= st;
  if (mount.fs.isReadOnly) flags |= ST_RDONLY;
  out.flags = flags;
  return 0;
}

export function emptyStatFs(): StatFs {
  return { type: 0, bsize: 4096, blocks: 0, bfree: 0, bavail: 0, files: 0, ffree: 0, namelen: 255, flags: 0 };
}
