// SPDX-License-Identifier: Apache-2.0

/**
 * linux.seccomp (runtime-tools: linux_seccomp; runc's bats: seccomp).
 */
import type { Case, Config } from '../world.ts';

const profile = (syscalls: readonly object[], more: object = {}): ((config: Config) => void) => (config) => {
  config.linux.seccomp = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'], syscalls, ...more };
};
const deny = (names: readonly string[], more: object = {}): object => ({ names, action: 'SCMP_ACT_ERRNO', ...more });

export const seccompCases: readonly Case[] = [
  {
    name: 'ERRNO: EPERM, or what errnoRet says; unknown names are ignored; exec has the filter too',
    run: (w) => {
      const edit = profile([deny(['mkdir', 'mkdirat', 'no_such_call']), deny(['mknod', 'mknodat'], { errnoRet: 28 })]);
      w.script('mkdir /tmp/d 2>&1; mknod /tmp/p p 2>&1; grep Seccomp: /proc/self/status | tr "\\t" " "', edit);
      w.runAndNote();
      w.configure(['sleep', '100'], edit);
      w.detached('run', '-d', 'c');
      w.note(w.cli('exec', 'c', 'sh', '-c', 'mkdir /tmp/d 2>&1').out.trim());
    },
    expect: ["mkdir: can't create directory '/tmp/d': Operation not permitted", 'mknod: /tmp/p: No space left on device', 'Seccomp: 2', "mkdir: can't create directory '/tmp/d': Operation not permitted"],
  },
  {
    name: 'KILL, KILL_PROCESS and TRAP end the program; LOG and TRACE',
    run: (w) => {
      for (const action of ['SCMP_ACT_KILL', 'SCMP_ACT_KILL_THREAD', 'SCMP_ACT_KILL_PROCESS', 'SCMP_ACT_TRAP', 'SCMP_ACT_LOG', 'SCMP_ACT_TRACE']) {
        w.script('(mkdir /tmp/d 2>/dev/null); echo $?; rm -rf /tmp/d', profile([{ names: ['mkdir', 'mkdirat'], action }]));
        w.runAndNote();
      }
    },
    expect: ['159', '159', '159', '159', '0', '1'],
  },
  {
    name: 'what LOG and KILL write',
    differs: "Linux's audit has it",
    run: (w) => {
      for (const action of ['SCMP_ACT_LOG', 'SCMP_ACT_KILL_PROCESS']) {
        w.script('(mkdir /tmp/d 2>/dev/null)', profile([{ names: ['mkdir'], action }]));
        w.cli('--debug', '--debug-log', `${w.directory}/${action}`, 'run', 'c');
        const [line = ''] = /audit: .*(?=")/.exec(w.read(action)) ?? [];
        w.note(line.replace(/pid=\d+/, 'pid=N').replace(/ip=0x[0-9a-f]{6,}/, 'ip=0xN').replaceAll('\\"', '"'));
      }
    },
    expect: [
      'audit: type=1326 uid=0 gid=0 pid=N comm="mkdir" sig=0 arch=c000003e syscall=83 compat=0 ip=0xN code=0x7ffc0000',
      'audit: type=1326 uid=0 gid=0 pid=N comm="mkdir" sig=31 arch=c000003e syscall=83 compat=0 ip=0xN code=0x80000000',
    ],
  },
  {
    name: 'a default that denies; calls newer than the profile do not exist',
    run: (w) => {
      const needed = [
        'arch_prctl', 'brk', 'chdir', 'clone', 'close', 'dup', 'dup2', 'dup3', 'execve', 'exit', 'exit_group', 'faccessat', 'faccessat2', 'fcntl', 'fork', 'fstat', 'futex', 'getcwd', 'getdents64', 'getegid', 'geteuid', 'getgid', 'getpid', 'getppid',
        'getrandom', 'getrlimit', 'getuid', 'ioctl', 'lseek', 'lstat', 'madvise', 'mmap', 'mprotect', 'munmap', 'newfstatat', 'open', 'openat', 'openat2', 'pipe', 'pipe2', 'poll', 'prctl', 'pread64', 'prlimit64', 'read', 'readlink', 'rseq', 'rt_sigaction', 'rt_sigprocmask',
        'rt_sigreturn', 'set_robust_list', 'set_tid_address', 'setgid', 'setgroups', 'setuid', 'stat', 'statfs', 'statx', 'uname', 'vfork', 'wait4', 'write', 'writev', 'capset', 'capget', 'epoll_pwait', 'epoll_ctl', 'epoll_create1', 'eventfd2', 'nanosleep', 'clock_nanosleep', 'sched_yield',
        'getpgrp', 'fstatfs', 'tgkill', 'gettid', 'clone3', 'umask', 'fchdir', 'fchown', 'setsid', 'setresuid', 'setresgid', 'rt_sigpending', 'sigaltstack', 'close_range', 'access', 'sched_getaffinity', 'setitimer', 'timer_create', 'timer_settime', 'restart_syscall', 'mremap', 'membarrier',
      ];
      const edit = (config: Config): void => {
        config.linux.seccomp = { defaultAction: 'SCMP_ACT_ERRNO', architectures: ['SCMP_ARCH_X86_64'], syscalls: [{ names: needed, action: 'SCMP_ACT_ALLOW' }] };
      };
      w.script('echo ok; mkdir /tmp/d 2>&1; chmod 700 /tmp 2>&1; hostname x 2>&1', edit);
      w.runAndNote();
    },
    expect: ['ok', "mkdir: can't create directory '/tmp/d': Operation not permitted", 'chmod: /tmp: Operation not permitted', 'hostname: sethostname: Operation not permitted', 'status 1'],
  },
  {
    name: 'conditions on arguments: every operator',
    run: (w) => {
      // umask(2) through the shell: its argument is what the condition sees, and errno 99 would be its result.
      const tries: [string, number, number, number?][] = [['SCMP_CMP_NE', 2, 0o22], ['SCMP_CMP_LT', 2, 0o22], ['SCMP_CMP_LE', 2, 2], ['SCMP_CMP_EQ', 2, 2], ['SCMP_CMP_GE', 0o70, 0o70], ['SCMP_CMP_GT', 0o70, 0o7], ['SCMP_CMP_MASKED_EQ', 0o70, 0o60, 0o20]];
      for (const [op, argument, value, valueTwo] of tries) {
        const condition = { index: 0, op, value, ...(valueTwo === undefined ? {} : { valueTwo }) };
        w.script(`umask ${argument.toString(8)}; touch /tmp/f; grep -c ^Umask:.00${argument.toString(8).padStart(2, '0')} /proc/self/status; rm -f /tmp/f`, profile([deny(['umask'], { errnoRet: 5, args: [condition] })]));
        const result = w.cli('run', 'c');
        w.note(`${op} ${result.out.trim()}`);
      }
    },
    expect: ['SCMP_CMP_NE 0', 'SCMP_CMP_LT 0', 'SCMP_CMP_LE 0', 'SCMP_CMP_EQ 0', 'SCMP_CMP_GE 0', 'SCMP_CMP_GT 0', 'SCMP_CMP_MASKED_EQ 1'],
  },
  {
    name: 'profiles that make no sense are refused; an empty one is none',
    run: (w) => {
      const wrong = [
        profile([], { defaultAction: 'SCMP_ACT_NOSUCH' }), profile([{ names: ['mkdir'], action: 'DENY' }]), profile([], { architectures: ['SCMP_ARCH_Z80'] }), profile([], { flags: ['SECCOMP_FILTER_FLAG_NOSUCH'] }),
        profile([deny(['mkdir'], { args: [{ index: 0, op: 'EQ', value: 0 }] })]), profile([deny(['mkdir'], { args: [{ index: 7, op: 'SCMP_CMP_EQ', value: 0 }] })]),
      ];
      for (const edit of wrong) {
        w.configure(['true'], edit);
        w.note(`${w.detached('create', 'c').status}`);
      }
      w.configure(['true'], (c) => {
        c.linux.seccomp = {};
      });
      w.note(`${w.cli('run', 'c').status}`);
    },
    expect: ['1', '1', '1', '1', '1', '1', '0'],
  },
];
