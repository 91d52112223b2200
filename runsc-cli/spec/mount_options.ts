// SPDX-License-Identifier: Apache-2.0

/**
 * Mount options of config.json and --volume: the generic ones become MS_* flags, what is left is the filesystem's own data.
 *
 * Linux: mount(8), include/uapi/linux/mount.h
 */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_SYNCHRONOUS = 16;
export const MS_DIRSYNC = 128;
export const MS_NOATIME = 1024;
export const MS_NODIRATIME = 2048;
export const MS_BIND = 4096;
export const MS_REC = 16384;
export const MS_RELATIME = 1 << 21;
export const MS_STRICTATIME = 1 << 24;

const SET: Record<string, number> = {
  ro: MS_RDONLY, nosuid: MS_NOSUID, nodev: MS_NODEV, noexec: MS_NOEXEC, sync: MS_SYNCHRONOUS, dirsync: MS_DIRSYNC, noatime: MS_NOATIME,
  nodiratime: MS_NODIRATIME, relatime: MS_RELATIME, strictatime: MS_STRICTATIME, bind: MS_BIND, rbind: MS_BIND | MS_REC,
  rro: MS_RDONLY, rnosuid: MS_NOSUID, rnodev: MS_NODEV, rnoexec: MS_NOEXEC,
};
const CLEAR: Record<string, number> = {
  rw: MS_RDONLY, suid: MS_NOSUID, dev: MS_NODEV, exec: MS_NOEXEC, async: MS_SYNCHRONOUS, atime: MS_NOATIME, diratime: MS_NODIRATIME,
  norelatime: MS_RELATIME, nostrictatime: MS_STRICTATIME, rrw: MS_RDONLY, rsuid: MS_NOSUID, rdev: MS_NODEV, rexec: MS_NOEXEC,
};
/** Propagation and other options that mean nothing in a namespace of one container. */
const IGNORED = new Set([
  'defaults', 'private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable', 'tmpcopyup', 'nofail', 'mand', 'nomand',
  'silent', 'loud', 'remount', 'acl', 'noacl', 'symfollow', 'nosymfollow', 'rsymfollow', 'rnosymfollow', 'ratime', 'rnoatime', 'rdiratime', 'rnodiratime',
  'rrelatime', 'rnorelatime', 'rstrictatime', 'rnostrictatime', 'iversion', 'noiversion', 'lazytime', 'nolazytime', 'idmap', 'ridmap',
]);

/** All that are known, for `features`. */
export const MOUNT_OPTIONS: readonly string[] = [...new Set([...Object.keys(SET), ...Object.keys(CLEAR), ...IGNORED])].sort();

export interface MountOptions {
  readonly flags: number;
  /** What the filesystem is to read. */
  readonly data: string;
  readonly isBind: boolean;
  /** tmpcopyup */
  readonly copiesUp: boolean;
  /** idmap, ridmap */
  readonly isIdmapped: boolean;
}

/** Decodes a list of mount options. */
export function decodeMountOptions(options: readonly string[]): MountOptions {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const set = Object.hasOwn(SET, option) ? SET[option] : undefined;
    const clear = Object.hasOwn(CLEAR, option) ? CLEAR[option] : undefined;
    if (set !== undefined) flags |= set;
    else if (clear !== undefined) flags &= ~clear;
    else if (!IGNORED.has(option)) data.push(option);
  }
  const isBind = (flags & MS_BIND) !== 0;
  const isIdmapped = options.includes('idmap') || options.includes('ridmap');
  return { flags: flags & ~(MS_BIND | MS_REC), data: data.join(','), isBind, copiesUp: options.includes('tmpcopyup'), isIdmapped };
}
