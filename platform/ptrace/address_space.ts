// SPDX-License-Identifier: Apache-2.0

/**
 * One application address space: a stub process, changed by system calls performed inside it.
 *
 * Linux:      mm/mmap.c, mm/mremap.c, kernel/fork.c
 * Invariants: the caller (sentry/mm) has checked every range; here they are only kept out of the stub's own pages.
 */
import { EFAULT, EINVAL, ENOMEM, ESRCH } from '../abi/linux/errno.ts';
import type { Errno } from '../abi/linux/errno.ts';
import { close, openat, pread, readTextAt } from '../ffi/files.ts';
import { clockNs } from '../ffi/time.ts';
import type { AddressLayout, AddressSpace, MapOp, MapSharing, PlatformThread, UserFaults } from '../platform.ts';
import { MAX_COMMANDS } from './commands.ts';
import { PAGE_SIZE } from './layout.ts';
import { STOPPED } from './thread.ts';
import type { PtraceThread } from './thread.ts';
import type { Tracer } from './tracer.ts';
import { PtraceUserFaults } from './user_faults.ts';
import { PtraceUserMemory, forgetReads } from './user_memory.ts';

const SYS_MMAP = 9;
const SYS_MPROTECT = 10;
const SYS_MUNMAP = 11;
const SYS_MREMAP = 25;
const SYS_MSYNC = 26;
const SYS_MINCORE = 27;
const SYS_MADVISE = 28;
const SYS_CLONE = 56;
const SYS_EXIT = 60;
const SYS_PRCTL = 157;
const O_CLOEXEC = 0x80000;
const SYS_USERFAULTFD = 323;
const SYS_MEMBARRIER = 324;
/** O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY */
export const USERFAULT_FLAGS = 0x80000 | 0x800 | 1;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED = 8;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED = 16;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE = 32;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 64;
const MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ = 128;
const MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ = 256;
const BARRIERS = {
  memory: MEMBARRIER_CMD_PRIVATE_EXPEDITED,
  core: MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
  sequences: MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
};

const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const PROT_RW = 3;
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
const SIGKILL = 9;
const SIGCHLD = 17;

const CLONE_PTRACE = 0x2000;
const CLONE_FILES = 0x400;
const CLONE_PARENT = 0x8000;
/** A copy of the stub: the Sentry's child, on the Sentry's descriptor table, traced from its first instruction. */
export const FORK_FLAGS = CLONE_PARENT | CLONE_FILES | CLONE_PTRACE | SIGCHLD;
// VM | FS | FILES | SIGHAND | THREAD | SYSVSEM
export const THREAD_FLAGS = 0x100 | 0x200 | CLONE_FILES | 0x800 | 0x10000 | 0x40000 | CLONE_PTRACE;

/** Room kept in a list for PR_SET_NAME and PR_SET_PDEATHSIG. */
const MAX_OPS = MAX_COMMANDS - 2;
const CLOCK_TICK_NS = 10_000_000;

/** What address spaces need of their platform. */
export interface SpaceHost {
  readonly tracer: Tracer;
  readonly layout: AddressLayout;
  /** Start of the stub's pages. */
  readonly stubBase: number;
  /** Directory descriptor of a proc filesystem, or -1. */
  readonly procFd: number;
}

export class PtraceAddressSpace implements AddressSpace {
  readonly memory: PtraceUserMemory;
  readonly layout: AddressLayout;
  readonly hostPid: number;
  readonly leader: PtraceThread;
  readonly threads: PtraceThread[] = [];
  readonly parked: PtraceThread[] = [];
  released = false;
  private readonly faults = new Set<PtraceUserFaults>();
  private readonly host: SpaceHost;
  private readonly tracer: Tracer;
  private hasScratch = false;
  /** The host knows that this process uses membarrier(2). */
  private hasBarrier = false;
  /** The parent-death signal is not inherited across fork; it is set with the first command. Until then EXITKILL alone holds. */
  private lacksDeathSignal = true;

  /** `pid`: a seized, stopped stub. */
  constructor(host: SpaceHost, pid: number) {
    this.host = host;
    this.tracer = host.tracer;
    this.layout = host.layout;
    this.hostPid = pid;
    this.leader = this.tracer.adopt(this, pid);
    this.memory = new PtraceUserMemory(pid, host.stubBase, {
      compareExchange: (addr, expected, desired) => this.compareExchange(addr, expected, desired),
      isQuiet: () => this.tracer.running === 0,
      poke: (addr, src, offset, length) => this.poke(addr, src, offset, length),
    });
  }

  // -------------------------------------------------------------------------------------------------------------
  // Mappings

  private touchesStub(addr: number, length: number): boolean {
    return !(addr >= 0 && length > 0 && addr + length <= this.host.stubBase);
  }

  private addOp(op: MapOp): number {
    if (this.touchesStub(op.op === 'remap' ? op.newAddr : op.addr, op.op === 'remap' ? op.newLength : op.length))
      return EINVAL;
    const c = this.tracer.commands;
    if (op.op === 'map') this.addMap(op.addr, op.length, op.prot, op.sharing, op.fd, op.offset, op.flags);
    else if (op.op === 'unmap') c.add(SYS_MUNMAP, op.addr, op.length);
    else if (op.op === 'protect') c.add(SYS_MPROTECT, op.addr, op.length, op.prot);
    else if (op.op === 'advise') c.add(SYS_MADVISE, op.addr, op.length, op.advice);
    else return this.addRemap(op.addr, op.oldLength, op.newAddr, op.newLength, op.keepOld);
    return 0;
  }

  private addMap(
    addr: number,
    length: number,
    prot: number,
    sharing: MapSharing,
    fd: number,
    offset: number,
    flags: number,
  ): void {
    const kind = (sharing === 'shared' ? MAP_SHARED : MAP_PRIVATE) | (fd < 0 ? MAP_ANONYMOUS : 0) | MAP_FIXED;
    this.tracer.commands.add(SYS_MMAP, addr, length, prot, flags | kind, fd, offset);
  }

  private addRemap(addr: number, oldLength: number, newAddr: number, newLength: number, keepOld: boolean): number {
    if (oldLength > 0 && this.touchesStub(addr, oldLength)) return EINVAL;
    const isInPlace = addr === newAddr;
    let flags = isInPlace ? 0 : MREMAP_MAYMOVE | MREMAP_FIXED;
    if (keepOld && oldLength > 0) flags |= MREMAP_DONTUNMAP;
    this.tracer.commands.add(SYS_MREMAP, addr, oldLength, newLength, flags, isInPlace ? 0 : newAddr);
    return 0;
  }

  /** Performs the list on whichever thread is at hand. Returns 0 or more, or the first failure. */
  private perform(): number {
    const thread = this.tracer.acquire(this);
    if (thread === null) return ESRCH;
    if (thread.pendingName !== null) this.addName(thread);
    if (this.lacksDeathSignal) this.addDeathSignal();
    forgetReads();
    const r = this.tracer.injection.run(thread);
    this.tracer.letGo(thread);
    return r;
  }

  /** Does what is pending for a thread of this address space. */
  flush(): void {
    this.tracer.commands.clear();
    this.perform();
  }

  private addDeathSignal(): void {
    this.lacksDeathSignal = false;
    this.tracer.commands.prepend(SYS_PRCTL, PR_SET_PDEATHSIG, SIGKILL);
  }

  private addName(thread: PtraceThread): void {
    const c = this.tracer.commands;
    c.data.fill(0, 0, 16);
    const name = thread.pendingName as string;
    for (let i = 0; i < name.length; i++) c.data[i] = name.charCodeAt(i);
    thread.pendingName = null;
    c.prepend(SYS_PRCTL, PR_SET_NAME, c.dataAddr);
  }

  map(
    addr: number,
    length: number,
    prot: number,
    sharing: MapSharing,
    fd: number,
    offset: number,
    flags: number,
  ): number {
    if (this.touchesStub(addr, length)) return EINVAL;
    this.tracer.commands.clear();
    this.addMap(addr, length, prot, sharing, fd, offset, flags);
    const r = this.perform();
    return Math.min(r, 0);
  }

  private one(nr: number, addr: number, length: number, c: number): number {
    if (this.touchesStub(addr, length)) return EINVAL;
    this.tracer.commands.clear();
    this.tracer.commands.add(nr, addr, length, c);
    return this.perform();
  }

  unmap(addr: number, length: number): number {
    return this.one(SYS_MUNMAP, addr, length, 0);
  }

  protect(addr: number, length: number, prot: number): number {
    return this.one(SYS_MPROTECT, addr, length, prot);
  }

  advise(addr: number, length: number, advice: number): number {
    return this.one(SYS_MADVISE, addr, length, advice);
  }

  sync(addr: number, length: number, flags: number): number {
    return this.one(SYS_MSYNC, addr, length, flags);
  }

  remap(addr: number, oldLength: number, newAddr: number, newLength: number, keepOld: boolean): number {
    if (this.touchesStub(newAddr, newLength)) return EINVAL;
    this.tracer.commands.clear();
    const bad = this.addRemap(addr, oldLength, newAddr, newLength, keepOld);
    if (bad < 0) return bad;
    const r = this.perform();
    return Math.min(r, 0);
  }

  barrier(kind: 'memory' | 'core' | 'sequences', cpu: number): number {
    const c = this.tracer.commands;
    c.clear();
    if (!this.hasBarrier) {
      c.add(SYS_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
      c.add(SYS_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE);
      c.add(SYS_MEMBARRIER, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
      c.ignoreError();
    }
    c.add(SYS_MEMBARRIER, BARRIERS[kind], cpu < 0 ? 0 : 1, Math.max(cpu, 0));
    const r = this.perform();
    if (r >= 0) this.hasBarrier = true;
    return Math.min(r, 0);
  }

  userFaults(): UserFaults | Errno {
    const c = this.tracer.commands;
    c.clear();
    c.add(SYS_USERFAULTFD, USERFAULT_FLAGS);
    const fd = this.perform();
    if (fd < 0) return fd as Errno;
    const faults = new PtraceUserFaults(fd, this.host.stubBase, (closed) => this.faults.delete(closed));
    this.faults.add(faults);
    return faults;
  }

  /** Would code of ours that runs in the stub wait for the application when it writes to `addr`? */
  private mayWait(addr: number): boolean {
    if (this.faults.size === 0) return false;
    return this.memory.readU32(addr) < 0 || ![...this.faults].every((faults) => faults.isWritable(addr));
  }

  mincore(addr: number, length: number, out: Uint8Array): number {
    const pages = Math.ceil(length / PAGE_SIZE);
    if (pages > out.length || this.touchesStub(addr, length)) return EINVAL;
    const scratch = this.host.stubBase + 2 * PAGE_SIZE;
    for (let done = 0; done < pages; done += PAGE_SIZE) {
      const count = Math.min(pages - done, PAGE_SIZE);
      const c = this.tracer.commands;
      c.clear();
      if (!this.hasScratch)
        c.add(SYS_MMAP, scratch, PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      c.add(SYS_MINCORE, addr + done * PAGE_SIZE, count * PAGE_SIZE, scratch);
      const r = this.perform();
      if (r < 0) return r;
      this.hasScratch = true;
      if (this.memory.readStub(scratch, out, done, count) !== count) return EFAULT;
    }
    return 0;
  }

  apply(ops: readonly MapOp[]): number {
    const commands = this.tracer.commands;
    for (let from = 0; from < ops.length; from += MAX_OPS) {
      commands.clear();
      const to = Math.min(from + MAX_OPS, ops.length);
      for (let i = from; i < to; i++) {
        const bad = this.addOp(ops[i] as MapOp);
        if (bad < 0) return bad;
      }
      const r = this.perform();
      if (r < 0) return r;
    }
    return 0;
  }

  private compareExchange(addr: number, expected: number, desired: number): number {
    // With no application thread running nobody can interfere.
    if (this.tracer.running === 0) {
      const found = this.memory.readU32(addr);
      if (found < 0 || found !== expected >>> 0) return found;
      return this.memory.writeU32(addr, desired) < 0 ? EFAULT : found;
    }
    if (this.mayWait(addr)) return EFAULT;
    const thread = this.tracer.acquire(this);
    if (thread === null) return EFAULT;
    const r = this.tracer.injection.compareExchange(thread, addr, expected, desired);
    this.tracer.letGo(thread);
    return r;
  }

  private poke(addr: number, src: Uint8Array, offset: number, length: number): number {
    const thread = this.tracer.acquire(this);
    if (thread === null) return EFAULT;
    const r = this.tracer.injection.poke(thread, addr, src, offset, length);
    this.tracer.letGo(thread);
    return r;
  }

  // -------------------------------------------------------------------------------------------------------------
  // Processes and threads

  fork(from: PlatformThread): AddressSpace | Errno {
    const parent = from as PtraceThread;
    const copy = this.cloneStub(parent);
    if (typeof copy === 'number') return copy;
    copy.leader.registers.copyFrom(parent.registers);
    copy.hasScratch = this.hasScratch;
    return copy;
  }

  /** Clones the stub through a stopped thread of it. The copy's registers are not set yet. */
  cloneStub(thread: PtraceThread): PtraceAddressSpace | Errno {
    const c = this.tracer.commands;
    c.clear();
    c.add(SYS_CLONE, FORK_FLAGS);
    const pid = this.tracer.injection.run(thread);
    if (pid <= 0) return (pid === 0 ? ENOMEM : pid) as Errno;
    if (this.tracer.awaitBirth(pid) < 0) return ESRCH;
    const copy = new PtraceAddressSpace(this.host, pid);
    copy.leader.pinnedTo = thread.pinnedTo;
    copy.leader.allowed = thread.allowed;
    this.tracer.sequences.inherit(thread, copy.leader);
    return copy;
  }

  newThread(like: PlatformThread): PlatformThread | Errno {
    const model = like as PtraceThread;
    const reused = this.parked.pop();
    if (reused !== undefined) {
      reused.state = STOPPED;
      this.tracer.policy?.inheritRestriction(model, reused);
      this.tracer.fpState.copy(model.hostTid, reused.hostTid);
      reused.registers.copyFrom(model.registers);
      return reused;
    }
    const c = this.tracer.commands;
    c.clear();
    c.add(SYS_CLONE, THREAD_FLAGS);
    const tid = this.tracer.injection.run(model);
    if (tid <= 0) return (tid === 0 ? ENOMEM : tid) as Errno;
    if (this.tracer.awaitBirth(tid) < 0) return ESRCH;
    const thread = this.tracer.adopt(this, tid);
    thread.pinnedTo = model.pinnedTo;
    thread.allowed = model.allowed;
    thread.registers.copyFrom(model.registers);
    return thread;
  }

  /** Ends a host thread that is not the leader. */
  endThread(thread: PtraceThread): void {
    const c = this.tracer.commands;
    c.clear();
    c.add(SYS_EXIT, 0);
    this.tracer.injection.run(thread);
  }

  /** Takes a parked thread out of use; it ends unless it is the leader. */
  discard(thread: PtraceThread): void {
    const at = this.parked.indexOf(thread);
    if (at >= 0) this.parked.splice(at, 1);
    if (thread !== this.leader) this.endThread(thread);
  }

  /** A host thread is gone. */
  threadDied(thread: PtraceThread): void {
    if (thread === this.leader) this.memory.detach();
    const at = this.threads.indexOf(thread);
    if (at >= 0) this.threads.splice(at, 1);
    const parkedAt = this.parked.indexOf(thread);
    if (parkedAt >= 0) this.parked.splice(parkedAt, 1);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.memory.detach();
    this.tracer.killSpace(this);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Accounting

  private procText(file: string): string | number {
    return this.host.procFd >= 0
      ? readTextAt(this.host.procFd, `${this.hostPid}/${file}`)
      : readTextAt(-100, `/proc/${this.hostPid}/${file}`);
  }

  pagemap(addr: number, out: Uint8Array): number {
    const fd =
      this.host.procFd >= 0
        ? openat(this.host.procFd, `${this.hostPid}/pagemap`, O_CLOEXEC)
        : openat(-100, `/proc/${this.hostPid}/pagemap`, O_CLOEXEC);
    if (fd < 0) return fd;
    const n = pread(fd, out, 0, out.length, (addr / PAGE_SIZE) * 8);
    close(fd);
    return n;
  }

  usage(out: Float64Array): number {
    const text = this.procText('statm');
    if (typeof text === 'number') return text;
    const fields = text.split(' ').map(Number);
    const resident = fields[1] as number;
    const shared = fields[2] as number;
    out[0] = resident * PAGE_SIZE;
    out[1] = shared * PAGE_SIZE;
    out[2] = Math.max(resident - shared, 0) * PAGE_SIZE;
    return 0;
  }

  sharedMemory(): number {
    const text = this.procText('status');
    if (typeof text === 'number') return text;
    const found = /^RssShmem:\s+(\d+) kB$/m.exec(text);
    return found === null ? 0 : Number(found[1]) * 1024;
  }

  /** See PlatformThread.cpuTimes(). A single thread's are the process's, which has clocks; others need /proc. */
  cpuTimesOf(thread: PtraceThread, out: Float64Array): void {
    const text = this.threads.length > 1 ? this.procText(`task/${thread.hostTid}/stat`) : 0;
    if (typeof text === 'string') {
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      out[0] = Number(fields[11]) * CLOCK_TICK_NS;
      out[1] = Number(fields[12]) * CLOCK_TICK_NS;
      return;
    }
    // MAKE_PROCESS_CPUCLOCK: CPUCLOCK_VIRT (user) and CPUCLOCK_PROF (user + system)
    const user = clockNs(~this.hostPid * 8 + 1);
    out[0] = user;
    out[1] = Math.max(clockNs(~this.hostPid * 8) - user, 0);
  }
}
