// SPDX-License-Identifier: Apache-2.0

/**
 * The mounts that a container's root file system is made of: containerd describes them, the shim makes and removes them.
 *
 * Linux: mount(2), mount(8)
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { mount, umount } from '../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../errors.ts';
import { decodeMountOptions, MS_BIND, MS_RDONLY, MS_REC } from '../spec/mount_options.ts';
import type { MountMessage } from './protocol/task_messages.ts';

const MS_REMOUNT = 32;
const MNT_DETACH = 2;
/** mount(2) takes one page of data. */
const PAGE = 4096;

/** Makes them all on `target`. Throws RunscError; none is left then. */
export function mountRootfs(mounts: readonly MountMessage[], target: string): void {
  if (mounts.length === 0) return;
  mkdirSync(target, { recursive: true, mode: 0o711 });
  try {
    for (const one of mounts) mountOne(one, one.target === '' ? target : inside(target, one.target));
  } catch (error) {
    unmountRootfs(target);
    throw error;
  }
}

function inside(root: string, path: string): string {
  if (path.split('/').includes('..')) throw new RunscError(`mount target "${path}" leads outside`);
  return join(root, path);
}

function mountOne(one: MountMessage, target: string): void {
  const options = decodeMountOptions(one.options);
  const isRecursive = one.type === 'rbind' || one.options.includes('rbind');
  const isBind = options.isBind || isRecursive || one.type === 'bind';
  const type = isBind ? null : one.type;
  const { data } = options;
  const wanted = options.flags | (isBind ? MS_BIND : 0) | (isRecursive ? MS_REC : 0);
  const result = data.length < PAGE ? mount(one.source, target, type, wanted, data) : mountInShort(one, target, wanted, data);
  if (result < 0) throw new RunscError(`failed to mount rootfs component: ${one.type} on ${target}: ${errnoWords(result)}`);
  if (!isBind || (wanted & MS_RDONLY) === 0) return;
  const remounted = mount('', target, null, wanted | MS_REMOUNT, '');
  if (remounted < 0) throw new RunscError(`failed to mount rootfs component: ${one.type} on ${target}: ${errnoWords(remounted)}`);
}

/** An overlay of many layers: their paths are given from the directory that they have in common. */
function mountInShort(one: MountMessage, target: string, flags: number, data: string): number {
  const lower = /(?:^|,)lowerdir=([^,]*)/.exec(data)?.[1]?.split(':') ?? [];
  const common = commonDirectory(lower);
  if (common === '') return -7;
  const short = data.replace(/((?:^|,)lowerdir=)[^,]*/, (_, name: string) => `${name}${lower.map((path) => path.slice(common.length)).join(':')}`);
  const before = process.cwd();
  process.chdir(common);
  try {
    return short.length < PAGE ? mount(one.source, target, one.type, flags, short) : -7;
  } finally {
    process.chdir(before);
  }
}

/** The longest directory, with its slash, that all paths begin with; '': none. */
export function commonDirectory(paths: readonly string[]): string {
  let common = paths[0] ?? '';
  for (const path of paths) while (!path.startsWith(common)) common = common.slice(0, -1);
  return common.slice(0, common.lastIndexOf('/') + 1);
}

/** Removes whatever is mounted on a directory. */
export function unmountRootfs(target: string): void {
  for (let i = mountsAt(target); i > 0; i--) if (umount(target, 0) < 0 && umount(target, MNT_DETACH) < 0) return;
}

function mountsAt(target: string): number {
  const escaped = target.replace(/[\\\n\t ]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  return readFileSync('/proc/self/mountinfo', 'latin1').split('\n').filter((line) => line.split(' ')[4] === Buffer.from(escaped).toString('latin1')).length;
}
