// SPDX-License-Identifier: Apache-2.0
// The limits of an IPC namespace, as its sysctls show and change them.
#include "case.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static int put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY), result = 0;
  if (fd < 0) return -errno;
  if (write(fd, text, strlen(text)) < 0) result = -errno;
  close(fd);
  return result;
}
static void show(const char *path) {
  char text[128];
  int fd = open(path, O_RDONLY);
  long n = read(fd, text, sizeof text);
  close(fd);
  BYTES(text, n);
}
#define PUT(path, text) say("%s <- %s: %d", path, text, put("/proc/sys/kernel/" path, text))

CASE(ipc_limits_messages) {
  NEED(unshare(CLONE_NEWIPC));
  struct { long type; char text[64]; } message = {1, "hello"};
  PUT("msgmax", "16");
  PUT("msgmnb", "40");
  PUT("msgmax", "-1");
  PUT("msgmni", "32769");
  show("/proc/sys/kernel/msgmax");
  int queue = NEED(msgget(IPC_PRIVATE, 0600));
  CALL(msgsnd(queue, &message, 17, IPC_NOWAIT));
  CALL(msgsnd(queue, &message, 16, IPC_NOWAIT));
  CALL(msgsnd(queue, &message, 16, IPC_NOWAIT));
  CALL(msgsnd(queue, &message, 16, IPC_NOWAIT));
  struct msginfo info;
  NEED(msgctl(0, IPC_INFO, (void *)&info));
  VAL(info.msgmax);
  VAL(info.msgmnb);
  PUT("msgmni", "1");
  CALL(msgget(IPC_PRIVATE, 0600));
}
CASE(ipc_limits_semaphores) {
  NEED(unshare(CLONE_NEWIPC));
  show("/proc/sys/kernel/sem");
  PUT("sem", "5\t8\t2");
  PUT("sem", "x");
  show("/proc/sys/kernel/sem");
  CALL(semget(IPC_PRIVATE, 6, 0600));
  int set = OK(semget(IPC_PRIVATE, 5, 0600));
  CALL(semget(IPC_PRIVATE, 5, 0600));
  struct sembuf ops[3] = {{0, 1, 0}, {1, 1, 0}, {2, 1, 0}};
  CALL(semop(set, ops, 3));
  CALL(semop(set, ops, 2));
}
CASE(ipc_limits_segments) {
  NEED(unshare(CLONE_NEWIPC));
  show("/proc/sys/kernel/shmmax");
  PUT("shmmax", "8192");
  PUT("shmall", "3");
  CALL(shmget(IPC_PRIVATE, 8193, 0600));
  int segment = OK(shmget(IPC_PRIVATE, 8192, 0600));
  CALL(shmget(IPC_PRIVATE, 8192, 0600));
  OK(shmget(IPC_PRIVATE, 4096, 0600));
  PUT("shm_rmid_forced", "1");
  void *at = shmat(segment, 0, 0);
  CALL(shmdt(at));
  struct shmid_ds ds;
  CALL(shmctl(segment, IPC_STAT, &ds));
}
CASE(ipc_limits_next_id) {
  NEED(unshare(CLONE_NEWIPC));
  show("/proc/sys/kernel/msg_next_id");
  PUT("msg_next_id", "-2");
  PUT("msg_next_id", "98310");
  CALL(msgget(IPC_PRIVATE, 0600));
  show("/proc/sys/kernel/msg_next_id");
  PUT("msg_next_id", "98310");
  CALL(msgget(IPC_PRIVATE, 0600));
  PUT("sem_next_id", "5");
  CALL(semget(IPC_PRIVATE, 1, 0600));
  PUT("shm_next_id", "77");
  CALL(shmget(IPC_PRIVATE, 4096, 0600));
}
