// SPDX-License-Identifier: Apache-2.0

/**
 * Rows of System V IPC.
 */
import {
  Addr,
  Choice,
  Fd,
  Flags,
  FlagSet,
  InBuffer,
  Int,
  Long,
  LongOrAddr,
  Mode,
  OutBuffer,
  PathName,
  Size,
  UInt,
} from '../args/kinds.ts';
import {
  sys_mq_getsetattr,
  sys_mq_notify,
  sys_mq_open,
  sys_mq_timedreceive,
  sys_mq_timedsend,
  sys_mq_unlink,
} from '../ipc/mqueue.ts';
import { sys_msgctl, sys_msgget, sys_msgrcv, sys_msgsnd } from '../ipc/msg.ts';
import { sys_semctl, sys_semget, sys_semop, sys_semtimedop } from '../ipc/sem.ts';
import { sys_shmat, sys_shmctl, sys_shmdt, sys_shmget } from '../ipc/shm.ts';
import { row, type SyscallRow } from './row.ts';

const GetFlags = FlagSet('GetFlags', 'i32', [
  ['IPC_CREAT', 0o1000],
  ['IPC_EXCL', 0o2000],
]);
const OpenFlags = FlagSet(
  'MqFlags',
  'i32',
  [
    ['O_WRONLY', 1],
    ['O_RDWR', 2],
    ['O_CREAT', 0o100],
    ['O_EXCL', 0o200],
    ['O_NONBLOCK', 0o4000],
  ],
  'O_RDONLY',
);
const ShmatFlags = FlagSet('ShmatFlags', 'i32', [
  ['SHM_RDONLY', 0o10000],
  ['SHM_RND', 0o20000],
  ['SHM_REMAP', 0o40000],
  ['SHM_EXEC', 0o100000],
]);
const IpcCommand = Choice('IpcCommand', 'i32', [
  ['IPC_RMID', 0],
  ['IPC_SET', 1],
  ['IPC_STAT', 2],
  ['IPC_INFO', 3],
]);

export const ipcRows: readonly SyscallRow[] = [
  row(29, 'shmget', [Int, Size, GetFlags], sys_shmget, { partial: 'No huge pages.' }),
  row(30, 'shmat', [Int, Addr, ShmatFlags], sys_shmat),
  row(31, 'shmctl', [Int, IpcCommand, Addr], sys_shmctl),
  row(64, 'semget', [Int, Int, GetFlags], sys_semget),
  row(65, 'semop', [Int, Addr, UInt], sys_semop),
  row(66, 'semctl', [Int, Int, IpcCommand, LongOrAddr], sys_semctl),
  row(67, 'shmdt', [Addr], sys_shmdt),
  row(68, 'msgget', [Int, GetFlags], sys_msgget),
  row(69, 'msgsnd', [Int, Addr, Size, Flags], sys_msgsnd),
  row(70, 'msgrcv', [Int, Addr, Size, Long, Flags], sys_msgrcv),
  row(71, 'msgctl', [Int, IpcCommand, Addr], sys_msgctl),
  row(220, 'semtimedop', [Int, Addr, UInt, Addr], sys_semtimedop),
  row(240, 'mq_open', [PathName, OpenFlags, Mode, Addr], sys_mq_open),
  row(241, 'mq_unlink', [PathName], sys_mq_unlink),
  row(242, 'mq_timedsend', [Fd, InBuffer, Size, UInt, Addr], sys_mq_timedsend),
  row(243, 'mq_timedreceive', [Fd, OutBuffer, Size, Addr, Addr], sys_mq_timedreceive),
  row(244, 'mq_notify', [Fd, Addr], sys_mq_notify, { partial: 'No SIGEV_THREAD.' }),
  row(245, 'mq_getsetattr', [Fd, Addr, Addr], sys_mq_getsetattr),
];
