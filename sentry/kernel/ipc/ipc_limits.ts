// SPDX-License-Identifier: Apache-2.0

/**
 * The limits of an IPC namespace that /proc/sys/kernel and /proc/sys/fs/mqueue show and change.
 *
 * Linux: include/linux/ipc_namespace.h, ipc/ipc_sysctl.c, ipc/mq_sysctl.c
 */
import { MSGMAX, MSGMNB, MSGMNI, SEMMNI, SEMMNS, SEMMSL, SEMOPM, SHMMNI } from '../../../platform/abi/linux/ipc.ts';

/** ULONG_MAX - (1 << 24), what shmmax and shmall begin with: more digits than a Number has. */
export const SHM_UNLIMITED = 2n ** 64n - 2n ** 24n - 1n;

export class IpcLimits {
  msgmax = MSGMAX;
  msgmnb = MSGMNB;
  msgmni = MSGMNI;
  semmsl = SEMMSL;
  semmns = SEMMNS;
  semopm = SEMOPM;
  semmni = SEMMNI;
  /** Bytes of a segment. */
  shmmax = SHM_UNLIMITED;
  /** Pages of all segments. */
  shmall = SHM_UNLIMITED;
  shmmni = SHMMNI;
  /** Segments that nobody attaches are removed. */
  shm_rmid_forced = 0;
  /** POSIX message queues: what a new one gets when nothing is asked for, and what may be asked for. */
  msg_default = 10;
  msg_max = 10;
  msgsize_default = 8192;
  msgsize_max = 8192;
  queues_max = 256;
}
