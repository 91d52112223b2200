// SPDX-License-Identifier: Apache-2.0

/**
 * Values of options: sizes, ids, container names.
 */
import { RunscError, shorten, UsageError } from '../errors.ts';

/** "64m" in bytes. Throws UsageError. */
export function parseSize(text: string, option: string): number {
  const match = /^(\d{1,15})([kmgt]?)(i?b)?$/i.exec(text);
  const factor = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }[(match?.[2] ?? '').toLowerCase()] ?? 1;
  const size = match === null ? 0 : Number(match[1]) * factor;
  if (size <= 0 || !Number.isSafeInteger(size)) throw new UsageError(`invalid size "${text}" for -${option}`);
  return size;
}

/** A uid or gid. Throws UsageError. */
export function parseId(text: string, option: string): number {
  const id = /^\d{1,10}$/.test(text) ? Number(text) : -1;
  if (id < 0 || id > 0xfffffffe) throw new UsageError(`invalid id "${text}" for -${option}`);
  return id;
}

/** How many descriptors to pass on. Throws UsageError. */
export function parsePreserveFds(text = '0'): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 251;
  if (count > 250) throw new UsageError(`invalid value "${shorten(text)}" for -preserve-fds`);
  return count;
}

/** Checks a container's name as runc does. Throws RunscError. */
export function checkContainerId(id: string): string {
  if (!/^[A-Za-z0-9_+.-]{1,1024}$/.test(id) || id === '.' || id === '..') throw new RunscError('invalid container ID format');
  return id;
}
