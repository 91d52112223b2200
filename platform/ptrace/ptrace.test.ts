// SPDX-License-Identifier: Apache-2.0

/**
 * The ptrace platform owes: a stub that holds nothing of the Sentry; system calls, faults, forks, threads, interrupts and deaths told
 * exactly once; user memory copies that survive any address; descriptors and deadlines at the same wait point; nothing left behind.
 * The scenarios run in a process of their own, in the Sentry's mode (one thread) and in a booted Node's.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
let dir = '';
let bundle = '';
// biome-ignore lint/suspicious/noExplicitAny: JSON from the scenarios
type Seen = Record<string, any>;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'ptrace-test-'));
  bundle = join(dir, 'scenarios.cjs');
  buildSync({
    entryPoints: [join(root, 'test/platform/ptrace_scenarios.ts')],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: bundle,
    alias: { koffi: join(root, 'node_modules/koffi/index.cjs') },
    external: [join(root, 'node_modules/koffi/index.cjs')],
    logLevel: 'error',
  });
});

afterAll(() => rmSync(dir, { recursive: true, force: true }));

for (const [mode, flags] of [
  ['single-threaded', ['--single-threaded', '--v8-pool-size=0']],
  ['booted', []],
] as const) {
  describe(`ptrace platform in a ${mode} Node`, () => {
    let seen: Seen = {};
    beforeAll(() => {
      seen = JSON.parse(
        execFileSync(process.execPath, [...flags, bundle], { encoding: 'utf8', timeout: 60_000 }),
      ) as Seen;
    }, 70_000);

    it('newAddressSpace() maps nothing but the stub page, the command page, vvar and vdso', () => {
      const maps = seen['maps'] as Seen;
      const own = (maps['names'] as string[]).filter((n) => !/^\[(vvar\w*|vdso|vsyscall)\]$/.test(n));
      expect(own).toEqual(['', '/memfd:commands (deleted)']);
      expect((maps['permissions'] as string[]).every((p) => !p.includes('w'))).toBe(true);
    });

    it('newAddressSpace() starts with clear registers, no privileges and a filter', () => {
      const maps = seen['maps'] as Seen;
      expect(new Set(maps['nonZeroRegisters'] as number[])).toEqual(new Set([15, 17, 18, 20]));
      expect(maps['caps']).toMatch(/^0+$/);
      expect(maps['signals']).toMatch(/^0+$/);
      expect([maps['noNewPrivs'], maps['seccomp']]).toEqual(['1', '2']);
      expect([maps['fcw'], maps['vectorsClear']]).toEqual([0x37f, true]);
    });

    it('a system call stops with number and arguments, and rax is what the kernel set', () => {
      expect(seen['syscall']).toEqual({
        kind: 1,
        same: true,
        nr: 39,
        rdi: 1234567890123,
        rip: 0x400007,
        values: [0, 4242, -14, 0x7fff12345678, -4096, -514],
      });
    });

    it('synchronous faults carry signal, code and address; int 0x80 is a SIGSEGV', () => {
      const fault = (signo: number, code: number, addr: number, rip: number) => ({
        kind: 2,
        signo,
        code,
        addr,
        rip,
        next: 1,
      });
      expect(seen['faults']).toEqual({
        null: fault(11, 1, 0, 0),
        ud2: fault(4, 2, 0x400000, 0),
        divide: fault(8, 1, 0x400002, 2),
        int3: fault(5, 128, 0, 1),
        privileged: fault(11, 128, 0, 0),
        int80: fault(11, 128, 0, 5),
        exec: fault(11, 2, 0x500000, 0x100000),
      });
    });

    it('fork() copies memory, the copy is the Sentry’s child', () => {
      expect(seen['fork']).toEqual({
        kinds: [1, 1],
        parent: 111,
        child: 222,
        childRsi: 77,
        parentRsi: 0,
        childOfSentry: true,
        distinct: true,
      });
    });

    it('newThread() shares memory, has its own bases, outlives the leader', () => {
      expect(seen['threads']).toMatchObject({
        both: true,
        bases: [0x510000, 0x520000],
        reused: true,
        afterLeader: 1,
        mapAfterLeader: 0,
      });
      expect((seen['threads'] as Seen)['counter']).toBeGreaterThanOrEqual(200);
    });

    it('interrupt() stops a busy loop once and leaves no stale stop', () => {
      expect(seen['interrupt']).toEqual({
        timer: 0,
        first: 3,
        rip: 0x400000,
        quiet: 0,
        mapped: 0,
        quietAgain: 0,
        second: 3,
        stale: 0,
        last: 1,
      });
    });

    it('user memory copies are exact, and hostile addresses are EFAULT', () => {
      const m = seen['memory'] as Seen;
      expect(m['roundTrip']).toEqual([0, 0x7fff12345678, 0, 0xffffffff, 0, 0xffffffff]);
      expect(m['string']).toEqual(['hello', -36, -14, -14]);
      expect(m['partialIn']).toEqual([16, 10, -14]);
      expect(m['partialOut']).toEqual([16, -14]);
      expect(m['zero']).toEqual([0x3000, -14]);
      for (const key of ['hostileRead', 'hostileWrite', 'hostileWord', 'stubPage'])
        expect(new Set(m[key] as number[])).toEqual(new Set([-14]));
      expect(m['force']).toEqual([5, 0x05040302, -14, -14]);
      expect(m['cas']).toEqual([0, 7, 9, 9, -14, -14]);
      expect(m['released']).toBe(-14);
      expect((seen['atomics'] as Seen)['cas']).toEqual([0xfffffff0, 0x80000001, 0x80000001, -14]);
    });

    it('user memory copies answer random addresses and lengths with EFAULT or a length', () => {
      expect(seen['fuzz']).toEqual({ bad: [], alive: 1 });
    });

    it('map(), unmap(), remap(), apply() do what the host does', () => {
      expect(seen['mappings']).toMatchObject({
        maps: [0, 0, 0],
        through: 1234,
        privateCopy: 0x07070707,
        failures: 0,
        moved: [0, 0, 321, -14],
        inPlace: [0, -14],
        bad: [-22, -9, -22, -22, -22],
        advise: 0,
        mincore: [0, 1, -12],
        usage: [0, true],
        many: 0,
        manyLast: 0,
        comm: 'guest-name',
      });
    });

    it('FPU state is inherited, and a hostile image is EINVAL', () => {
      expect(seen['fpu']).toMatchObject({
        xmm0: 0x56789abc,
        inherited: 0x56789abc,
        hostile: [-22, -22, -22, -22],
        short: [-22, 0, 0],
        cleared: 0,
      });
    });

    it('wait() sees descriptors and deadlines, with and without running threads', () => {
      expect(seen['descriptors']).toEqual({
        watch: 0,
        twice: -17,
        timeout: [0, true, true, 0, 0],
        idle: 5,
        busy: 5,
        busyTimeout: [0, true, 0],
        silenced: [0, 0, 0, 5],
        hangup: [5, 16],
        unwatch: [0, 0, -2],
      });
    });

    it('a killed stub is EVENT_DIED once, host signals are suppressed, hostile registers are repaired', () => {
      expect(seen['deaths']).toEqual({ suppressed: 0, kind: 4, signo: 9, same: true, map: -3, fork: -3, last: 4 });
      expect(seen['segments']).toEqual({ first: 1, second: 2, signo: 11 });
    });

    it('fifty busy processes are served fairly and leave nothing behind', () => {
      expect(seen['many']).toEqual({ served: 50, fair: true, after: 0 });
      expect(seen['leftOver']).toBe(0);
    });

    it('among eighty processes at rest every event is told', () => {
      expect(seen['crowd']).toEqual({
        served: 100,
        timer: 0,
        host: 5,
        servedBeside: 100,
        stop: 3,
        died: 4,
        servedAfter: 100,
        after: 0,
      });
    });

    it('wait() goes on when the bell process is killed', () => {
      expect(seen['bell']).toEqual({ watched: 0, timer: 0, late: true, host: 5, stop: 3 });
    });

    it('kill -9 of the Sentry ends every stub', async () => {
      const sentry = spawn(process.execPath, [...flags, bundle, 'hang'], { stdio: ['ignore', 'pipe', 'inherit'] });
      const line = await new Promise<string>((done) => sentry.stdout.once('data', (d: Buffer) => done(d.toString())));
      const { pids } = JSON.parse(line) as { pids: number[] };
      expect(pids.length).toBeGreaterThanOrEqual(4);
      sentry.kill('SIGKILL');
      await new Promise((done) => sentry.once('exit', done));
      const isAlive = (pid: number): boolean =>
        existsSync(`/proc/${pid}`) && !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
      await expect.poll(() => pids.filter(isAlive), { timeout: 15_000 }).toEqual([]);
    });
  });
}
