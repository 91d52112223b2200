// SPDX-License-Identifier: Apache-2.0

/**
 * /proc/keys and /proc/key-users.
 *
 * Linux: security/keys/proc.c
 */
import type { Task } from '../task.ts';
import { KEY_VIEW } from './key.ts';
import { allKeys, isPossessed, keyLimits, sweep, usageOf } from './key_table.ts';

/** The longest unit that says it: 3d, 20h, 59s. */
function timeLeft(ns: number): string {
  if (ns === Number.POSITIVE_INFINITY) return 'perm';
  const seconds = Math.floor(ns / 1e9);
  if (seconds < 0) return 'expd';
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return seconds < 604800 ? `${Math.floor(seconds / 86400)}d` : `${Math.floor(seconds / 604800)}w`;
}

/** The keys the reader may view. */
export function keysText(t: Task): string {
  sweep(t);
  const now = t.kernel.clock.monotonicNs();
  const hex = (n: number): string => (n >>> 0).toString(16).padStart(8, '0');
  let text = '';
  for (const key of allKeys()) {
    if (!key.allows(t.creds, isPossessed(t, key), KEY_VIEW)) continue;
    const flags = `${key.rejection === 0 ? 'I' : '-'}${key.isRevoked ? 'R' : '-'}-Q-${key.rejection === 0 ? '-' : 'N'}-`;
    const what = key.links === null ? `: ${key.payload.length}` : `: ${key.links.size === 0 ? 'empty' : key.links.size}`;
    text += `${hex(key.serial)} ${flags} ${'1'.padStart(5)} ${timeLeft(key.expiresNs - now).padStart(4)} ${hex(key.perm)} `;
    text += `${String(key.uid).padStart(5)} ${String(key.gid).padStart(5)} ${key.type.name.padEnd(9)} ${key.description}${what}\n`;
  }
  return text;
}

/** What each user has of its quota. */
export function keyUsersText(t: Task): string {
  sweep(t);
  const uids = new Set<number>([t.creds.ruid]);
  for (const key of allKeys()) uids.add(key.uid);
  let text = '';
  for (const uid of [...uids].sort((a, b) => a - b)) {
    const { keys, bytes } = usageOf(uid);
    const maxKeys = uid === 0 ? keyLimits.root_maxkeys : keyLimits.maxkeys;
    const maxBytes = uid === 0 ? keyLimits.root_maxbytes : keyLimits.maxbytes;
    text += `${String(uid).padStart(5)}: ${String(keys + 1).padStart(5)} ${keys}/${keys} ${keys}/${maxKeys} ${bytes}/${maxBytes}\n`;
  }
  return text;
}
