// SPDX-License-Identifier: Apache-2.0

/**
 * Texts of /proc/sysvipc.
 *
 * Linux: ipc/shm.c (sysvipc_shm_proc_show), ipc/sem.c, ipc/msg.c
 */
import { procTexts } from '../proc_texts.ts';
import type { Task } from '../task.ts';
import type { IpcObject } from './ipc_ids.ts';
import { sysvOf } from './sysv.ts';

const SHM_HEADER =
  '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n';
const MSG_HEADER =
  '       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n';
const SEM_HEADER = '       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n';

function right(value: number, width: number): string {
  return String(value).padStart(width);
}
function owners(object: IpcObject): string {
  return `${right(object.uid, 5)} ${right(object.gid, 5)} ${right(object.cuid, 5)} ${right(object.cgid, 5)}`;
}
function start(object: IpcObject): string {
  return `${right(object.key, 10)} ${right(object.id, 10)}  ${object.mode.toString(8).padStart(4)}`;
}

function shmText(t: Task): string {
  let text = SHM_HEADER;
  for (const s of sysvOf(t.ipcNs).shm.all()) {
    text += `${start(s)} ${right(s.size, 21)} ${right(s.cpid, 5)} ${right(s.lpid, 5)}  ${right(s.attachCount, 5)} ${owners(s)} `;
    text += `${right(s.atime, 10)} ${right(s.dtime, 10)} ${right(s.ctime, 10)} ${right(0, 21)} ${right(0, 21)}\n`;
  }
  return text;
}

function semText(t: Task): string {
  let text = SEM_HEADER;
  for (const s of sysvOf(t.ipcNs).sem.all()) {
    text += `${start(s)} ${right(s.values.length, 10)} ${owners(s)} ${right(s.otime, 10)} ${right(s.ctime, 10)}\n`;
  }
  return text;
}

function msgText(t: Task): string {
  let text = MSG_HEADER;
  for (const q of sysvOf(t.ipcNs).msg.all()) {
    text += `${start(q)}  ${right(q.bytes, 10)} ${right(q.count, 10)} ${right(q.lspid, 5)} ${right(q.lrpid, 5)} ${owners(q)} `;
    text += `${right(q.stime, 10)} ${right(q.rtime, 10)} ${right(q.ctime, 10)}\n`;
  }
  return text;
}

/** Leaves the texts where /proc finds them. Called once at start. */
export function registerSysvTexts(): void {
  procTexts.set('sysvipc/shm', shmText);
  procTexts.set('sysvipc/sem', semText);
  procTexts.set('sysvipc/msg', msgText);
}
