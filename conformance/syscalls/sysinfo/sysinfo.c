// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/random.h>
#include <sys/syslog.h>
#include <sys/reboot.h>

CASE(uname_fields) {
  struct utsname u;
  CALL(uname(&u));
  STR(u.sysname);
  STR(u.machine);
  YES(u.release[0] >= '4' && strchr(u.release, '.'));
  YES(u.nodename[0] != 0);
  CALL(uname(BAD_POINTER));
}
CASE(hostname_set) {
  struct utsname u;
  if (unshare(CLONE_NEWUTS)) { say("%s", errno_name(errno)); }
  CALL(sethostname("conformance", 11));
  uname(&u);
  STR(u.nodename);
  CALL(sethostname("x", -1));
  CALL(sethostname("x", 65));
  CALL(sethostname(BAD_POINTER, 3));
  CALL(setdomainname("domain", 6));
  uname(&u);
  STR(u.domainname);
  become(1234);
  CALL(sethostname("y", 1));
}
CASE(sysinfo_fields) {
  struct sysinfo s;
  CALL(sysinfo(&s));
  YES(s.totalram > 0 && s.freeram <= s.totalram && s.mem_unit > 0);
  YES(s.procs > 0);
  YES(s.uptime >= 0);
  CALL(sysinfo(BAD_POINTER));
}
CASE(getrandom_rules) {
  unsigned char a[64] = {0}, b[64] = {0};
  CALL(getrandom(a, 64, 0));
  CALL(getrandom(b, 64, GRND_NONBLOCK));
  YES(memcmp(a, b, 64) != 0);
  CALL(getrandom(a, 0, 0));
  CALL(getrandom(a, 10, 0x100));
  CALL(getrandom(BAD_POINTER, 10, 0));
  CALL(getrandom(a, 10, GRND_RANDOM | GRND_INSECURE));
  char *big = malloc(1 << 20);
  CALL(getrandom(big, 1 << 20, 0));
}
CASE(unknown_numbers) {
  CALL(syscall(350));
  CALL(syscall(400));
  CALL(syscall(5000));
  CALL(syscall(-1));
  CALL(syscall(0x40000000));
  CALL(syscall(1l << 40));
}
CASE(obsolete_calls) {
  CALL(syscall(SYS_uselib, "x"));
  CALL(syscall(SYS_create_module, "x", 1));
  CALL(syscall(SYS_get_kernel_syms, 0));
  CALL(syscall(SYS_query_module, 0));
  CALL(syscall(SYS_nfsservctl, 0));
  CALL(syscall(SYS_getpmsg, 0));
  CALL(syscall(SYS_putpmsg, 0));
  CALL(syscall(SYS_afs_syscall, 0));
  CALL(syscall(SYS_tuxcall, 0));
  CALL(syscall(SYS_security, 0));
  CALL(syscall(SYS_vserver, 0));
  CALL(syscall(SYS_epoll_ctl_old, 0));
  CALL(syscall(SYS_epoll_wait_old, 0));
  CALL(syscall(SYS_set_thread_area, 0));
}
CASE(privileged_calls_as_user) {
  become(1234);
  CALL(reboot(0));
  CALL(syscall(SYS_swapon, "x", 0));
  CALL(syscall(SYS_acct, "x"));
  CALL(syscall(SYS_pivot_root, "/", "/"));
  CALL(syscall(SYS_setdomainname, "x", 1));
  CALL(syscall(SYS_vhangup));
  CALL(syscall(SYS_settimeofday, NULL, &(struct timezone){0}));
}
CASE(getcpu_and_affinity) {
  unsigned cpu = 999, node = 999;
  CALL(syscall(SYS_getcpu, &cpu, &node, NULL));
  YES(cpu < 4096);
  cpu_set_t s;
  CPU_ZERO(&s);
  YES(syscall(SYS_sched_getaffinity, 0, sizeof s, &s) > 0);
  YES(CPU_COUNT(&s) >= 1);
  YES(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
  CALL(syscall(SYS_sched_getaffinity, 0, 3, &s));
  CALL(syscall(SYS_sched_getaffinity, 99999999, sizeof s, &s));
  CALL(syscall(SYS_sched_getaffinity, 0, sizeof s, BAD_POINTER));
}
