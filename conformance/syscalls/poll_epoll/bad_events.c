// SPDX-License-Identifier: Apache-2.0
// epoll asked for what makes no sense: bits nobody knows, EXCLUSIVE where it may not be, cycles, sets too deep, wild pointers and counts.
#include "case.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

CASE(epoll_event_bits) {
  int e = NEED(epoll_create1(0)), p[2];
  struct epoll_event got[4];
  NEED(pipe(p));
  for (int bit = 0; bit < 32; bit++) {
    struct epoll_event v = {1u << bit};
    errno = 0;
    int r = epoll_ctl(e, EPOLL_CTL_ADD, p[1], &v), ae = errno;
    v.events |= EPOLLOUT;
    errno = 0;
    int m = r ? 0 : epoll_ctl(e, EPOLL_CTL_MOD, p[1], &v), me = errno;
    int n = epoll_wait(e, got, 4, 0);
    say("bit %d: add %s mod %s ready %d events %x", bit, r ? errno_name(ae) : "ok", m ? errno_name(me) : "ok", n, n > 0 ? got[0].events : 0);
    epoll_ctl(e, EPOLL_CTL_DEL, p[1], 0);
  }
  struct epoll_event all = {0xffffffff}, none = {0};
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &all));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, p[1], &none));
  CALL(epoll_wait(e, got, 4, 0));
  close(p[0]);
  VAL(epoll_wait(e, got, 4, 0));
  VAL(got[0].events);
}
CASE(epoll_exclusive_rules) {
  int e = NEED(epoll_create1(0)), f = NEED(epoll_create1(0)), n = NEED(eventfd(0, 0));
  struct epoll_event v = {EPOLLEXCLUSIVE | EPOLLIN};
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, f, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, n, &v));
  v.events = EPOLLIN;
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, n, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_DEL, n, (void *)8));
  v.events = EPOLLEXCLUSIVE | EPOLLIN | EPOLLPRI;
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
  v.events = EPOLLEXCLUSIVE | EPOLLIN | EPOLLONESHOT;
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
  v.events = EPOLLEXCLUSIVE | EPOLLIN | EPOLLET | EPOLLWAKEUP | EPOLLOUT | EPOLLERR | EPOLLHUP;
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
}
CASE(epoll_cycles_and_depth) {
  int e[8];
  struct epoll_event v = {EPOLLIN};
  for (int i = 0; i < 8; i++) e[i] = NEED(epoll_create1(0));
  CALL(epoll_ctl(e[0], EPOLL_CTL_ADD, e[1], &v));
  CALL(epoll_ctl(e[1], EPOLL_CTL_ADD, e[0], &v));
  CALL(epoll_ctl(e[1], EPOLL_CTL_ADD, e[2], &v));
  CALL(epoll_ctl(e[2], EPOLL_CTL_ADD, e[0], &v));
  CALL(epoll_ctl(e[2], EPOLL_CTL_ADD, e[3], &v));
  CALL(epoll_ctl(e[3], EPOLL_CTL_ADD, e[4], &v));
  CALL(epoll_ctl(e[4], EPOLL_CTL_ADD, e[5], &v));
  CALL(epoll_ctl(e[5], EPOLL_CTL_ADD, e[6], &v));
  CALL(epoll_ctl(e[6], EPOLL_CTL_ADD, e[7], &v));
}
CASE(epoll_wild_arguments) {
  int e = NEED(epoll_create1(0)), n = NEED(eventfd(1, 0));
  struct epoll_event v = {EPOLLIN}, got[2];
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, n, &v));
  CALL(epoll_wait(e, got, 0x7fffffff, 0));
  CALL(epoll_wait(e, got, INT_MIN, 0));
  CALL(epoll_wait(e, KERNEL_POINTER, 1, 0));
  CALL(epoll_wait(e, BAD_POINTER, 1, 0));
  CALL(epoll_wait(e, got, 2, -5));
  CALL(epoll_pwait(e, got, 2, 0, BAD_POINTER));
  CALL(syscall(SYS_epoll_pwait, e, got, 2, 0, got, 4));
  struct timespec bad = {0, 1000000000}, neg = {-1, 0}, zero = {0, 0};
  CALL(syscall(SYS_epoll_pwait2, e, got, 2, &bad, 0, 8));
  CALL(syscall(SYS_epoll_pwait2, e, got, 2, &neg, 0, 8));
  CALL(syscall(SYS_epoll_pwait2, e, got, 2, &zero, 0, 8));
  CALL(syscall(SYS_epoll_pwait2, e, got, 2, BAD_POINTER, 0, 8));
  int z = NEED(open("/dev/null", O_RDWR)), idle = NEED(eventfd(0, 0));
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, z, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_DEL, z, 0));
  CALL(epoll_ctl(e, EPOLL_CTL_MOD, idle, &v));
  CALL(epoll_ctl(e, EPOLL_CTL_DEL, idle, 0));
  CALL(epoll_ctl(e, EPOLL_CTL_ADD, n, KERNEL_POINTER));
  CALL(epoll_ctl(e, 0, n, &v));
  CALL(epoll_ctl(e, -1, n, BAD_POINTER));
  // Results where the second of two does not fit in memory.
  int m = NEED(eventfd(1, 0));
  NEED(epoll_ctl(e, EPOLL_CTL_ADD, m, &v));
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  CALL(epoll_wait(e, (void *)(page + 4096 - 12), 2, 0));
  CALL(epoll_wait(e, (void *)(page + 4096 - 8), 2, 0));
}
