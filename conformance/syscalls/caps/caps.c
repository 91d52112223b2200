// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <grp.h>

static struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
static int has(int cap) {
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  return !!(d[cap / 32].effective & 1u << cap % 32);
}
static int drop(int cap) {
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  d[cap / 32].effective &= ~(1u << cap % 32), d[cap / 32].permitted &= ~(1u << cap % 32), d[cap / 32].inheritable &= ~(1u << cap % 32);
  return syscall(SYS_capset, &header, d);
}
CASE(capget_versions) {
  struct __user_cap_data_struct d[2];
  struct __user_cap_header_struct h = {0, 0};
  CALL(syscall(SYS_capget, &h, NULL));
  say("%x", h.version);
  CALL(syscall(SYS_capget, &h, d));
  h.version = 77;
  CALL(syscall(SYS_capget, &h, d));
  say("%x", h.version);
  h = (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_1, 0};
  CALL(syscall(SYS_capget, &h, d));
  h = (struct __user_cap_header_struct){_LINUX_CAPABILITY_VERSION_3, 99999999};
  CALL(syscall(SYS_capget, &h, d));
  h.pid = -1;
  CALL(syscall(SYS_capget, &h, d));
  h.pid = 0;
  CALL(syscall(SYS_capget, &h, BAD_POINTER));
  CALL(syscall(SYS_capget, BAD_POINTER, d));
  CALL(syscall(SYS_capset, BAD_POINTER, d));
}
CASE(root_has_main_caps) {
  int caps[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID};
  for (int i = 0; i < 7; i++) say("cap %d: %d", caps[i], has(caps[i]));
}
CASE(drop_caps_matter) {
  make_file("f", "x", 0);
  NEED(chown("f", 5, 5));
  OK(open("f", O_RDWR));
  CALL(drop(CAP_DAC_OVERRIDE));
  CALL(drop(CAP_DAC_READ_SEARCH));
  CALL(open("f", O_RDWR));
  CALL(chmod("f", 0600));
  CALL(drop(CAP_FOWNER));
  CALL(chmod("f", 0600));
  CALL(chown("f", 6, 6));
  CALL(drop(CAP_CHOWN));
  CALL(chown("f", 7, 7));
  CALL(drop(CAP_SETUID));
  CALL(setresuid(1, 2, 3));
  CALL(drop(CAP_SETGID));
  CALL(setgroups(0, NULL));
  CALL(drop(CAP_KILL));
  VAL(has(CAP_KILL));
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  d[0].permitted |= 1u << CAP_KILL;
  CALL(syscall(SYS_capset, &header, d));
}
CASE(effective_only) {
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  d[0].effective = d[1].effective = 0;
  CALL(syscall(SYS_capset, &header, d));
  make_file("f", "x", 0600);
  NEED(chown("f", 0, 0));
  CALL(chown("f", 1, 1));
  d[0].effective = 1u << CAP_CHOWN;
  CALL(syscall(SYS_capset, &header, d));
  CALL(chown("f", 1, 1));
  d[0].permitted = 0;
  CALL(syscall(SYS_capset, &header, d));
}
CASE(setuid_clears_caps) {
  NEED(setresuid(-1, 1234, -1));
  VAL(has(CAP_CHOWN));
  NEED(setresuid(-1, 0, -1));
  VAL(has(CAP_CHOWN));
  NEED(setresuid(1234, 1234, 1234));
  VAL(has(CAP_CHOWN));
}
CASE(keepcaps) {
  CALL(prctl(PR_GET_KEEPCAPS));
  CALL(prctl(PR_SET_KEEPCAPS, 1));
  NEED(setresuid(1234, 1234, 1234));
  VAL(has(CAP_CHOWN));
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  YES(d[0].permitted & 1u << CAP_CHOWN);
  d[0].effective = 1u << CAP_CHOWN;
  CALL(syscall(SYS_capset, &header, d));
  VAL(has(CAP_CHOWN));
  CALL(prctl(PR_SET_KEEPCAPS, 2));
}
CASE(bounding_set) {
  CALL(prctl(PR_CAPBSET_READ, CAP_CHOWN));
  CALL(prctl(PR_CAPBSET_DROP, CAP_CHOWN));
  CALL(prctl(PR_CAPBSET_READ, CAP_CHOWN));
  CALL(prctl(PR_CAPBSET_READ, 99));
  CALL(prctl(PR_CAPBSET_DROP, 99));
  VAL(has(CAP_CHOWN));
  become(1234);
  CALL(prctl(PR_CAPBSET_DROP, CAP_KILL));
}
CASE(ambient_set) {
  CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
  CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &header, d);
  d[0].inheritable |= 1u << CAP_CHOWN;
  CALL(syscall(SYS_capset, &header, d));
  CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0));
  CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_CHOWN, 0, 0));
  CALL(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  CALL(prctl(PR_CAP_AMBIENT, 99, 0, 0, 0));
}
HELPER(show_chown) { VAL(has(CAP_CHOWN)); return 0; }
CASE(exec_recomputes_caps) {
  char *a[] = {"x", "--helper", "show_chown", NULL}, *e[] = {NULL};
  CHILD(drop(CAP_CHOWN); VAL(has(CAP_CHOWN)); execve("/proc/self/exe", a, e));
  CHILD(prctl(PR_SET_KEEPCAPS, 1); setresuid(1234, 1234, 1234); execve("/proc/self/exe", a, e); say("%s", errno_name(errno)));
}
