// SPDX-License-Identifier: Apache-2.0

/**
 * The file trees that the Sentry and the Gofer are pivoted into, arranged in a mount namespace of their own.
 *
 * Linux:      mount_namespaces(7), pivot_root(2)
 * Where the program itself was started in a chroot whose `/` is no mount, pivot_root has nothing to work on (EINVAL): the tree is entered by
 * chroot, and nobody in it keeps the privilege or the system call to leave it.
 *
 * Invariants: no mount event leaves the namespace. After enter*() nothing outside the new tree can be named.
 */
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { chdir, mkdir, mount, mountSetAttributes, pivotHere } from '../../ffi/lifecycle.ts';
import { chroot } from '../../ffi/namespaces.ts';

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_REC = 16384;
const MS_PRIVATE = 1 << 18;
const MOUNT_ATTR_RDONLY = 1;

/** One host tree the Gofer serves: mounted at /<index>. */
export interface GoferTree {
  /** Absolute host path of a directory or file. */
  readonly source: string;
  readonly readonly: boolean;
  /** Absolute guest-visible subdirectories that are covered by nothing (the host's own /proc, /sys, /dev): never served. */
  readonly covered: readonly string[];
}

/** Directories to build the new root on: any that exists will do, it is covered in this namespace only. */
const STAGING = ['/proc/fs', '/mnt', '/tmp', '/run', '/var'];

/** Is `/` no mount (this program was started in a chroot)? Then there is nothing to pivot: the new root is entered by chroot. */
let isChrooted = false;

/** Keeps mount events inside. Returns the mounts below which a new one stays here. */
function detach(): string[] {
  isChrooted = mount('none', '/', null, MS_REC | MS_PRIVATE, null) < 0;
  if (!isChrooted) return ['/'];
  // The mount that `/` is part of cannot be named; those below it can.
  const own: string[] = [];
  for (const line of readFileSync('/proc/self/mountinfo', 'latin1').split('\n')) {
    const at = (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (at !== '' && mount('none', at, null, MS_REC | MS_PRIVATE, null) === 0) own.push(at);
  }
  return own;
}

/** Mounts a small tmpfs somewhere and returns where, or '' when nothing could be mounted. */
function stage(): string {
  const own = detach();
  for (const place of STAGING) {
    if (!isChrooted || own.some((at) => place === at || place.startsWith(`${at}/`)))
      if (mount('none', place, 'tmpfs', MS_NOSUID | MS_NODEV | MS_NOEXEC, 'size=1m,mode=755') === 0) return place;
  }
  return '';
}

/** Makes the new root ours. '' or what failed. */
function enter(root: string): string {
  if (chdir(root) < 0) return 'the new root could not be entered';
  const entered = isChrooted ? Math.min(chroot('.'), chdir('/')) : pivotHere();
  return entered < 0 ? `${isChrooted ? 'chroot' : 'pivot_root'}: errno ${-entered}` : '';
}

/** A procfs of our own pid namespace; `options` are tried first (subset=pid: nothing but processes in it, Linux 5.8). */
function mountProc(at: string, options: string | null): number {
  mkdir(at, 0o555);
  const flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const result = mount('proc', at, 'proc', flags, options);
  return result === 0 || options === null ? result : mount('proc', at, 'proc', flags, null);
}

function remountReadOnly(at: string): number {
  return mount('none', at, null, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, null);
}

/** Pivots the Sentry into an empty read-only root with only /proc in it. '' or what failed. */
export function enterSentryRoot(): string {
  const root = stage();
  if (root === '') return 'an empty root could not be mounted';
  const proc = mountProc(`${root}/proc`, null);
  if (proc < 0) mount('/proc', `${root}/proc`, null, MS_BIND | MS_REC, null);
  // Nothing in it is for writing: /proc/sys/net of its own network namespace least of all.
  remountReadOnly(`${root}/proc`);
  remountReadOnly(root);
  return enter(root);
}

/** Pivots the Gofer into a root that holds /proc and one mount per tree: /0, /1, ... '' or what failed. */
export function enterGoferRoot(trees: readonly GoferTree[]): string {
  const root = stage();
  if (root === '') return 'a root could not be mounted';
  for (let i = 0; i < trees.length; i++) {
    const why = attach(trees[i] as GoferTree, `${root}/${i}`);
    if (why !== '') return why;
  }
  const proc = mountProc(`${root}/proc`, 'subset=pid');
  if (proc < 0) mount('/proc', `${root}/proc`, null, MS_BIND | MS_REC, null);
  remountReadOnly(root);
  return enter(root);
}

function attach(tree: GoferTree, at: string): string {
  try {
    if (statSync(tree.source).isDirectory()) mkdirSync(at);
    else closeSync(openSync(at, 'w'));
  } catch (error) {
    return `${tree.source}: ${reason(error)}`;
  }
  const bound = mount(tree.source, at, null, MS_BIND | MS_REC, null);
  if (bound < 0) return `bind mount of ${tree.source}: errno ${-bound}`;
  if (isChrooted) mount('none', at, null, MS_REC | MS_PRIVATE, null);
  for (const directory of tree.covered) cover(at + directory);
  // The Sentry enforces read-only mounts; where the host can do it for the whole tree (Linux 5.12), it does too.
  if (tree.readonly) mountSetAttributes(at, MOUNT_ATTR_RDONLY);
  return '';
}

/** Hides a directory under an empty one. What is not there needs no cover. */
function cover(directory: string): void {
  try {
    if (!statSync(directory).isDirectory()) return;
  } catch {
    return;
  }
  mount('none', directory, 'tmpfs', MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 'size=4k,mode=555');
}

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'no such file or directory';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
