// SPDX-License-Identifier: Apache-2.0

/**
 * Text of /proc/pid/mountinfo, /proc/pid/mounts and mountstats as seen from a process's root.
 *
 * Linux: fs/proc_namespace.c; proc(5)
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
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from '../../platform/abi/linux/mount.ts';
import { majorOf, minorOf } from '../../platform/abi/linux/stat.ts';
import { pathText } from './d_path.ts';
import type { Dentry } from './dentry.ts';
import { type Mount, type Path, forEachMount } from './mount.ts';

const OPTION_NAMES: readonly (readonly [number, string])[] = [
  [MS_NOSUID, ',nosuid'],
  [MS_NODEV, ',nodev'],
  [MS_NOEXEC, ',noexec'],
  [MS_NOATIME, ',noatime'],
  [MS_NODIRATIME, ',nodiratime'],
  [MS_RELATIME, ',relatime'],
  [MS_NOSYMFOLLOW, ',nosymfollow'],
];

/** Octal escapes for what would break the columns. */
function escapeColumn(text: string): string {
  return text.replace(/[ \t\n\\#]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

function options(mount: Mount): string {
  let text = '';
  for (const [flag, name] of OPTION_NAMES) if ((mount.flags & flag) !== 0) text += name;
  return text;
}

/** Path of a mount's root inside its filesystem. */
function rootText(dentry: Dentry, prefix: string): string {
  const parts: string[] = [];
  let d: Dentry = dentry;
  for (; d.parent !== null; d = d.parent) parts.push(d.name);
  const path = parts.length === 0 ? prefix : `${prefix}/${parts.reverse().join('/')}`;
  return path === '' ? '/' : path;
}

function propagation(mount: Mount): string {
  let text = '';
  if (mount.propagation === MS_SHARED) text += ` shared:${mount.peerGroup}`;
  if (mount.propagation === MS_SLAVE || mount.masterGroup > 0) text += ` master:${mount.masterGroup}`;
  if (mount.propagation === MS_UNBINDABLE) text += ' unbindable';
  return text;
}

/** Calls visit for each mount reachable from `root`, with its mountpoint as seen from there, in order of ids. */
function forEachVisible(root: Path, visit: (mount: Mount, at: string) => void): void {
  const top = root.mount.namespace?.root ?? root.mount;
  const all: Mount[] = [];
  forEachMount(top, (mount) => all.push(mount));
  all.sort((a, b) => a.id - b.id);
  for (const mount of all) {
    const { text, isReachable } =
      mount === root.mount ? { text: '/', isReachable: true } : pathText(root, { mount, dentry: mount.root });
    if (isReachable) visit(mount, text);
  }
}

/** /proc/pid/mountinfo */
export function mountinfoText(root: Path): string {
  let out = '';
  forEachVisible(root, (mount, at) => {
    const { fs } = mount;
    const ro = (mount.flags & MS_RDONLY) !== 0 ? 'ro' : 'rw';
    const parent = mount.parent?.id ?? mount.id - 1;
    out += `${mount.id} ${parent} ${majorOf(fs.dev)}:${minorOf(fs.dev)} ${escapeColumn(rootText(mount.root, fs.rootPath))} ${escapeColumn(at)} ${ro}${options(mount)}${propagation(mount)}`;
    out += ` - ${fs.typeName} ${escapeColumn(mount.source ?? fs.source)} ${fs.isReadOnly ? 'ro' : 'rw'}${fs.showOptions()}\n`;
  });
  return out;
}

/** /proc/pid/mounts */
export function mountsText(root: Path): string {
  let out = '';
  forEachVisible(root, (mount, at) => {
    const { fs } = mount;
    const ro = (mount.flags & MS_RDONLY) !== 0 || fs.isReadOnly ? 'ro' : 'rw';
    out += `${escapeColumn(mount.source ?? fs.source)} ${escapeColumn(at)} ${fs.typeName} ${ro}${options(mount)}${fs.showOptions()} 0 0\n`;
  });
  return out;
}

/** /proc/pid/mountstats */
export function mountstatsText(root: Path): string {
  let out = '';
  forEachVisible(root, (mount, at) => {
    out += `device ${escapeColumn(mount.source ?? mount.fs.source)} mounted on ${escapeColumn(at)} with fstype ${mount.fs.typeName}\n`;
  });
  return out;
}
