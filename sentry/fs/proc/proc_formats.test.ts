// SPDX-License-Identifier: Apache-2.0

/** Owed: stat has 52 fields, status its lines, masks and ranges, sysctl validation, load average decay, consistent big reads. */
import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../../platform/abi/linux/errno.ts';
import { SigSet } from '../../arch/sigset.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { PidNamespace } from '../../kernel/process/pid_namespace.ts';
import { Rlimits } from '../../kernel/process/rlimits.ts';
import { newUsage } from '../../kernel/process/thread_group.ts';
import type { Task } from '../../kernel/task.ts';
import { isErrno } from '../../../platform/abi/linux/errno.ts';
import type { IoContext } from '../../vfs/context.ts';
import { BufferIo } from '../../vfs/io.ts';
import { pipefs } from '../../vfs/anon_mount.ts';
import { cpuMask, limitsText, statText, statusFileText } from './pid_stat.ts';
import { ProcFilesystem } from './proc_filesystem.ts';
import { TaskScope } from './task_scope.ts';

const CPUINFO =
  'processor\t: 0\nmodel name\t: Test\n\nprocessor\t: 1\nmodel name\t: Test\n\nprocessor\t: 2\nmodel name\t: Test\n\n';

function fakeKernel(): Kernel {
  const clock = { monotonicNs: () => 5e9, boottimeNs: () => 65e9, realtimeSeconds: () => 1700000000 };
  return {
    tasks: new Map(),
    liveTasks: 1,
    totalForks: 3,
    maxTasks: 8192,
    clock,
    host: {
      clock,
      info: { cpuCount: 2, memoryTotal: 2 ** 31, memoryAvailable: () => 2 ** 30, cpuinfo: CPUINFO },
      random: (b: Uint8Array) => b.fill(7),
    },
    vfs: { filesystemsText: () => 'nodev\tproc\n', devices: { list: () => [[1, 'mem']], listBlocks: () => [] } },
  } as unknown as Kernel;
}

function fakeTask(kernel: Kernel, ns: PidNamespace): Task {
  const group = {
    pids: [7],
    pidIn: () => 7,
    tasks: new Set([1]),
    parent: null,
    processGroup: { idIn: () => 7, pids: [7] },
    session: { idIn: () => 7, tty: null, pids: [7] },
    childUsage: newUsage(),
    deadUsage: newUsage(),
    hasExeced: true,
    exitSignal: 17,
    handlers: { summary: () => {} },
    rlimits: new Rlimits(),
    sharedPending: { count: 0, set: new SigSet() },
    isReaped: false,
    leader: null,
  };
  group.tasks = new Set();
  const t = {
    kernel,
    threadGroup: group,
    comm: 'a b) c',
    stateChar: 'Z',
    ptrace: null,
    isLive: false,
    isLeader: true,
    tidIn: () => 7,
    pids: [7],
    nice: 5,
    schedPolicy: 0,
    schedPriority: 0,
    startTimeNs: 4e9,
    pending: { set: new SigSet(), count: 0 },
    blocked: new SigSet(),
    creds: rootCredentials(new UserNamespace()),
    exitStatus: 256,
    thread: null,
    usage: null,
    affinity: Uint8Array.of(3),
    noNewPrivs: true,
    mm: { userCount: 0 },
  } as unknown as Task;
  ns.tasks.set(7, t);
  return t;
}

const kernel = fakeKernel();
const ns = new PidNamespace(null, 1);
const proc = new ProcFilesystem(kernel, ns);
const t = fakeTask(kernel, ns);
const scope = new TaskScope(proc, t, ns, false);

function read(path: string, chunk = 100000): string {
  let inode = proc.root.lookup(t as unknown as IoContext, path.split('/')[0] as string);
  for (const part of path.split('/').slice(1))
    if (!isErrno(inode)) inode = inode.lookup(t as unknown as IoContext, part);
  if (isErrno(inode)) return String(inode);
  const file = inode.open(t, pipefs.place(inode), 0);
  if (isErrno(file)) return String(file);
  let text = '';
  for (;;) {
    const buf = Buffer.alloc(chunk);
    const n = file.read(t, new BufferIo(buf));
    if (n <= 0) return text;
    text += buf.toString('latin1', 0, n);
  }
}

describe('/proc/pid', () => {
  it('stat has its 52 fields after a name with a parenthesis', () => {
    const text = statText(t, t, scope);
    expect(text.startsWith('7 (a b) c) Z 0 7 7 0 -1 4194560 ')).toBe(true);
    expect(
      text
        .slice(text.lastIndexOf(')') + 2)
        .trim()
        .split(' '),
    ).toHaveLength(50);
    expect(text.endsWith(' 256\n')).toBe(true);
  });
  it('status has well-formed lines', () => {
    const text = statusFileText(t, t, scope);
    for (const line of text.trimEnd().split('\n')) expect(line).toMatch(/^[A-Za-z_]+:\t/);
    expect(text).toContain('\nCapEff:\t000001ffffffffff\n');
    expect(text).toContain('\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n');
    expect(text).toContain('\nNoNewPrivs:\t1\n');
  });
  it('limits keeps its columns', () => {
    expect(limitsText(t).split('\n')[1]).toBe(
      'Max cpu time              unlimited            unlimited            seconds   ',
    );
  });
});

describe('cpuMask()', () => {
  it('shows words and ranges', () => {
    expect(cpuMask(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x05), 40)).toEqual({ hex: '05,ffffffff', list: '0-32,34' });
    expect(cpuMask(Uint8Array.of(0b1011), 4)).toEqual({ hex: 'b', list: '0-1,3' });
  });
});

describe('/proc', () => {
  it('lists processes and fixed names, each of which can be read', () => {
    const names = proc.root.list(t).map((e) => e.name);
    expect(names).toContain('7');
    for (const name of [
      'cpuinfo',
      'devices',
      'filesystems',
      'loadavg',
      'meminfo',
      'stat',
      'uptime',
      'version',
      'vmstat',
    ])
      expect(read(name)).not.toBe('');
    expect(read('loadavg')).toMatch(/^\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+\/\d+ \d+\n$/);
    expect(read('uptime')).toMatch(/^65\.00 \d+\.\d\d\n$/);
    expect(read('stat')).toContain('btime 1699999935\n');
    expect(read('meminfo').split('\n')[0]).toBe('MemTotal:        2097152 kB');
  });
  it('cpuinfo has as many processors as the sandbox', () => {
    expect(read('cpuinfo').match(/^processor/gm)).toHaveLength(2);
  });
  it('reads the same in small pieces', () => {
    expect(read('meminfo', 7)).toBe(read('meminfo'));
  });
  it('sysctls check what is written', () => {
    const path = 'sys/kernel/pid_max';
    expect(read(path)).toBe('32768\n');
    let inode = proc.root.lookup(t, 'sys');
    for (const part of ['kernel', 'pid_max']) if (!isErrno(inode)) inode = inode.lookup(t, part);
    if (isErrno(inode)) return;
    const file = inode.open(t, pipefs.place(inode), 1);
    if (isErrno(file)) return;
    expect(file.write(t, new BufferIo(Buffer.from('12\n')))).toBe(EINVAL);
    expect(file.pwrite(t, new BufferIo(Buffer.from('40000\n')), 0)).toBe(6);
    expect(read(path)).toBe('40000\n');
    expect(read('sys/kernel/random/uuid')).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/,
    );
  });
});
