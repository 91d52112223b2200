// SPDX-License-Identifier: Apache-2.0

import { expect, test } from 'vitest';
import type { Attr } from '../../../gofer/protocol/attr.ts';
import type { GoferInode } from './gofer_inode.ts';
import { FileShare } from './shared_files.ts';

const attr = (ino: number, btimeNsec = 0): Attr => ({ devMajor: 8, devMinor: 1, ino, btimeSec: 5, btimeNsec }) as Attr;
const inode = (): GoferInode => ({}) as GoferInode;

test('FileShare: all inodes of a host file have one body until the last is let go of', () => {
  const [one, two, three, other, later] = [inode(), inode(), inode(), inode(), inode()];
  const first = new FileShare(one, attr(100));
  const second = new FileShare(two, attr(100));
  expect([first.body, second.body]).toEqual([one, one]);
  expect(second.body).toBe(one);
  expect(new FileShare(other, attr(101)).body).toBe(other);
  // A new file with the number of an old one was born later.
  expect(new FileShare(later, attr(100, 1)).body).toBe(later);
  first.drop();
  expect(second.body).toBe(one);
  second.drop();
  expect(new FileShare(three, attr(100)).body).toBe(three);
});
