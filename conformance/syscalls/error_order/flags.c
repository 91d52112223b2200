// SPDX-License-Identifier: Apache-2.0
// Flags and numbers that few programs use.
#include "case.h"
#include <sys/ioctl.h>
#include <sys/prctl.h>

CASE(flags_sched_setattr) {
  struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t times[3]; } attr = {48};
  for (int bit = 0; bit < 64; bit++) {
    if (bit == 1 || bit == 2) continue;
    attr.flags = 1ul << bit;
    say("flag %d: %s", bit, syscall(SYS_sched_setattr, 0, &attr, 0) == 0 ? "ok" : errno_name(errno));
  }
}
CASE(flags_cpu_clocks) {
  struct timespec at;
  for (int id = -8; id < 0; id++) {
    if (id != -5) {
      NEED(clock_getres(id, &at));
      VAL(at.tv_nsec);
    }
    struct timespec none = {0, 0};
    say("sleep on %d: %ld", id, syscall(SYS_clock_nanosleep, id, 0, &none, 0) == 0 ? 0l : (long)errno);
    int timer;
    say("timer on %d: %s", id, syscall(SYS_timer_create, id, 0, &timer) == 0 ? "ok" : errno_name(errno));
  }
}
CASE(flags_direct_on_directory) {
  OK(open(".", O_RDONLY | O_DIRECT));
  OK(open("/dev/null", O_RDONLY | O_DIRECT));
  OK(open("/proc/self/stat", O_RDONLY | O_DIRECT));
}
CASE(flags_tty_break) {
  int master = OK(posix_openpt(O_RDWR | O_NOCTTY));
  CALL(ioctl(master, TIOCSBRK));
  CALL(ioctl(master, TIOCCBRK));
}
CASE(flags_perf_events_switch) {
  CALL(prctl(31, 0, 0, 0, 0));
  CALL(prctl(32, 0, 0, 0, 0));
}
CASE(flags_clone_into_no_cgroup) {
  uint64_t args[11] = {0x200000000ul, 0, 0, 0, SIGCHLD};
  args[10] = (uint64_t)NEED(open(".", O_RDONLY));
  CALL(syscall(435, args, 88));
  CALL(syscall(435, args, 80));
  args[10] = 0x80000000ul;
  CALL(syscall(435, args, 88));
}
CASE(flags_io_priority) {
  CALL(syscall(SYS_ioprio_get, 2, 0));
  NEED(syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 2));
  CALL(syscall(SYS_ioprio_get, 1, 0));
}
