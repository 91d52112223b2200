// SPDX-License-Identifier: Apache-2.0
// PR_SET_SYSCALL_USER_DISPATCH: calls become SIGSYS while a byte says so, but from one range of code; what clone and exec keep of it.
#include "case.h"
#include <sys/prctl.h>
#include <ucontext.h>

#define DISPATCH 59
static volatile char selector;
static volatile int count, number, code, same_address;
static void on_sys(int signal, siginfo_t *i, void *context) {
  ucontext_t *u = context;
  selector = 0;
  count++, number = i->si_syscall, code = i->si_code;
  same_address = i->si_call_addr == (void *)u->uc_mcontext.gregs[REG_RIP] && u->uc_mcontext.gregs[REG_RAX] == i->si_syscall;
  u->uc_mcontext.gregs[REG_RAX] = 4242;
}
static void catch(void) {
  struct sigaction a = {.sa_sigaction = on_sys, .sa_flags = SA_SIGINFO};
  NEED(sigaction(SIGSYS, &a, 0));
}
static long blocked_call(long nr) {
  selector = 1;
  long r = syscall(nr, 1, 2, 3);
  selector = 0;
  return r;
}
CASE(dispatch_arguments) {
  CALL(prctl(DISPATCH, 2, 0, 0, 0));
  CALL(prctl(DISPATCH, 0, 0, 0, &selector));
  CALL(prctl(DISPATCH, 0, 1, 0, 0));
  CALL(prctl(DISPATCH, 1, 1, 0, 0));
  CALL(prctl(DISPATCH, 1, 1, -1ul, 0));
  CALL(prctl(DISPATCH, 1, 0, 0, KERNEL_POINTER));
  CALL(prctl(DISPATCH, 1, 0, 0, &selector));
  CALL(prctl(DISPATCH, 0, 0, 0, 0));
}
CASE(dispatch_signals) {
  catch();
  CALL(prctl(DISPATCH, 1, 0, 0, &selector));
  VAL(blocked_call(SYS_getppid));
  say("%d: call %d code %d address %d", count, number, code, same_address);
  VAL(blocked_call(9999));
  say("%d: call %d code %d address %d", count, number, code, same_address);
  YES(getppid() > 0);
  CALL(prctl(DISPATCH, 1, 1, 0x7fffffffffff, &selector));
  selector = 1;
  long p = syscall(SYS_getppid);
  selector = 0;
  YES(p > 0 && p != 4242);
}
CASE(dispatch_of_children) {
  catch();
  NEED(prctl(DISPATCH, 1, 0, 0, &selector));
  CHILD({
    selector = 1;
    long p = syscall(SYS_getppid);
    selector = 0;
    YES(p > 0 && p != 4242);
  });
  VAL(blocked_call(SYS_getppid));
}
CASE(dispatch_wrong_selector) {
  catch();
  CHILD({
    NEED(prctl(DISPATCH, 1, 0, 0, &selector));
    selector = 7;
    getppid();
  });
  CHILD({
    void *page = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    NEED(prctl(DISPATCH, 1, 0, 0, page));
    getppid();
  });
}
