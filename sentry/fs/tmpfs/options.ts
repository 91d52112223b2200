// SPDX-License-Identifier: Apache-2.0

/**
 * Mount options of tmpfs.
 *
 * Linux: mm/shmem.c (shmem_parse_one); tmpfs(5)
 */
import { EINVAL, type Errno } from '../../../platform/abi/linux/errno.ts';

export const PAGE_SIZE = 4096;

export interface TmpfsOptions {
  /** Size limit in pages. */
  pages: number;
  /** Inode limit. */
  inodes: number;
  mode: number;
  uid: number;
  gid: number;
}

/** Parses a number with an optional k, m, g, t suffix (bytes). Returns NaN when it is none. */
function parseSize(text: string): number {
  const match = /^(0x[0-9a-f]+|\d+)([kmgtKMGT]?)$/i.exec(text);
  if (match === null) return Number.NaN;
  const suffix = (match[2] as string).toLowerCase();
  return Number(match[1]) * 1024 ** ' kmgt'.indexOf(suffix === '' ? ' ' : suffix);
}

/** Limit in pages from a size= value; percentages are of `memoryBytes`. */
function sizeToPages(value: string, memoryBytes: number): number {
  if (/^\d+%$/.test(value)) return Math.floor((memoryBytes * Number.parseInt(value, 10)) / 100 / PAGE_SIZE);
  const bytes = parseSize(value);
  return Math.ceil(bytes / PAGE_SIZE);
}

/** Options that are accepted and change nothing here. */
const IGNORED = new Set([
  'huge',
  'mpol',
  'noswap',
  'inode32',
  'inode64',
  'usrquota',
  'grpquota',
  'rw',
  'ro',
  'defaults',
]);

/**
 * Applies `data` ("size=64m,mode=755") to `options`. 0 for a limit means the default limit `unlimited`.
 * Returns 0 or EINVAL.
 */
export function parseOptions(
  data: string,
  options: TmpfsOptions,
  memoryBytes: number,
  unlimited: TmpfsOptions,
): 0 | Errno {
  for (const part of data.split(',')) {
    if (part === '') continue;
    const at = part.indexOf('=');
    const key = at < 0 ? part : part.slice(0, at);
    const value = at < 0 ? '' : part.slice(at + 1);
    if (!parseOne(key, value, options, memoryBytes, unlimited)) return EINVAL;
  }
  return 0;
}

function parseOne(
  key: string,
  value: string,
  options: TmpfsOptions,
  memoryBytes: number,
  unlimited: TmpfsOptions,
): boolean {
  switch (key) {
    case 'size': {
      const pages = sizeToPages(value, memoryBytes);
      if (Number.isNaN(pages)) return false;
      options.pages = pages === 0 ? unlimited.pages : pages;
      return true;
    }
    case 'nr_blocks': {
      const pages = parseSize(value);
      if (Number.isNaN(pages)) return false;
      options.pages = pages === 0 ? unlimited.pages : pages;
      return true;
    }
    case 'nr_inodes': {
      const count = parseSize(value);
      if (Number.isNaN(count)) return false;
      options.inodes = count === 0 ? unlimited.inodes : Math.min(count, unlimited.inodes);
      return true;
    }
    case 'mode':
      if (!/^[0-7]+$/.test(value)) return false;
      options.mode = Number.parseInt(value, 8) & 0o7777;
      return true;
    case 'uid':
    case 'gid':
      if (!/^\d+$/.test(value) || Number(value) > 0xfffffffe) return false;
      options[key] = Number(value);
      return true;
    default:
      return IGNORED.has(key);
  }
}
