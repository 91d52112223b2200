// SPDX-License-Identifier: Apache-2.0

/**
 * Stripping of set-user-id, set-group-id bits and file capabilities when a file's content or owner changes.
 *
 * Linux: fs/inode.c (file_remove_privs), fs/attr.c (setattr_should_drop_suidgid); chown(2), write(2)
 */
import { CAP_FSETID } from '../../platform/abi/linux/capability.ts';
import { S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from '../../platform/abi/linux/stat.ts';
import { emptyAttr } from './attributes.ts';
import type { IoContext } from './context.ts';
import { ATTR_MODE, type Inode } from './inode.ts';

/** The bits of `mode` that a change of content or owner takes away. */
export function setIdBits(mode: number): number {
  if ((mode & (S_ISUID | S_ISGID)) === 0 || (mode & S_IFMT) !== S_IFREG) return 0;
  let kill = mode & S_ISUID;
  if ((mode & S_ISGID) !== 0 && (mode & S_IXGRP) !== 0) kill |= S_ISGID;
  return kill;
}

/** After a successful write by someone without CAP_FSETID. */
export function stripSetIdOnWrite(ctx: IoContext, inode: Inode): void {
  const kill = setIdBits(inode.mode);
  if (kill === 0 || ctx.creds.hasCap(CAP_FSETID)) return;
  const attr = emptyAttr();
  attr.valid = ATTR_MODE;
  attr.mode = inode.mode & 0o7777 & ~kill;
  inode.setAttributes(ctx, attr);
}
