// SPDX-License-Identifier: Apache-2.0

/**
 * The packet filter's tables as iptables asks for them: every chain empty with policy ACCEPT. They cannot be changed (EOPNOTSUPP).
 *
 * Linux: net/ipv4/netfilter/ip_tables.c (get_info, get_entries), net/netfilter/x_tables.c (xt_repldata),
 *        include/uapi/linux/netfilter_ipv4/ip_tables.h
 */
import { EAGAIN, EFAULT, EINVAL, ENOENT, EOPNOTSUPP, EPERM, type Errno } from '../../../platform/abi/linux/errno.ts';
import type { IoContext } from '../../vfs/context.ts';

const SO_SET_REPLACE = 64;
const SO_SET_ADD_COUNTERS = 65;
const SO_GET_INFO = 64;
const SO_GET_ENTRIES = 65;
const SO_GET_REVISION_MATCH = 66;
const SO_GET_REVISION_TARGET = 67;
/** sizeof(struct ipt_getinfo), of struct ipt_get_entries without entries, struct xt_get_revision. */
const INFO_SIZE = 84;
const ENTRIES_HEAD = 40;
const REVISION_SIZE = 30;
const NAME_SIZE = 32;
/** sizeof(struct ipt_entry), sizeof(struct ip6t_entry). */
const ENTRY_SIZE = 112;
const ENTRY6_SIZE = 168;
/** Where target_offset, next_offset are: behind struct ipt_ip or ip6t_ip6 and nfcache. */
const OFFSETS_AT = 88;
const OFFSETS6_AT = 140;
const STANDARD_TARGET = 40;
const ERROR_TARGET = 64;
const TARGET_HEAD = 32;
const ACCEPT_VERDICT = -2;
const HOOKS = 5;

/** By name: the hooks that have chains. */
const TABLES: ReadonlyMap<string, readonly number[]> = new Map([
  ['filter', [1, 2, 3]],
  ['nat', [0, 1, 3, 4]],
  ['mangle', [0, 1, 2, 3, 4]],
  ['raw', [0, 3]],
  ['security', [1, 2, 3]],
]);

function entries(hooks: readonly number[], isV6: boolean): Buffer {
  const head = isV6 ? ENTRY6_SIZE : ENTRY_SIZE;
  const at = isV6 ? OFFSETS6_AT : OFFSETS_AT;
  const parts = hooks.map(() => {
    const entry = Buffer.alloc(head + STANDARD_TARGET);
    entry.writeUInt16LE(head, at);
    entry.writeUInt16LE(entry.length, at + 2);
    entry.writeUInt16LE(STANDARD_TARGET, head);
    entry.writeInt32LE(ACCEPT_VERDICT, head + TARGET_HEAD);
    return entry;
  });
  const last = Buffer.alloc(head + ERROR_TARGET);
  last.writeUInt16LE(head, at);
  last.writeUInt16LE(last.length, at + 2);
  last.writeUInt16LE(ERROR_TARGET, head);
  last.write('ERROR', head + 2, 'latin1');
  last.write('ERROR', head + TARGET_HEAD, 'latin1');
  return Buffer.concat([...parts, last]);
}

function info(name: Buffer, hooks: readonly number[], isV6: boolean): Buffer {
  const bytes = Buffer.alloc(INFO_SIZE);
  name.copy(bytes);
  const size = (isV6 ? ENTRY6_SIZE : ENTRY_SIZE) + STANDARD_TARGET;
  bytes.writeUInt32LE(
    hooks.reduce((mask, hook) => mask | (1 << hook), 0),
    NAME_SIZE,
  );
  for (const [i, hook] of hooks.entries()) {
    bytes.writeUInt32LE(i * size, NAME_SIZE + 4 + hook * 4);
    bytes.writeUInt32LE(i * size, NAME_SIZE + 4 + HOOKS * 4 + hook * 4);
  }
  bytes.writeUInt32LE(hooks.length + 1, INFO_SIZE - 8);
  bytes.writeUInt32LE(entries(hooks, isV6).length, INFO_SIZE - 4);
  return bytes;
}

/** Answers a question about the tables; undefined: it is none. Errors: EPERM, EINVAL, ENOENT, EAGAIN, EFAULT. */
export function getPacketTables(
  ctx: IoContext,
  mayAsk: boolean,
  isV6: boolean,
  name: number,
  length: number,
  valueAddr: number,
): Uint8Array | Errno | undefined {
  // IPv6 has options of its own at the numbers that ask this of IPv4.
  const asked = isV6 ? name - 2 : name;
  const isRevision = asked === SO_GET_REVISION_MATCH || asked === SO_GET_REVISION_TARGET;
  if (name !== SO_GET_INFO && name !== SO_GET_ENTRIES && !isRevision) return undefined;
  if (!mayAsk) return EPERM;
  if (isRevision) return length === REVISION_SIZE ? ENOENT : EINVAL;
  if (name === SO_GET_INFO ? length !== INFO_SIZE : length < ENTRIES_HEAD) return EINVAL;
  const question = Buffer.alloc(ENTRIES_HEAD);
  if (ctx.memory.copyIn(valueAddr, question, 0, ENTRIES_HEAD) !== ENTRIES_HEAD) return EFAULT;
  const hooks = TABLES.get(question.toString('latin1', 0, NAME_SIZE).split('\0', 1)[0] as string);
  if (name === SO_GET_INFO) return hooks === undefined ? ENOENT : info(question.subarray(0, NAME_SIZE), hooks, isV6);
  const size = question.readUInt32LE(NAME_SIZE);
  if (length !== ENTRIES_HEAD + size) return EINVAL;
  if (hooks === undefined) return ENOENT;
  const all = entries(hooks, isV6);
  return size === all.length ? Buffer.concat([question, all]) : EAGAIN;
}

/** Changes of the tables are refused; undefined: it is none. Errors: EPERM, EOPNOTSUPP. */
export function setPacketTables(mayChange: boolean, name: number): number | undefined {
  if (name !== SO_SET_REPLACE && name !== SO_SET_ADD_COUNTERS) return undefined;
  return mayChange ? EOPNOTSUPP : EPERM;
}
