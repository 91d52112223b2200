// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/pid/uid_map, gid_map, projid_map: their text, and who may write what into them.
 *
 * Linux: kernel/user_namespace.c (map_write, new_idmap_permitted, verify_root_map, uid_m_show)
 */
import { CAP_SETFCAP, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from '../../platform/abi/linux/capability.ts';
import { EINVAL, EPERM, type Errno } from '../../platform/abi/linux/errno.ts';
import type { Credentials } from './credentials.ts';
import { fromKernel, type IdExtent, NO_ID, rangeToKernel, type UserNamespace } from './user_namespace.ts';

export type IdKind = 'uid' | 'gid' | 'projid';

const MAX_EXTENTS = 340;
const MAX_TEXT = 4096;
const LIMIT = 4294967296;
const EVERYTHING: readonly IdExtent[] = [{ inside: 0, kernel: 0, count: 4294967295 }];

/** The map in force; the initial namespace's maps everything. */
function mapOf(ns: UserNamespace, kind: IdKind): readonly IdExtent[] | null {
  if (ns.parent === null) return EVERYTHING;
  return kind === 'uid' ? ns.uidMap : kind === 'gid' ? ns.gidMap : ns.projidMap;
}

/** The map of `ns` as a reader in `reader` sees it. */
export function idMapText(ns: UserNamespace, kind: IdKind, reader: UserNamespace): string {
  const lower = reader === ns && ns.parent !== null ? ns.parent : reader;
  let text = '';
  for (const { inside, kernel, count } of mapOf(ns, kind) ?? []) {
    const shown = fromKernel(mapOf(lower, kind), kernel);
    text += `${String(inside).padStart(10)} ${String(shown === NO_ID ? 4294967295 : shown).padStart(10)} ${String(count).padStart(10)}\n`;
  }
  return text;
}

interface Line {
  inside: number;
  outside: number;
  count: number;
}

/** Parses the lines written. Null: malformed, overlapping, or too many. */
function parse(text: string): Line[] | null {
  if (text.length >= MAX_TEXT) return null;
  const lines: Line[] = [];
  for (const row of text.replace(/\n$/, '').split('\n')) {
    const match = /^[ \t]*(\d{1,10})[ \t]+(\d{1,10})[ \t]+(\d{1,10})[ \t]*$/.exec(row);
    if (match === null) return null;
    const [inside, outside, count] = match.slice(1).map(Number) as [number, number, number];
    if (count === 0 || inside + count >= LIMIT || outside + count >= LIMIT || lines.length === MAX_EXTENTS) return null;
    for (const line of lines) {
      if (inside < line.inside + line.count && line.inside < inside + count) return null;
      if (outside < line.outside + line.count && line.outside < outside + count) return null;
    }
    lines.push({ inside, outside, count });
  }
  return lines;
}

/** The parent's root may be mapped only by who could give files capabilities there. */
function mayMapRoot(ns: UserNamespace, parent: UserNamespace, opener: Credentials, lines: readonly Line[]): boolean {
  if (!lines.some(({ outside }) => outside === 0)) return true;
  return opener.userNs === ns ? ns.couldSetFileCaps : opener.hasCapIn(parent, CAP_SETFCAP);
}

function isPermitted(
  ns: UserNamespace,
  parent: UserNamespace,
  kind: IdKind,
  opener: Credentials,
  writer: Credentials,
  lines: readonly Line[],
): boolean {
  if (kind === 'uid' && !mayMapRoot(ns, parent, opener, lines)) return false;
  const only = lines[0];
  // Without privilege: one's own id alone.
  if (lines.length === 1 && only !== undefined && only.count === 1 && ns.ownerUid === opener.euid) {
    if (kind === 'uid' && parent.uidOf(only.outside) === opener.euid) return true;
    if (kind === 'gid' && parent.gidOf(only.outside) === opener.egid && !ns.allowsSetgroups) return true;
  }
  if (kind === 'projid') return true;
  const cap = kind === 'uid' ? CAP_SETUID : CAP_SETGID;
  return writer.hasCapIn(parent, cap) && opener.hasCapIn(parent, cap);
}

/**
 * Writes a map. `opener`: the credentials the file was opened with; `writer`: those of the caller. Returns 0. Errors: EPERM (written
 * already, or not allowed), EINVAL (malformed).
 */
export function writeIdMap(
  ns: UserNamespace,
  kind: IdKind,
  text: string,
  opener: Credentials,
  writer: Credentials,
): number | Errno {
  const { parent } = ns;
  if (parent === null || (opener.userNs !== ns && opener.userNs !== parent)) return EPERM;
  if (mapOf(ns, kind) !== null) return EPERM;
  if (kind !== 'projid' && !opener.hasCapIn(ns, CAP_SYS_ADMIN)) return EPERM;
  const lines = parse(text);
  if (lines === null) return EINVAL;
  if (!isPermitted(ns, parent, kind, opener, writer, lines)) return EPERM;
  const extents: IdExtent[] = [];
  for (const { inside, outside, count } of lines) {
    const kernel = rangeToKernel(mapOf(parent, kind), outside, count);
    if (kernel === NO_ID) return EPERM;
    extents.push({ inside, kernel, count });
  }
  extents.sort((a, b) => a.inside - b.inside);
  if (kind === 'uid') ns.uidMap = extents;
  else if (kind === 'gid') ns.gidMap = extents;
  else ns.projidMap = extents;
  return 0;
}

/** /proc/pid/setgroups. Returns 0. Errors: EPERM, EINVAL. */
export function writeSetgroups(ns: UserNamespace, text: string): number {
  const word = text.trim();
  if (word === 'deny') {
    if (ns.gidMap !== null || ns.parent === null) return EPERM;
    ns.allowsSetgroups = false;
    return 0;
  }
  if (word !== 'allow') return EINVAL;
  return ns.allowsSetgroups ? 0 : EPERM;
}
