// SPDX-License-Identifier: Apache-2.0

/**
 * A Platform without processes, for unit tests: each thread's "program" is a generator that yields system calls and gets
 * their results.
 *
 * Invariants: one event per wait(), threads in turn; time is a counter that waiting for a deadline advances.
 */
import { EFAULT, ENOMEM, ENOSYS, type Errno } from '../../../platform/abi/linux/errno.ts';
import {
  EVENT_FAULT,
  EVENT_INTERRUPTED,
  EVENT_SYSCALL,
  EVENT_TIMER,
  type AddressSpace,
  type HostServices,
  type Platform,
  type PlatformEvent,
  type PlatformThread,
  type UserMemory,
} from '../../../platform/platform.ts';
import {
  REG_ORIG_RAX,
  REG_R10,
  REG_R8,
  REG_R9,
  REG_RAX,
  REG_RDI,
  REG_RDX,
  REG_RIP,
  REG_RSI,
  REG_RSP,
  Registers,
} from '../../../platform/registers.ts';

/** A system call: number and arguments. */
export type Call = readonly [nr: number, ...args: number[]];
/** Application code: yields calls (or a fault), receives results. */
export type Script = Generator<Call | { fault: number; addr: number }, void, number>;

const ARGUMENTS = [REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9];
const XSAVE_SIZE = 832;

/** Flat memory from address 4096 on. */
export class FakeMemory implements UserMemory {
  readonly bytes = new Uint8Array(1 << 20);
  private readonly view = new DataView(this.bytes.buffer);

  private room(addr: number, length: number): number {
    return addr < 4096 || addr >= this.bytes.length ? 0 : Math.min(length, this.bytes.length - addr);
  }
  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number {
    const n = this.room(addr, length);
    if (n === 0 && length > 0) return EFAULT;
    dst.set(this.bytes.subarray(addr, addr + n), offset);
    return n;
  }
  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    const n = this.room(addr, length);
    if (n === 0 && length > 0) return EFAULT;
    this.bytes.set(src.subarray(offset, offset + n), addr);
    return n;
  }
  readCString(addr: number): string | Errno {
    if (this.room(addr, 1) === 0) return EFAULT;
    const end = this.bytes.indexOf(0, addr);
    return Buffer.from(this.bytes.subarray(addr, end)).toString('latin1');
  }
  readU32(addr: number): number {
    return this.room(addr, 4) === 4 ? this.view.getUint32(addr, true) : EFAULT;
  }
  readU64(addr: number): number {
    return this.room(addr, 8) === 8
      ? this.view.getUint32(addr, true) + this.view.getUint32(addr + 4, true) * 4294967296
      : EFAULT;
  }
  writeU32(addr: number, value: number): number {
    if (this.room(addr, 4) !== 4) return EFAULT;
    this.view.setUint32(addr, value, true);
    return 0;
  }
  writeU64(addr: number, value: number): number {
    if (this.room(addr, 8) !== 8) return EFAULT;
    const hi = Math.floor(value / 4294967296);
    this.view.setUint32(addr, value - hi * 4294967296, true);
    this.view.setInt32(addr + 4, hi, true);
    return 0;
  }
  zero(addr: number, length: number): number {
    const n = this.room(addr, length);
    this.bytes.fill(0, addr, addr + n);
    return n;
  }
  compareExchangeU32(addr: number, expected: number, desired: number): number {
    const found = this.readU32(addr);
    if (found === expected >>> 0) this.writeU32(addr, desired);
    return found;
  }
  forceCopyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    return this.copyOut(addr, src, offset, length);
  }
}

export class FakeThread implements PlatformThread {
  readonly addressSpace: FakeAddressSpace;
  readonly registers = new Registers();
  owner: unknown = null;
  readonly hostTid: number;
  isStopped = true;
  isReleased = false;
  interrupted = false;
  /** The call last made has been answered by the kernel when this runs again. */
  private inCall = false;
  script: Script;
  private fp = new Uint8Array(XSAVE_SIZE);

  constructor(space: FakeAddressSpace, hostTid: number, script: Script) {
    this.addressSpace = space;
    this.hostTid = hostTid;
    this.script = script;
    this.registers.set(REG_RSP, 0x80000);
    this.registers.set(REG_RIP, 0x10000);
    // FCW and MXCSR as after execve.
    this.fp.set([0x7f, 0x03]);
  }
  resume(): void {
    this.isStopped = false;
  }
  step(): void {
    this.resume();
  }
  interrupt(): void {
    if (!this.isStopped) this.interrupted = true;
  }
  getFpState(): Uint8Array {
    return this.fp.slice();
  }
  setFpState(image: Uint8Array): number {
    this.fp = image.slice();
    return 0;
  }
  resetFpState(): void {
    this.fp.fill(0);
  }
  setName(): void {}
  cpuTimes(out: Float64Array): void {
    out[0] = 0;
    out[1] = 0;
  }
  release(): void {
    this.isReleased = true;
    this.isStopped = true;
    this.addressSpace.platform.threads.delete(this);
  }

  /** Runs application code to its next event. False: the script is over. */
  run(event: PlatformEvent): boolean {
    const step = this.script.next(this.inCall ? this.registers.i64(REG_RAX) : 0);
    this.inCall = false;
    if (step.done === true) return false;
    this.isStopped = true;
    event.thread = this;
    if ('fault' in step.value) {
      event.kind = EVENT_FAULT;
      event.signo = step.value.fault;
      event.code = 1;
      event.addr = step.value.addr;
      return true;
    }
    const [nr, ...args] = step.value;
    event.kind = EVENT_SYSCALL;
    this.registers.set(REG_ORIG_RAX, nr);
    ARGUMENTS.forEach((reg, i) => {
      this.registers.set(reg, args[i] ?? 0);
    });
    this.inCall = true;
    return true;
  }
}

export class FakeAddressSpace implements AddressSpace {
  readonly platform: FakePlatform;
  readonly memory: FakeMemory;
  readonly layout = { minAddr: 4096, maxAddr: 1 << 20, reserved: [], vdso: null, vvar: null };
  readonly hostPid = 1;
  readonly leader: FakeThread;

  constructor(platform: FakePlatform, script: Script, memory = new FakeMemory()) {
    this.platform = platform;
    this.memory = memory;
    this.leader = platform.addThread(this, script);
  }
  map(): number {
    return 0;
  }
  unmap(): number {
    return 0;
  }
  protect(): number {
    return 0;
  }
  remap(): number {
    return 0;
  }
  advise(): number {
    return 0;
  }
  sync(): number {
    return 0;
  }
  mincore(): number {
    return ENOSYS;
  }
  apply(): number {
    return 0;
  }
  fork(): AddressSpace | Errno {
    const script = this.platform.childScripts.shift();
    if (script === undefined) return ENOMEM;
    const memory = new FakeMemory();
    memory.bytes.set(this.memory.bytes);
    return new FakeAddressSpace(this.platform, script, memory);
  }
  newThread(): PlatformThread | Errno {
    const script = this.platform.childScripts.shift();
    return script === undefined ? ENOMEM : this.platform.addThread(this, script);
  }
  sharedMemory(): number {
    return 0;
  }
  usage(): number {
    return ENOSYS;
  }
  release(): void {}
}

export class FakePlatform implements Platform {
  readonly name = 'fake';
  readonly threads = new Set<FakeThread>();
  /** Programs of threads and processes made by clone, in order. */
  readonly childScripts: Script[] = [];
  nowNs = 1e9;
  private readonly event: PlatformEvent = { kind: EVENT_TIMER, thread: null, signo: 0, code: 0, addr: 0 };
  private nextTid = 1;
  private idle = 0;

  addThread(space: FakeAddressSpace, script: Script): FakeThread {
    const thread = new FakeThread(space, this.nextTid++, script);
    this.threads.add(thread);
    return thread;
  }
  newAddressSpace(): AddressSpace | Errno {
    return ENOSYS;
  }
  newNursery(): AddressSpace | Errno {
    return ENOSYS;
  }
  wait(deadlineNs: number): PlatformEvent {
    const { event } = this;
    this.nowNs += 1000;
    for (const thread of [...this.threads]) {
      if (thread.isStopped) continue;
      // Move to the back: threads take turns.
      this.threads.delete(thread);
      this.threads.add(thread);
      this.idle = 0;
      if (thread.interrupted) {
        thread.interrupted = false;
        thread.isStopped = true;
        event.kind = EVENT_INTERRUPTED;
        event.thread = thread;
        return event;
      }
      if (thread.run(event)) return event;
      panic('a script ended without exit_group');
    }
    if (deadlineNs === Number.POSITIVE_INFINITY || ++this.idle > 100)
      panic('deadlock: nothing can run and no timer is armed');
    this.nowNs = Math.max(this.nowNs, deadlineNs);
    event.kind = EVENT_TIMER;
    event.thread = null;
    return event;
  }
  settle(): void {}

  watch(): number {
    return 0;
  }
  rewatch(): number {
    return 0;
  }
  unwatch(): number {
    return 0;
  }
  shutdown(): void {}
}

function panic(message: string): never {
  throw new Error(message);
}

/** Host services whose clock is the platform's counter. */
export function fakeHost(
  platform: FakePlatform,
  log: (line: string) => void = (line) => void (line.startsWith('panic') && console.error(line)),
): HostServices {
  const clock = {
    monotonicNs: () => platform.nowNs,
    boottimeNs: () => platform.nowNs,
    realtime: (out: Float64Array) => {
      out[0] = 1e9 + Math.floor(platform.nowNs / 1e9);
      out[1] = platform.nowNs % 1e9;
    },
    processCpuNs: () => 0,
  };
  const info = {
    cpuCount: 2,
    memoryTotal: 1 << 30,
    memoryAvailable: () => 1 << 29,
    cpuinfo: '',
    hwcap: 0,
    hwcap2: 0,
    platformName: 'x86_64',
    xsaveSize: XSAVE_SIZE,
    xfeatures: 7,
  };
  return {
    files: null as unknown as HostServices['files'],
    clock,
    info,
    random: (buf) => void buf.fill(7),
    log: (_level, message) => log(message),
  };
}
