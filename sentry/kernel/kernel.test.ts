// SPDX-License-Identifier: Apache-2.0

// Owes: fork/wait4, reparenting, exit statuses, handlers with sigreturn, EINTR and SA_RESTART, restart_syscall, SIGSTOP/SIGCONT,
// futex wait, wake, timeout and requeue, itimers, nanosleep, killable groups, faults, init's protection.
import { describe, expect, it } from 'vitest';
import { EAGAIN, ECHILD, EINTR, ESRCH, ETIMEDOUT } from '../../platform/abi/linux/errno.ts';
import {
  CLONE_CHILD_CLEARTID,
  CLONE_FILES,
  CLONE_FS,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VM,
  WNOHANG,
  WUNTRACED,
} from '../../platform/abi/linux/sched.ts';
import {
  SA_RESTART,
  SA_RESTORER,
  SA_SIGINFO,
  SIGALRM,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SIGTERM,
  SIGUSR1,
} from '../../platform/abi/linux/signal.ts';
import { REG_RAX, REG_RDI, REG_RIP, REG_RSP } from '../../platform/registers.ts';
import { buildSyscallTable } from '../../syscalls/table/x86_64.ts';
import { type FakeMachine, fakeMachine } from './testing/fake_kernel.ts';
import type { Call, Script } from './testing/fake_platform.ts';

const NR = {
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  rt_sigreturn: 15,
  pause: 34,
  nanosleep: 35,
  setitimer: 38,
  getpid: 39,
  clone: 56,
  fork: 57,
  wait4: 61,
  kill: 62,
  getppid: 110,
  futex: 202,
  restart_syscall: 219,
  exit_group: 231,
  tgkill: 234,
  exit: 60,
  gettid: 186,
};
const table = buildSyscallTable();
const THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
const AT = 0x2000;

type Body = (machine: () => FakeMachine) => Script;

/** Runs init with `body`; children get `children` in order. Returns init's wait status. */
function run(body: Body, ...children: Body[]): number {
  let machine: FakeMachine | null = null;
  const get = (): FakeMachine => machine as FakeMachine;
  machine = fakeMachine(table, body(get));
  machine.platform.childScripts.push(...children.map((child) => child(get)));
  const status = machine.kernel.run();
  expect(machine.kernel.fatalMessage).toBeNull();
  return status;
}

function* exits(code: number): Script {
  yield [NR.exit_group, code];
}

/** Installs a handler at 0x4000 for signo. */
function handle(m: () => FakeMachine, signo: number, flags: number): Call {
  const { memory } = m();
  memory.writeU64(AT, 0x4000);
  memory.writeU64(AT + 8, (SA_SIGINFO | SA_RESTORER | flags) >>> 0);
  memory.writeU64(AT + 16, 0x5000);
  memory.writeU64(AT + 24, 0);
  return [NR.rt_sigaction, signo, AT, 0, 8];
}

/** What the restorer does at the end of a handler: the return address is popped, then rt_sigreturn. */
function returnFromHandler(m: () => FakeMachine): Call {
  const { regs } = m().init;
  regs.set(REG_RSP, regs.u64(REG_RSP) + 8);
  return [NR.rt_sigreturn];
}

describe('fork and wait4', () => {
  it('wait4() returns the child and its exit status', () => {
    expect(
      run(
        function* (m) {
          const pid = yield [NR.fork];
          expect(pid).toBe(2);
          expect(yield [NR.wait4, -1, AT, 0, 0]).toBe(2);
          expect(m().memory.readU32(AT)).toBe(7 << 8);
          expect(yield [NR.wait4, -1, AT, 0, 0]).toBe(ECHILD);
          yield [NR.exit_group, 3];
        },
        () => exits(7),
      ),
    ).toBe(3 << 8);
  });

  it('a grandchild whose parent died belongs to init', () => {
    run(
      function* (m) {
        yield [NR.fork];
        expect(yield [NR.wait4, 2, AT, 0, 0]).toBe(2);
        expect(yield [NR.wait4, -1, AT, 0, 0]).toBe(3);
        expect(m().memory.readU32(AT)).toBe(9 << 8);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield [NR.fork];
        yield [NR.exit_group, 0];
      },
      function* () {
        while ((yield [NR.getppid]) !== 1);
        yield [NR.exit_group, 9];
      },
    );
  });

  it('SIGCHLD ignored reaps children by itself', () => {
    run(
      function* (m) {
        const { memory } = m();
        memory.writeU64(AT, 1);
        for (const at of [8, 16, 24]) memory.writeU64(AT + at, 0);
        yield [NR.rt_sigaction, SIGCHLD, AT, 0, 8];
        yield [NR.fork];
        expect(yield [NR.wait4, -1, AT, 0, 0]).toBe(ECHILD);
        expect(m().kernel.tasks.size).toBe(1);
        yield [NR.exit_group, 0];
      },
      () => exits(1),
    );
  });

  it('a stopped child is reported with WUNTRACED, goes on at SIGCONT and dies of SIGKILL while stopped', () => {
    run(
      function* (m) {
        const pid = yield [NR.fork];
        yield [NR.kill, pid, SIGSTOP];
        expect(yield [NR.wait4, pid, AT, WUNTRACED, 0]).toBe(pid);
        expect(m().memory.readU32(AT)).toBe((SIGSTOP << 8) | 0x7f);
        expect(yield [NR.wait4, pid, AT, WNOHANG, 0]).toBe(0);
        yield [NR.kill, pid, SIGCONT];
        expect(m().kernel.tasks.get(pid)?.threadGroup.isStopped).toBe(false);
        yield [NR.kill, pid, SIGSTOP];
        expect(yield [NR.wait4, pid, AT, WUNTRACED, 0]).toBe(pid);
        yield [NR.kill, pid, SIGKILL];
        expect(yield [NR.wait4, pid, AT, 0, 0]).toBe(pid);
        expect(m().memory.readU32(AT)).toBe(SIGKILL);
        yield [NR.exit_group, 0];
      },
      function* () {
        for (;;) yield [NR.getpid];
      },
    );
  });
});

describe('signals', () => {
  it('a handler interrupts pause() with EINTR and sigreturn restores the registers', () => {
    run(
      function* (m) {
        yield handle(m, SIGUSR1, 0);
        yield [NR.fork];
        const rip = m().init.regs.u64(REG_RIP);
        yield [NR.pause];
        // In the handler now.
        expect(m().init.regs.u64(REG_RIP)).toBe(0x4000);
        expect(m().init.regs.i32(REG_RDI)).toBe(SIGUSR1);
        expect(m().init.blocked.has(SIGUSR1)).toBe(true);
        expect((m().init.regs.u64(REG_RSP) + 8) % 16).toBe(0);
        expect(yield returnFromHandler(m)).toBe(EINTR);
        expect(m().init.regs.u64(REG_RIP)).toBe(rip);
        expect(m().init.blocked.has(SIGUSR1)).toBe(false);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield [NR.kill, 1, SIGUSR1];
        yield [NR.exit_group, 0];
      },
    );
  });

  it('SA_RESTART rewinds the interrupted call', () => {
    run(
      function* (m) {
        yield handle(m, SIGUSR1, SA_RESTART);
        yield [NR.fork];
        const rip = m().init.regs.u64(REG_RIP);
        yield [NR.wait4, 2, 0, 0, 0];
        expect(m().init.regs.u64(REG_RIP)).toBe(0x4000);
        yield returnFromHandler(m);
        expect(m().init.regs.u64(REG_RIP)).toBe(rip - 2);
        expect(m().init.regs.u64(REG_RAX)).toBe(NR.wait4);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield [NR.kill, 1, SIGUSR1];
        for (;;) yield [NR.getpid];
      },
    );
  });

  it('a sleep stopped and continued goes on through restart_syscall', () => {
    run(
      function* () {
        const pid = yield [NR.fork];
        yield [NR.kill, pid, SIGSTOP];
        yield [NR.wait4, pid, AT, WUNTRACED, 0];
        yield [NR.kill, pid, SIGCONT];
        yield [NR.wait4, pid, AT, 0, 0];
        yield [NR.exit_group, 0];
      },
      function* (m) {
        const task = m().kernel.tasks.get(2);
        task?.memory.writeU64(AT, 5);
        task?.memory.writeU64(AT + 8, 0);
        const rip = task?.regs.u64(REG_RIP) as number;
        yield [NR.nanosleep, AT, 0];
        if (task?.regs.u64(REG_RIP) === rip - 2) {
          expect(task.regs.u64(REG_RAX)).toBe(NR.restart_syscall);
          expect(yield [NR.restart_syscall]).toBe(0);
        }
        expect(m().platform.nowNs).toBeGreaterThan(5e9);
        yield [NR.exit_group, 0];
      },
    );
  });

  it('init is not hurt by signals it has no handler for, its children are', () => {
    expect(
      run(
        function* (m) {
          yield [NR.kill, 1, SIGTERM];
          const pid = yield [NR.fork];
          yield [NR.kill, pid, SIGTERM];
          yield [NR.wait4, pid, AT, 0, 0];
          expect(m().memory.readU32(AT)).toBe(SIGTERM);
          expect(yield [NR.kill, 99, 0]).toBe(ESRCH);
          yield [NR.exit_group, 4];
        },
        function* () {
          for (;;) yield [NR.getpid];
        },
      ),
    ).toBe(4 << 8);
  });

  it('SIGKILL from outside ends an init, what it has no handler for does nothing', () => {
    expect(
      run(function* (m) {
        yield [NR.getpid];
        m().kernel.signalInit(SIGTERM);
        for (let i = 0; i < 3; i++) yield [NR.getpid];
        m().kernel.signalInit(SIGKILL);
        for (;;) yield [NR.getpid];
      }),
    ).toBe(SIGKILL);
  });

  it('a fault without a handler kills with SIGSEGV', () => {
    run(
      function* (m) {
        const pid = yield [NR.fork];
        yield [NR.wait4, pid, AT, 0, 0];
        expect((m().memory.readU32(AT) as number) & 0x7f).toBe(SIGSEGV);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield { fault: SIGSEGV, addr: 0 };
      },
    );
  });

  it('one thread of a process that dies takes the others along', () => {
    run(
      function* (m) {
        const pid = yield [NR.fork];
        yield [NR.wait4, pid, AT, 0, 0];
        expect(m().memory.readU32(AT)).toBe(5 << 8);
        expect(m().kernel.liveTasks).toBe(1);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield [NR.clone, THREAD, 0, 0, 0, 0];
        yield [NR.pause];
      },
      function* () {
        yield [NR.exit_group, 5];
      },
    );
  });
});

describe('timers', () => {
  it('ITIMER_REAL ends a process that does not handle SIGALRM', () => {
    run(
      function* (m) {
        const pid = yield [NR.fork];
        yield [NR.wait4, pid, AT, 0, 0];
        expect(m().memory.readU32(AT)).toBe(SIGALRM);
        expect(m().platform.nowNs).toBeGreaterThan(2e9);
        yield [NR.exit_group, 0];
      },
      function* (m) {
        const memory = m().kernel.tasks.get(2)?.memory;
        for (const [at, value] of [
          [0, 0],
          [8, 0],
          [16, 2],
          [24, 0],
        ] as const)
          memory?.writeU64(AT + at, value);
        yield [NR.setitimer, 0, AT, 0];
        yield [NR.pause];
      },
    );
  });
});

describe('futex', () => {
  const WAIT = 128;
  const WAKE = 129;

  it('FUTEX_WAIT compares, sleeps, and is woken', () => {
    run(
      function* (m) {
        m().memory.writeU32(AT, 1);
        expect(yield [NR.futex, AT, WAIT, 2, 0]).toBe(EAGAIN);
        yield [NR.clone, THREAD, 0, 0, 0, 0];
        expect(yield [NR.futex, AT, WAIT, 1, 0]).toBe(0);
        yield [NR.exit_group, 0];
      },
      function* () {
        while ((yield [NR.futex, AT, WAKE, 1]) === 0);
        yield [NR.exit, 0];
      },
    );
  });

  it('FUTEX_WAIT times out', () => {
    run(function* (m) {
      m().memory.writeU32(AT, 1);
      m().memory.writeU64(AT + 16, 1);
      m().memory.writeU64(AT + 24, 0);
      expect(yield [NR.futex, AT, WAIT, 1, AT + 16]).toBe(ETIMEDOUT);
      yield [NR.exit_group, 0];
    });
  });

  it('CLEARTID clears the word and wakes who waits for the thread', () => {
    run(
      function* (m) {
        m().memory.writeU32(AT, 77);
        yield [NR.clone, THREAD | CLONE_CHILD_CLEARTID, 0, 0, AT, 0];
        // The wake-up of CLEARTID is a shared one.
        yield [NR.futex, AT, 0, 77, 0];
        expect(m().memory.readU32(AT)).toBe(0);
        yield [NR.exit_group, 0];
      },
      function* () {
        yield [NR.exit, 0];
      },
    );
  });
});
