// SPDX-License-Identifier: Apache-2.0

// Owes: fs.nr_open bounds new descriptors, but not those a table has room for; a table beyond it cannot be copied.
import { afterEach, expect, it } from 'vitest';
import { EMFILE } from '../../platform/abi/linux/errno.ts';
import type { IoContext } from '../vfs/context.ts';
import type { FileDescription } from '../vfs/file_description.ts';
import { descriptorLimits, FdTable } from './fd_table.ts';

const usual = descriptorLimits.nrOpen;
afterEach(() => {
  descriptorLimits.nrOpen = usual;
});

const ctx = {} as IoContext;
function file(): FileDescription {
  return { incRef() {}, decRef() {}, flush: () => 0, inode: { body: { locks: null } } } as unknown as FileDescription;
}

it('FdTable.install() and installAt() return EMFILE where the table would grow beyond fs.nr_open', () => {
  const table = new FdTable();
  expect(table.installAt(ctx, 70, file(), false, 1024)).toBe(70);
  descriptorLimits.nrOpen = 64;
  expect(table.installAt(ctx, 127, file(), false, 1024)).toBe(127);
  expect(table.installAt(ctx, 128, file(), false, 1024)).toBe(EMFILE);
  expect(table.install(file(), false, 1024, 128)).toBe(EMFILE);
  expect(table.install(file(), false, 1024)).toBe(0);
});

it('FdTable.isTooLargeToCopy is true while a descriptor is beyond what a new table would hold', () => {
  const table = new FdTable();
  table.installAt(ctx, 65, file(), false, 1024);
  expect(table.isTooLargeToCopy).toBe(false);
  descriptorLimits.nrOpen = 64;
  expect(table.isTooLargeToCopy).toBe(true);
  table.close(ctx, 65);
  expect(table.isTooLargeToCopy).toBe(false);
});
