// SPDX-License-Identifier: Apache-2.0

/**
 * The sysctls of the reader's IPC namespace.
 *
 * Linux: ipc/ipc_sysctl.c, ipc/mq_sysctl.c
 */
import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN } from '../../../platform/abi/linux/capability.ts';
import { EINVAL, EPERM, ERANGE } from '../../../platform/abi/linux/errno.ts';
import type { IpcLimits } from '../../kernel/ipc/ipc_limits.ts';
import { sysvOf } from '../../kernel/ipc/sysv.ts';
import type { Task } from '../../kernel/task.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { Sysctl } from './sysctl_table.ts';

const INT_MAX = 2147483647;
/** Most objects of a kind: identifiers have fifteen bits for the index. */
const IPCMNI = 32768;
const HARD_MESSAGES_MAX = 65536;
const HARD_SIZE_MAX = 16 * 1024 * 1024;
const ULONG_MAX = 2n ** 64n - 1n;

type NumberKey = { [K in keyof IpcLimits]: IpcLimits[K] extends number ? K : never }[keyof IpcLimits];

const limitsOf = (ctx: IoContext): IpcLimits => (ctx as Task).ipcNs.limits;

/** May the caller change the namespace's settings? */
function mayChange(ctx: IoContext): boolean {
  return ctx.creds.hasCapIn((ctx as Task).ipcNs.userNs, CAP_SYS_ADMIN);
}

function limit(path: string, key: NumberKey, min: number, max: number): Sysctl {
  return {
    path,
    read: (ctx) => String(limitsOf(ctx)[key]),
    write: (text, ctx) => {
      if (!/^[+-]?\d{1,15}$/.test(text) || Number(text) < min || Number(text) > max) return EINVAL;
      if (!mayChange(ctx)) return EPERM;
      limitsOf(ctx)[key] = Number(text);
      return 0;
    },
  };
}

function unsignedLong(path: string, key: 'shmmax' | 'shmall'): Sysctl {
  return {
    path,
    read: (ctx) => String(limitsOf(ctx)[key]),
    write: (text, ctx) => {
      if (!/^\d{1,20}$/.test(text) || BigInt(text) > ULONG_MAX) return EINVAL;
      if (!mayChange(ctx)) return EPERM;
      limitsOf(ctx)[key] = BigInt(text);
      return 0;
    },
  };
}

/** The identifier the next object is to have, for whoever restores a checkpoint. */
function nextId(kind: 'msg' | 'sem' | 'shm'): Sysctl {
  return {
    path: `kernel/${kind}_next_id`,
    read: (ctx) => String(sysvOf((ctx as Task).ipcNs)[kind].wantedId),
    write: (text, ctx) => {
      if (!/^\+?\d{1,15}$/.test(text) || Number(text) > INT_MAX) return EINVAL;
      if (!mayChange(ctx) && !ctx.creds.hasCapIn((ctx as Task).ipcNs.userNs, CAP_CHECKPOINT_RESTORE)) return EPERM;
      sysvOf((ctx as Task).ipcNs)[kind].wantedId = Number(text);
      return 0;
    },
  };
}

const SEM_KEYS = ['semmsl', 'semmns', 'semopm', 'semmni'] as const;

/** Four numbers, of which the first ones may be written alone. */
const semaphores: Sysctl = {
  path: 'kernel/sem',
  read: (ctx) => SEM_KEYS.map((key) => limitsOf(ctx)[key]).join('\t'),
  write: (text, ctx) => {
    const words = text.split(/\s+/).slice(0, SEM_KEYS.length);
    if (words.some((word) => !/^[+-]?\d{1,10}$/.test(word) || Math.abs(Number(word)) > INT_MAX)) return EINVAL;
    if (!mayChange(ctx)) return EPERM;
    if (words.length === 4 && (Number(words[3]) < 0 || Number(words[3]) > IPCMNI)) return ERANGE;
    words.forEach((word, i) => {
      limitsOf(ctx)[SEM_KEYS[i] as (typeof SEM_KEYS)[number]] = Number(word);
    });
    return 0;
  },
};

export function ipcSysctls(): Sysctl[] {
  return [
    limit('kernel/msgmax', 'msgmax', 0, INT_MAX),
    limit('kernel/msgmnb', 'msgmnb', 0, INT_MAX),
    limit('kernel/msgmni', 'msgmni', 0, IPCMNI),
    semaphores,
    unsignedLong('kernel/shmall', 'shmall'),
    unsignedLong('kernel/shmmax', 'shmmax'),
    limit('kernel/shmmni', 'shmmni', 0, IPCMNI),
    limit('kernel/shm_rmid_forced', 'shm_rmid_forced', 0, 1),
    nextId('msg'),
    nextId('sem'),
    nextId('shm'),
    limit('fs/mqueue/msg_default', 'msg_default', 1, HARD_MESSAGES_MAX),
    limit('fs/mqueue/msg_max', 'msg_max', 1, HARD_MESSAGES_MAX),
    limit('fs/mqueue/msgsize_default', 'msgsize_default', 128, HARD_SIZE_MAX),
    limit('fs/mqueue/msgsize_max', 'msgsize_max', 128, HARD_SIZE_MAX),
    limit('fs/mqueue/queues_max', 'queues_max', 0, INT_MAX),
  ];
}
