// SPDX-License-Identifier: Apache-2.0

/**
 * What the ptrace platform owes, as scenarios that run in a process of their own (a Sentry is not a vitest worker): prints one JSON
 * object of scenario -> observations, which ptrace.test.ts judges.
 */
import { readFileSync } from 'node:fs';
import {
  EVENT_DIED,
  EVENT_FAULT,
  EVENT_HOST,
  EVENT_INTERRUPTED,
  EVENT_SYSCALL,
  EVENT_TIMER,
} from '../../platform/platform.ts';
import type { AddressSpace, PlatformEvent } from '../../platform/platform.ts';
import {
  REG_CS,
  REG_FS_BASE,
  REG_ORIG_RAX,
  REG_RAX,
  REG_RBX,
  REG_RDI,
  REG_RIP,
  REG_RSI,
  REG_RSP,
} from '../../platform/registers.ts';
import { close, pipe2, read, write } from '../../platform/ffi/files.ts';
import { memfd_create } from '../../platform/ffi/memory.ts';
import { cstring } from '../../platform/ffi/native.ts';
import { kill } from '../../platform/ffi/process.ts';
import { clockNs } from '../../platform/ffi/time.ts';
import { createPtracePlatform } from '../../platform/ptrace/platform.ts';
import type { PtracePlatform } from '../../platform/ptrace/platform.ts';
import { CODE, DATA, DATA_SIZE, busyLoop, int80, load, must, place, readNull, syscallLoop } from './guest_code.ts';

type Observations = Record<string, unknown>;
const FOREVER = Number.POSITIVE_INFINITY;

function soon(ms: number): number {
  return clockNs(1) + ms * 1e6;
}

function seen(e: PlatformEvent): Observations {
  return { kind: e.kind, signo: e.signo, code: e.code, addr: e.addr };
}

/** A read after the address space was given up. */
function released(space: AddressSpace): number {
  space.release();
  return space.memory.readU32(DATA);
}

const scenarios: Record<string, (p: PtracePlatform) => Observations> = {
  maps(p) {
    const space = must(p.newAddressSpace(), 'newAddressSpace');
    const lines = readFileSync(`/proc/${space.hostPid}/maps`, 'latin1').trim().split('\n');
    const regs = [...space.leader.registers.bytes];
    const status = readFileSync(`/proc/${space.hostPid}/status`, 'latin1');
    const field = (name: string): string =>
      (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status) as RegExpExecArray)[1] as string;
    const fp = space.leader.getFpState();
    const r = {
      names: lines.map((l) => l.slice(73).trim()),
      permissions: lines.map((l) => l.split(' ')[1]),
      nonZeroRegisters: regs.flatMap((b, i) => (b === 0 ? [] : [Math.floor(i / 8)])),
      caps: field('CapEff') + field('CapPrm'),
      noNewPrivs: field('NoNewPrivs'),
      seccomp: field('Seccomp'),
      signals: field('SigBlk') + field('SigIgn') + field('SigCgt'),
      fcw: (fp[0] as number) + (fp[1] as number) * 256,
      vectorsClear: fp.slice(160, 416).every((b) => b === 0),
    };
    space.release();
    return r;
  },

  syscall(p) {
    const { space, thread } = load(p, syscallLoop(39));
    thread.registers.set(REG_RDI, 1234567890123);
    thread.resume();
    const e = p.wait(FOREVER);
    const first = {
      kind: e.kind,
      same: e.thread === thread,
      nr: thread.registers.u64(REG_ORIG_RAX),
      rdi: thread.registers.u64(REG_RDI),
      rip: thread.registers.u64(REG_RIP),
    };
    // mov rbx, rax would need other code: watch rax through the next stop's rbx instead
    place(space, CODE + 7, [0x48, 0x89, 0xc3, 0xeb, 0xf4]);
    const values: number[] = [];
    for (const v of [0, 4242, -14, 0x7fff12345678, -4096, -514]) {
      thread.registers.set(REG_RAX, v);
      thread.resume();
      p.wait(FOREVER);
      values.push(thread.registers.i64(REG_RBX));
    }
    space.release();
    return { ...first, values };
  },

  faults(p) {
    const out: Observations = {};
    const programs: Record<string, number[]> = {
      null: readNull(),
      ud2: [0x0f, 0x0b],
      divide: [0x31, 0xc9, 0xf7, 0xf1],
      int3: [0xcc],
      privileged: [0xf4],
      int80: int80(20),
      exec: [0x48, 0xc7, 0xc0, 0, 0, 0x50, 0, 0xff, 0xe0],
    };
    for (const [name, code] of Object.entries(programs)) {
      const { space, thread } = load(p, code);
      thread.resume();
      out[name] = { ...seen(p.wait(soon(2000))), rip: thread.registers.u64(REG_RIP) - CODE };
      // A fault is recoverable: repair and go on.
      place(space, CODE + 64, syscallLoop(5));
      thread.registers.set(REG_RIP, CODE + 64);
      thread.resume();
      (out[name] as Observations)['next'] = p.wait(soon(2000)).kind;
      space.release();
    }
    return out;
  },

  fork(p) {
    const { space, thread } = load(p, syscallLoop(57));
    space.memory.writeU32(DATA, 111);
    thread.resume();
    p.wait(FOREVER);
    const child = must(space.fork(thread), 'fork');
    child.memory.writeU32(DATA, 222);
    child.leader.registers.set(REG_RAX, 0);
    child.leader.registers.set(REG_RSI, 77);
    thread.registers.set(REG_RAX, 99);
    child.leader.resume();
    thread.resume();
    const kinds = [p.wait(FOREVER), p.wait(FOREVER)].map((e) => e.kind);
    const status = readFileSync(`/proc/${child.hostPid}/status`, 'latin1');
    const r = {
      kinds,
      parent: space.memory.readU32(DATA),
      child: child.memory.readU32(DATA),
      childRsi: child.leader.registers.u64(REG_RSI),
      parentRsi: thread.registers.u64(REG_RSI),
      childOfSentry: Number((/PPid:\s*(\d+)/.exec(status) as RegExpExecArray)[1]) === process.pid,
      distinct: child.hostPid !== space.hostPid,
    };
    child.release();
    space.release();
    return r;
  },

  threads(p) {
    // lock inc dword [DATA]; mov eax, 24; syscall; jmp back
    const { space, thread } = load(
      p,
      [0xf0, 0xff, 0x04, 0x25, 0, 0, 0x50, 0, 0xb8, 24, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xef],
    );
    thread.resume();
    p.wait(FOREVER);
    thread.registers.set(REG_FS_BASE, 0x510000);
    const second = must(space.newThread(thread), 'newThread');
    second.registers.set(REG_FS_BASE, 0x520000);
    second.registers.set(REG_RIP, CODE);
    const counts = new Map<unknown, number>();
    thread.resume();
    second.resume();
    // Who runs when is the host's affair: both have had their turns after so many calls.
    const hadTurns = (): boolean => counts.size === 2 && [...counts.values()].every((n) => n >= 5);
    let stopped = 0;
    for (let calls = 1; stopped < 2; calls++) {
      const t = p.wait(FOREVER).thread;
      if (t === null) throw new Error('no thread');
      counts.set(t, (counts.get(t) ?? 0) + 1);
      t.registers.set(REG_RAX, 0);
      if (calls < 200 || (!hadTurns() && calls < 1_000_000)) t.resume();
      else stopped++;
    }
    const r: Observations = {
      both: hadTurns(),
      counter: space.memory.readU32(DATA),
      bases: [thread.registers.u64(REG_FS_BASE), second.registers.u64(REG_FS_BASE)],
      sameProcess: readFileSync(`/proc/${space.hostPid}/task/${second.hostTid}/comm`, 'latin1').trim().length > 0,
    };
    second.release();
    const third = must(space.newThread(thread), 'newThread');
    r['reused'] = third.hostTid === second.hostTid;
    // The leader may go first; the others live on.
    thread.release();
    third.registers.set(REG_RIP, CODE);
    third.resume();
    r['afterLeader'] = p.wait(FOREVER).kind;
    r['mapAfterLeader'] = space.map(0x700000, 4096, 3, 'private', -1, 0, 0);
    space.release();
    return r;
  },

  interrupt(p) {
    const { space, thread } = load(p, busyLoop());
    thread.resume();
    const timer = p.wait(soon(5)).kind;
    thread.interrupt();
    thread.interrupt();
    const first = p.wait(FOREVER).kind;
    const rip = thread.registers.u64(REG_RIP);
    thread.resume();
    const quiet = p.wait(soon(20)).kind;
    // Commands on a running thread: it is stopped for them, and runs on.
    const mapped = space.map(0x700000, 4096, 3, 'private', -1, 0, 0);
    const quietAgain = p.wait(soon(10)).kind;
    thread.interrupt();
    const second = p.wait(FOREVER).kind;
    place(space, CODE, syscallLoop(1));
    // Interrupt a thread whose system call is already pending: exactly one event each time, none left over.
    let stale = 0;
    for (let i = 0; i < 300; i++) {
      thread.registers.set(REG_RIP, CODE);
      thread.resume();
      for (const until = clockNs(1) + (i % 30) * 1000; clockNs(1) < until; );
      thread.interrupt();
      const e = p.wait(FOREVER);
      if (e.kind === EVENT_INTERRUPTED && thread.registers.u64(REG_RIP) === CODE + 7) stale++;
      if (e.kind !== EVENT_INTERRUPTED && e.kind !== EVENT_SYSCALL) throw new Error(`kind ${e.kind}`);
    }
    thread.registers.set(REG_RIP, CODE);
    thread.resume();
    const last = p.wait(FOREVER).kind;
    space.release();
    return { timer, first, rip, quiet, mapped, quietAgain, second, stale, last };
  },

  memory(p) {
    const { space } = load(p, busyLoop());
    const m = space.memory;
    const buf = new Uint8Array(70000);
    space.protect(DATA + 0x4000, 0x1000, 1);
    space.unmap(DATA + 0x8000, 0x1000);
    const end = DATA + DATA_SIZE;
    m.copyOut(end - 3, Uint8Array.of(65, 66, 67), 0, 3);
    m.copyOut(DATA + 0x100, Buffer.from('hello\0'), 0, 6);
    const hostile = [-1, -4096, Number.NaN, 2 ** 47, 2 ** 63, 2 ** 64 - 1, Number.POSITIVE_INFINITY, 0, 0x7fffffffe000];
    space.map(0x600000, 4096, 1, 'private', -1, 0, 0);
    return {
      roundTrip: [
        m.writeU64(DATA, 0x7fff12345678),
        m.readU64(DATA),
        m.writeU32(DATA + 8, -1),
        m.readU32(DATA + 8),
        m.writeU64(DATA, -2),
        m.readU32(DATA + 4),
      ],
      string: [
        m.readCString(DATA + 0x100, 4096),
        m.readCString(DATA + 0x100, 3),
        m.readCString(end - 3, 4096),
        m.readCString(1, 10),
      ],
      partialIn: [m.copyIn(DATA + 0x7ff0, buf, 0, 100), m.copyIn(end - 10, buf, 0, 70000), m.copyIn(end, buf, 0, 1)],
      partialOut: [m.copyOut(DATA + 0x3ff0, buf, 0, 100), m.copyOut(DATA + 0x4000, buf, 0, 4)],
      zero: [m.zero(DATA + 0x1000, 0x3000 + 5000), m.zero(0x10000, 8)],
      hostileRead: hostile.map((a) => m.copyIn(a, buf, 0, 16)),
      hostileWrite: hostile.map((a) => m.copyOut(a, buf, 0, 16)),
      hostileWord: hostile.map((a) => m.readU64(a)),
      hugeLength: m.copyIn(DATA, buf, 0, 2 ** 50),
      stubPage: [
        m.copyIn(space.layout.reserved[0]?.start as number, buf, 0, 8),
        m.copyOut(space.layout.reserved[0]?.start as number, buf, 0, 8),
      ],
      force: [
        m.forceCopyOut(0x600ffb, Uint8Array.of(1, 2, 3, 4, 5), 0, 5),
        m.readU32(0x600ffc),
        m.forceCopyOut(0x601000, buf, 0, 4),
        m.copyOut(0x600000, buf, 0, 4),
      ],
      cas: [
        m.writeU32(DATA, 7),
        m.compareExchangeU32(DATA, 7, 9),
        m.compareExchangeU32(DATA, 7, 10),
        m.readU32(DATA),
        m.compareExchangeU32(0x1000, 0, 1),
        m.compareExchangeU32(DATA + 1, 0, 1),
      ],
      released: released(space),
    };
  },

  /** Random addresses and lengths: every answer is EFAULT or a length that was asked for, and the stub lives on. */
  fuzz(p) {
    const { space, thread } = load(p, syscallLoop(7));
    const m = space.memory;
    let seed = 12345;
    const random = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    const bases = [
      0,
      DATA,
      DATA + DATA_SIZE,
      CODE,
      2 ** 31,
      2 ** 32,
      2 ** 47,
      2 ** 48,
      2 ** 63,
      -(2 ** 63),
      -1,
      space.layout.vdso?.start ?? 0,
      space.layout.vvar?.start ?? 0,
      space.layout.reserved[0]?.start as number,
    ];
    const buf = new Uint8Array(20000);
    const bad: unknown[] = [];
    for (let i = 0; i < 20000; i++) {
      const addr = (bases[Math.floor(random() * bases.length)] as number) + Math.floor((random() - 0.5) * 16384);
      const length = Math.floor(random() ** 4 * 20000);
      const isStub = addr + length > (space.layout.reserved[0]?.start as number) && addr < 2 ** 48;
      const r = [
        m.copyIn(addr, buf, 0, length),
        addr >= DATA || addr < CODE ? m.copyOut(addr, buf, 0, length) : 0,
        m.zero(addr + DATA_SIZE * 64, length % 100),
      ];
      for (const n of r) if (!(n === -14 || (n >= 0 && n <= length))) bad.push([addr, length, n]);
      if (isStub && (r[1] as number) > 0 && addr >= (space.layout.reserved[0]?.start as number))
        bad.push(['stub', addr]);
      const s = m.readCString(addr, 1 + (length % 5000));
      if (typeof s === 'string' ? s.length > length % 5000 : s !== -14 && s !== -36) bad.push([addr, s]);
      const w = m.readU64(addr);
      if (w !== -14 && !(w >= 0)) bad.push([addr, w]);
      const c = m.compareExchangeU32(addr, 1, 2);
      if (c !== -14 && !(c >= 0 && c < 2 ** 32)) bad.push([addr, c]);
    }
    place(space, CODE, syscallLoop(7));
    thread.registers.set(REG_RIP, CODE);
    thread.resume();
    const alive = p.wait(FOREVER).kind;
    space.release();
    return { bad: bad.slice(0, 5), alive };
  },

  /** compareExchange with another thread running takes the lock cmpxchg in the stub. */
  atomics(p) {
    const { space, thread } = load(p, busyLoop());
    const other = must(space.newThread(thread), 'newThread');
    other.registers.set(REG_RIP, CODE);
    other.resume();
    const m = space.memory;
    m.writeU32(DATA, 0xfffffff0);
    const r = {
      cas: [
        m.compareExchangeU32(DATA, 0xfffffff0, 0x80000001),
        m.readU32(DATA),
        m.compareExchangeU32(DATA, 5, 6),
        m.compareExchangeU32(0x20000, 5, 6),
      ],
    };
    space.release();
    return r;
  },

  mappings(p) {
    const { space, thread } = load(p, busyLoop());
    const fd = memfd_create(cstring('shared'), 1);
    write(fd, new Uint8Array(8192).fill(7));
    const other = must(p.newAddressSpace(), 'newAddressSpace');
    const maps = [
      space.map(0x700000, 8192, 3, 'shared', fd, 0, 0),
      other.map(0x900000, 4096, 3, 'shared', fd, 4096, 0),
      space.map(0x710000, 4096, 3, 'private', fd, 0, 0),
    ];
    close(fd);
    space.memory.writeU32(0x701000, 1234);
    space.memory.writeU32(0x710000, 5);
    const out = new Uint8Array(4);
    const usage = new Float64Array(3);
    let failures = 0;
    for (let i = 0; i < 1000; i++) {
      if (space.map(0x1000000 + i * 8192, 4096, 3, 'private', -1, 0, 0) !== 0) failures++;
      if (i % 2 === 1 && space.unmap(0x1000000 + i * 8192, 4096) !== 0) failures++;
    }
    thread.setName('guest-name');
    const r: Observations = {
      maps,
      through: other.memory.readU32(0x900000),
      privateCopy: space.memory.readU32(0x700000),
      failures,
      moved: [
        space.memory.writeU32(DATA, 321),
        space.remap(DATA, 4096, 0x800000, 8192, false),
        space.memory.readU32(0x800000),
        space.memory.readU32(DATA),
      ],
      inPlace: [space.remap(0x800000, 8192, 0x800000, 4096, false), space.memory.readU32(0x801000)],
      bad: [
        space.map(0x123, 4096, 3, 'private', -1, 0, 0),
        space.map(0x700000, 4096, 3, 'private', 9999, 0, 0),
        space.map(2 ** 47, 4096, 3, 'private', -1, 0, 0),
        space.unmap(space.layout.reserved[0]?.start as number, 4096),
        space.unmap(-4096, 4096),
      ],
      advise: space.advise(0x700000, 4096, 4),
      mincore: [space.mincore(0x700000, 8192, out), out[0], space.mincore(0x300000, 4096, out)],
      usage: [space.usage(usage), (usage[0] as number) > 4096],
      many: space.apply(
        Array.from(
          { length: 200 },
          (_, i) =>
            ({
              op: 'map',
              addr: 0x2000000 + i * 8192,
              length: 4096,
              prot: 3,
              sharing: 'private',
              fd: -1,
              offset: 0,
              flags: 0,
            }) as const,
        ),
      ),
      manyLast: space.memory.writeU32(0x2000000 + 199 * 8192, 1),
      comm: readFileSync(`/proc/${space.hostPid}/comm`, 'latin1').trim(),
    };
    space.release();
    other.release();
    return r;
  },

  fpu(p) {
    // movaps xmm1, xmm0 ... : movq xmm0, [DATA]; mov eax, 1; syscall; jmp back
    const { space, thread } = load(
      p,
      [0xf3, 0x0f, 0x7e, 0x04, 0x25, 0, 0, 0x50, 0, 0xb8, 1, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xee],
    );
    space.memory.writeU64(DATA, 0x123456789abc);
    thread.resume();
    p.wait(FOREVER);
    const image = Uint8Array.from(thread.getFpState());
    const xmm0 = new DataView(image.buffer).getUint32(160, true);
    const child = must(space.newThread(thread), 'newThread');
    const inherited = new DataView(Uint8Array.from(child.getFpState()).buffer).getUint32(160, true);
    const hostile = [
      (i: Uint8Array) => i.fill(255, 512, 576),
      (i: Uint8Array) => i.fill(255),
      (i: Uint8Array) => i.fill(255, 24, 28),
      (i: Uint8Array) => i.fill(1, 520, 528),
    ].map((spoil) => {
      const bad = Uint8Array.from(image);
      spoil(bad);
      return thread.setFpState(bad);
    });
    const short = [
      thread.setFpState(new Uint8Array(100)),
      thread.setFpState(image.subarray(0, 512)),
      thread.setFpState(image),
    ];
    thread.resetFpState();
    const cleared = new DataView(Uint8Array.from(thread.getFpState()).buffer).getUint32(160, true);
    space.release();
    return { xmm0, inherited, hostile, short, cleared, size: p.xstate.size, features: p.xstate.features };
  },

  descriptors(p) {
    const ends = new Int32Array(2);
    pipe2(ends, 0x80800);
    const [rd, wr] = [ends[0] as number, ends[1] as number];
    const buf = new Uint8Array(16);
    const events: number[] = [];
    const listener = { onHostEvent: (fd: number, revents: number): void => void events.push(fd === rd ? revents : -1) };
    const r: Observations = { watch: p.watch(rd, 1, listener), twice: p.watch(rd, 1, listener) };
    const t0 = clockNs(1);
    r['timeout'] = [
      p.wait(soon(10)).kind,
      clockNs(1) - t0 >= 10e6,
      clockNs(1) - t0 < 200e6,
      p.wait(0).kind,
      p.wait(1).kind,
    ];
    write(wr, buf, 0, 1);
    r['idle'] = p.wait(soon(1000)).kind;
    // With a thread running the bell has to ring for it.
    const { space, thread } = load(p, busyLoop());
    thread.resume();
    r['busy'] = p.wait(soon(1000)).kind;
    read(rd, buf);
    const t1 = clockNs(1);
    r['busyTimeout'] = [p.wait(soon(15)).kind, clockNs(1) - t1 >= 15e6, p.wait(0).kind];
    write(wr, buf, 0, 1);
    r['silenced'] = [p.rewatch(rd, 0), p.wait(soon(5)).kind, p.rewatch(rd, 1), p.wait(soon(1000)).kind];
    close(wr);
    read(rd, buf);
    r['hangup'] = [p.wait(soon(1000)).kind, events[events.length - 1]];
    r['unwatch'] = [p.unwatch(rd), p.wait(soon(5)).kind, p.unwatch(rd)];
    close(rd);
    space.release();
    return r;
  },

  deaths(p) {
    const { space, thread } = load(p, busyLoop());
    thread.resume();
    kill(space.hostPid, 15); // suppressed
    kill(space.hostPid, 10);
    const suppressed = p.wait(soon(20)).kind;
    kill(space.hostPid, 9);
    const e = p.wait(FOREVER);
    const r = {
      suppressed,
      kind: e.kind,
      signo: e.signo,
      same: e.thread === thread,
      map: space.map(0x700000, 4096, 3, 'private', -1, 0, 0),
      fork: space.fork(thread),
    };
    space.release();
    space.release();
    // A stopped one, too.
    const other = load(p, syscallLoop(1));
    other.thread.resume();
    p.wait(FOREVER);
    kill(other.space.hostPid, 9);
    other.thread.resume();
    const last = p.wait(FOREVER).kind;
    other.space.release();
    return { ...r, last };
  },

  segments(p) {
    const { space, thread } = load(p, syscallLoop(1));
    // Selectors and bases no signal frame may install: repaired, never a crash.
    thread.registers.set(REG_CS, 0x10);
    thread.registers.set(REG_FS_BASE, 2 ** 63);
    thread.registers.set(REG_RSP, -1);
    thread.resume();
    const first = p.wait(soon(1000)).kind;
    thread.registers.set(REG_RIP, 2 ** 63);
    thread.resume();
    const second = p.wait(soon(1000));
    const r = { first, second: second.kind, signo: second.signo };
    space.release();
    return r;
  },

  many(p) {
    const spaces = [];
    for (let i = 0; i < 50; i++) spaces.push(load(p, syscallLoop(1)));
    for (const s of spaces) s.thread.resume();
    const counts = new Map<unknown, number>();
    for (let i = 0; i < 1000; i++) {
      const e = p.wait(FOREVER);
      counts.set(e.thread, (counts.get(e.thread) ?? 0) + 1);
      e.thread?.registers.set(REG_RAX, 0);
      e.thread?.resume();
    }
    for (const s of spaces) s.space.release();
    const after = p.wait(soon(50)).kind;
    return { served: counts.size, fair: Math.min(...counts.values()) >= 5, after };
  },
};

/** Eighty at rest: one that calls, one that computes, and everything else that may happen is still told. */
scenarios['crowd'] = (p) => {
  const resting = [];
  for (let i = 0; i < 80; i++) resting.push(load(p, busyLoop()));
  const caller = load(p, syscallLoop(1));
  const calls = (times: number): number => {
    let served = 0;
    for (let i = 0; i < times; i++) {
      caller.thread.resume();
      const e = p.wait(FOREVER);
      if (e.kind === EVENT_SYSCALL && e.thread === caller.thread) served++;
      caller.thread.registers.set(REG_RAX, 0);
    }
    return served;
  };
  const served = calls(100);
  const busy = resting[40] as (typeof resting)[number];
  busy.thread.resume();
  const timer = p.wait(soon(20)).kind;
  const ends = new Int32Array(2);
  pipe2(ends, 0x80800);
  p.watch(ends[0] as number, 1, { onHostEvent: () => {} });
  write(ends[1] as number, new Uint8Array(1));
  const host = p.wait(FOREVER).kind;
  p.unwatch(ends[0] as number);
  const servedBeside = calls(100);
  busy.thread.interrupt();
  const stop = p.wait(FOREVER).kind;
  busy.thread.resume();
  kill(busy.space.hostPid, 9);
  const died = p.wait(FOREVER).kind;
  for (const s of resting) s.space.release();
  const servedAfter = calls(100);
  caller.space.release();
  return { served, timer, host, servedBeside, stop, died, servedAfter, after: p.wait(soon(20)).kind };
};

/** Last, for it leaves a platform without its bell. */
scenarios['bell'] = (p) => {
  const { space, thread } = load(p, busyLoop());
  const ends = new Int32Array(2);
  pipe2(ends, 0x80800);
  const watched = p.watch(ends[0] as number, 1, { onHostEvent: () => {} });
  thread.resume();
  kill(p.tracer.bell?.tid as number, 9);
  const t0 = clockNs(1);
  const timer = p.wait(soon(20)).kind;
  const late = clockNs(1) - t0 >= 20e6;
  write(ends[1] as number, new Uint8Array(1));
  const host = p.wait(FOREVER).kind;
  p.unwatch(ends[0] as number);
  thread.interrupt();
  const stop = p.wait(FOREVER).kind;
  space.release();
  return { watched, timer, late, host, stop };
};

const KINDS = { EVENT_DIED, EVENT_FAULT, EVENT_HOST, EVENT_INTERRUPTED, EVENT_SYSCALL, EVENT_TIMER };

function main(): void {
  const wanted = process.argv.slice(2);
  const platform = createPtracePlatform();
  if (wanted[0] === 'hang') {
    // For the test that kills us: a busy stub, and a line that says who lives.
    const { space, thread } = load(platform, busyLoop());
    const child = must(space.fork(thread), 'fork');
    thread.resume();
    console.log(
      JSON.stringify({
        pids: [...new Set([...platform.tracer.threads.values()].map((t) => t.hostTid)), child.hostPid],
      }),
    );
    for (;;) platform.wait(FOREVER);
  }
  const out: Observations = { KINDS };
  for (const [name, scenario] of Object.entries(scenarios)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    if (process.env['VERBOSE'] === '1') console.error(name);
    out[name] = scenario(platform);
  }
  const pids = [...platform.tracer.threads.keys()];
  platform.shutdown();
  out['leftOver'] = pids.filter((pid) => kill(pid, 0) === 0).length;
  console.log(JSON.stringify(out, (_, v) => (typeof v === 'number' && !Number.isFinite(v) ? String(v) : v)));
}

main();
