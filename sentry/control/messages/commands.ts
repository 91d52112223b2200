// SPDX-License-Identifier: Apache-2.0

/**
 * What later commands say to a running sandbox over its control socket (a Unix SOCK_SEQPACKET socket in the container's state
 * directory): one msgpack map a message. A message larger than MAX_INLINE travels in a memfd: {memfd: length}, the descriptor last.
 *
 * Invariants: the command line does not trust the Sentry: a reply that does not decode is null.
 */
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';

export const MAX_INLINE = 60000;
/** Larger than any argv and environment that Linux would take. */
export const MAX_REQUEST = 8 * 1024 * 1024;

type Words = readonly [number, number];

/** A process to start in a running container. */
export interface ExecProcess {
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  readonly umask: number;
  readonly capabilities: { readonly bounding: Words; readonly effective: Words; readonly inheritable: Words; readonly permitted: Words; readonly ambient: Words };
  readonly rlimits: readonly { readonly resource: number; readonly soft: number | null; readonly hard: number | null }[];
  readonly noNewPrivileges: boolean;
  readonly terminal: boolean;
  readonly oomScoreAdj: number;
}

/** Changed limits of the container: those that are there; null: none. */
export interface LimitChanges {
  readonly memory?: number | null;
  readonly memoryLow?: number;
  readonly swap?: number | null;
  readonly cpuQuota?: number | null;
  readonly cpuPeriod?: number;
  readonly cpuWeight?: number;
  readonly pids?: number | null;
  readonly cpus?: string;
  readonly mems?: string;
}

/** Which namespaces of a further container are its own; the others are the sandbox's, or for pid those of the container named. */
export interface PodNamespaces {
  readonly pid: 'new' | 'sandbox' | { readonly of: string };
  readonly uts: 'new' | 'sandbox';
  readonly ipc: 'new' | 'sandbox';
  readonly net: 'new' | 'sandbox';
}

export type KillTarget = 'init' | 'all' | 'foreground';

export type Command =
  /** prepare: before a `create` on the same connection; answered by `prepared`. */
  | { readonly type: 'start' | 'wait' | 'pause' | 'resume' | 'processes' | 'ping' | 'notify' | 'prepare' }
  | { readonly type: 'limits'; readonly changes: LimitChanges }
  | { readonly type: 'kill'; readonly signo: number; readonly target: KillTarget }
  /** Descriptors 0, 1, 2 and then those for 3, 4... come with it. Answered by `started`, later by `exit`; its connection's end kills it. */
  | { readonly type: 'exec'; readonly process: ExecProcess }
  /**
   * A further container. Descriptors of its Gofer, its listening control socket, its status file and then its own 0, 1, 2, 3... come with
   * it. Answered by `started` or `failed`; its connection ends when the container has, after an `exit`, and kills it.
   */
  | { readonly type: 'create'; readonly id: string; readonly config: object; readonly namespaces: PodNamespaces; readonly hasTerminal: boolean }
  /** On an exec's or container's connection: a signal for its process, or for its terminal's foreground job. */
  | { readonly type: 'signal'; readonly signo: number; readonly target: 'process' | 'foreground' };

/** One process of the container. Times are in seconds. */
export interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  /** The process that holds its memory, in the Sentry's pid namespace. */
  readonly stubPid: number;
  readonly cpuSeconds: number;
  readonly startedSeconds: number;
  readonly command: string;
}

export type Reply =
  | { readonly type: 'ok' }
  /** To `notify`: the container's service has said that it is ready. */
  | { readonly type: 'notified' }
  | { readonly type: 'started'; readonly pid: number }
  /** The process, in the Sentry's pid namespace, that all will descend from that hold the container's memory. */
  | { readonly type: 'prepared'; readonly stub: number }
  | { readonly type: 'exit'; readonly status: number; readonly signo: number }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'processes'; readonly list: readonly ProcessFacts[] };

const packr = new Packr({ useRecords: false, moreTypes: false });
const unpackr = new Unpackr({ useRecords: false, moreTypes: false, mapsAsObjects: true, int64AsType: 'number' });

export function encode(message: Command | Reply | { memfd: number }): Uint8Array {
  return packr.pack(message);
}

function unpack(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = unpackr.unpack(bytes);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function whole(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}

/** The length of a message that is in a memfd; -1: it is inline. */
export function memfdLength(bytes: Uint8Array): number {
  const value = unpack(bytes);
  return value !== null && whole(value['memfd'], MAX_REQUEST) ? value['memfd'] : -1;
}

const PLAIN = ['start', 'wait', 'pause', 'resume', 'processes', 'ping', 'notify', 'prepare'];

/** Decodes a command; null when it is none. */
export function decodeCommand(bytes: Uint8Array): Command | null {
  const value = unpack(bytes);
  if (value === null || typeof value['type'] !== 'string') return null;
  const { type, signo, target } = value;
  if (PLAIN.includes(type as string)) return value as unknown as Command;
  if (type === 'kill' || type === 'signal') return whole(signo, 64) && typeof target === 'string' ? (value as unknown as Command) : null;
  if (type === 'limits') return typeof value['changes'] === 'object' && value['changes'] !== null ? (value as unknown as Command) : null;
  if (type === 'create') return isObject(value['config']) && isObject(value['namespaces']) && typeof value['id'] === 'string' ? (value as unknown as Command) : null;
  return type === 'exec' && typeof value['process'] === 'object' && value['process'] !== null ? (value as unknown as Command) : null;
}

/** Decodes what the Sentry answered; null when it makes no sense. */
export function decodeReply(bytes: Uint8Array): Reply | null {
  const value = unpack(bytes);
  if (value === null) return null;
  const { type, pid, status, signo, message, list, stub } = value;
  if (type === 'ok' || type === 'notified') return { type };
  if (type === 'started' && whole(pid, 2 ** 31)) return { type, pid };
  if (type === 'prepared' && whole(stub, 2 ** 31)) return { type, stub };
  if (type === 'exit' && whole(status, 255) && whole(signo, 64)) return { type, status, signo };
  if (type === 'failed' && typeof message === 'string') return { type, message: printable(message) };
  if (type === 'processes' && Array.isArray(list)) return { type, list: list.filter(isProcessFacts).map((p) => ({ ...p, command: printable(p.command) })) };
  return null;
}

function isProcessFacts(value: unknown): value is ProcessFacts {
  if (typeof value !== 'object' || value === null) return false;
  const v = value as Record<string, unknown>;
  return ['pid', 'ppid', 'uid', 'stubPid'].every((key) => whole(v[key], 2 ** 32)) && ['cpuSeconds', 'startedSeconds'].every((key) => typeof v[key] === 'number') && typeof v['command'] === 'string';
}

/** No control characters: the text goes to a terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 4096);
}
