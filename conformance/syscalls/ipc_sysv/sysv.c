// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; };
CASE(shm_basic) {
  int id = OK(shmget(IPC_PRIVATE, 5000, 0600));
  char *p = shmat(id, NULL, 0);
  YES(p != (void *)-1);
  CHILD(strcpy(p, "shared"); shmdt(p));
  STR(p);
  char *q = shmat(id, NULL, SHM_RDONLY);
  STR(q);
  CHILD(q[0] = 1);
  struct shmid_ds d;
  CALL(shmctl(id, IPC_STAT, &d));
  VAL(d.shm_segsz);
  VAL(d.shm_nattch);
  OCT(d.shm_perm.mode);
  CALL(shmctl(id, IPC_RMID, NULL));
  STR(p);
  CALL(shmdt(q));
  CALL(shmdt(p));
  CALL(shmdt(p));
  CALL(shmctl(id, IPC_STAT, &d));
  CALL((long)shmat(id, NULL, 0));
  CALL(shmget(IPC_PRIVATE, 0, 0600));
}
CASE(shm_keys) {
  key_t k = 0x43460001 + getpid();
  CALL(shmget(k, 4096, 0600));
  int id = OK(shmget(k, 4096, IPC_CREAT | 0600));
  YES(shmget(k, 4096, IPC_CREAT) == id);
  CALL(shmget(k, 4096, IPC_CREAT | IPC_EXCL | 0600));
  CALL(shmget(k, 100000, 0));
  CALL(shmctl(id, IPC_RMID, NULL));
}
CASE(sem_basic) {
  int id = OK(semget(IPC_PRIVATE, 2, 0600));
  union semun u = {.val = 1};
  CALL(semctl(id, 0, SETVAL, u));
  CALL(semctl(id, 0, GETVAL));
  struct sembuf down = {0, -1, IPC_NOWAIT}, up = {0, 1, 0}, zero = {1, 0, 0};
  CALL(semop(id, &down, 1));
  CALL(semop(id, &down, 1));
  CALL(semop(id, &zero, 1));
  down.sem_flg = 0;
  pid_t c = fork();
  if (c == 0) { CALL(semop(id, &down, 1)); _exit(0); }
  sleep_ms(40);
  CALL(semctl(id, 0, GETNCNT));
  semop(id, &up, 1);
  report_end("child", c);
  struct timespec t = {0, 20000000};
  CALL(semtimedop(id, &down, 1, &t));
  unsigned short v[2] = {4, 5};
  u.array = v;
  CALL(semctl(id, 0, SETALL, u));
  CALL(semctl(id, 1, GETVAL));
  struct sembuf undo = {1, -2, SEM_UNDO};
  CHILD(CALL(semop(id, &undo, 1)); CALL(semctl(id, 1, GETVAL)));
  CALL(semctl(id, 1, GETVAL));
  struct sembuf bad = {9, 1, 0};
  CALL(semop(id, &bad, 1));
  CALL(semctl(id, 0, IPC_RMID));
  CALL(semop(id, &up, 1));
  CALL(semget(IPC_PRIVATE, 0, 0600));
}
struct message { long type; char text[16]; };
CASE(msg_basic) {
  int id = OK(msgget(IPC_PRIVATE, 0600));
  struct message m = {1, "one"}, r;
  CALL(msgsnd(id, &m, 4, 0));
  m = (struct message){2, "two"};
  CALL(msgsnd(id, &m, 4, 0));
  m = (struct message){3, "three"};
  CALL(msgsnd(id, &m, 6, 0));
  CALL(msgrcv(id, &r, 16, 2, 0));
  STR(r.text);
  CALL(msgrcv(id, &r, 16, -5, 0));
  STR(r.text);
  CALL(msgrcv(id, &r, 2, 0, 0));
  CALL(msgrcv(id, &r, 2, 0, MSG_NOERROR));
  CALL(msgrcv(id, &r, 16, 0, IPC_NOWAIT));
  m.type = 0;
  CALL(msgsnd(id, &m, 4, 0));
  pid_t c = fork();
  if (c == 0) _exit(msgrcv(id, &r, 16, 0, 0) == -1 ? errno : 0); // printed by the parent: both would print at once
  sleep_ms(40);
  CALL(msgctl(id, IPC_RMID, NULL));
  report_end("child", c);
}
CASE(sem_undo_at_exit) {
  int id = OK(semget(IPC_PRIVATE, 1, 0600));
  union semun u = {.val = 1};
  CALL(semctl(id, 0, SETVAL, u));
  CHILD(struct sembuf take = {0, -1, SEM_UNDO}; CALL(semop(id, &take, 1)); VAL(semctl(id, 0, GETVAL)));
  VAL(semctl(id, 0, GETVAL));
  struct sembuf both[] = {{0, -1, 0}, {0, -1, IPC_NOWAIT}};
  CALL(semop(id, both, 2));
  VAL(semctl(id, 0, GETVAL));
  struct timespec soon = {0, 10000000};
  struct sembuf two = {0, -2, 0};
  CALL(semtimedop(id, &two, 1, &soon));
  CALL(semctl(id, 0, IPC_RMID));
}
