// SPDX-License-Identifier: Apache-2.0

/**
 * The ptrace platform: makes the first stub, keeps it pristine, and clones every address space from it.
 *
 * Linux:      kernel/fork.c, kernel/ptrace.c
 * Invariants: the pristine stub never runs application code and holds nothing of the Sentry: the stub's code page, the shared command
 *             page and [vvar]/[vdso] are all that is mapped. Created before the Sentry gives up /proc and installs its own filter.
 */
import { PTRACE_O_EXITKILL, PTRACE_O_TRACESYSGOOD, PTRACE_SEIZE } from '../abi/linux/ptrace.ts';
import { isErrno } from '../abi/linux/errno.ts';
import type { Errno } from '../abi/linux/errno.ts';
import { buildStubCode } from '../asm/stub_code.ts';
import type { StubCode } from '../asm/stub_code.ts';
import { close, ftruncate, readTextAt } from '../ffi/files.ts';
import { memfd_create, mmap, mprotect } from '../ffi/memory.ts';
import { allocateNative, cstring, libcSymbol, nativeFunction, rawSyscall, viewMemory } from '../ffi/native.ts';
import { arch_prctl, kill } from '../ffi/process.ts';
import { ptrace, wait4 } from '../ffi/ptrace.ts';
import { countCpus } from '../host/host_info.ts';
import { Descriptors } from '../host/wait/descriptors.ts';
import type { AddressSpace, HostListener, Platform, PlatformEvent } from '../platform.ts';
import { REG_R12, REG_R13, REG_RIP } from '../registers.ts';
import { stubFilter } from '../seccomp/stub_filter.ts';
import { PtraceAddressSpace } from './address_space.ts';
import type { SpaceHost } from './address_space.ts';
import { BELL_ENTRIES, BELL_PAGE, Bell } from './bell.ts';
import { CommandPage, MAX_COMMANDS } from './commands.ts';
import { PAGE_SIZE, STUB_PAGES, addressLayout, chooseStubBase, rangesToUnmap, readHostMaps } from './layout.ts';
import type { HostMaps } from './layout.ts';
import { refuse } from './refusal.ts';
import { CpuPolicy, shortenOwnSlice } from './cpu_policy.ts';
import { PARKED, type PtraceThread } from './thread.ts';
import { Tracer } from './tracer.ts';

export interface PtraceOptions {
  /** Directory descriptor of a proc filesystem that shows this process; default: /proc. */
  procFd?: number;
  /** Host comm of idle stubs. */
  name?: string;
}

const PROT_READ = 1;
const PROT_RW = 3;
const PROT_RX = 5;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_FIXED_NOREPLACE = 0x100000;
const CLONE_FILES = 0x400;
const SIGCHLD = 17;
const SIGKILL = 9;
const SIGSTOP = 19;
const WALL = 0x40000000;
const ARCH_GET_FS = 0x1003;
const RSEQ_UNREGISTER = 1;
const RSEQ_SIGNATURE = 0x53053053;

const SYS = {
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  capset: 126,
  sigaltstack: 131,
  prctl: 157,
  setrlimit: 160,
  futex: 202,
  seccomp: 317,
  rseq: 334,
} as const;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
const PR_SET_NO_NEW_PRIVS = 38;
const RLIMIT_CORE = 4;

/** Says why ptrace is refused, naming the setting to change. */
function explainRefusal(what: string, r: number): string {
  const yama = readTextAt(-100, '/proc/sys/kernel/yama/ptrace_scope');
  const scope = typeof yama === 'string' ? Number(yama) : 0;
  if (scope >= 3)
    return `${what} is not permitted: sysctl kernel.yama.ptrace_scope=${scope} forbids it; lower it to 2 or less`;
  if (r === -1)
    return `${what} is not permitted: in a container, run it with --cap-add=SYS_PTRACE or --security-opt seccomp=unconfined`;
  return `${what} failed with errno ${-r}`;
}

/** Has this process no other thread? */
function isSingleThreaded(procFd: number): boolean {
  const status = procFd >= 0 ? readTextAt(procFd, 'self/status') : readTextAt(-100, '/proc/self/status');
  return typeof status === 'string' && /^Threads:\s1$/m.test(status);
}

export class PtracePlatform implements Platform {
  readonly name = 'ptrace';
  readonly tracer: Tracer;
  private readonly host: SpaceHost;
  private readonly stub: StubCode;
  private readonly stubBase: number;
  private readonly commands: CommandPage;
  private readonly pristine: PtraceAddressSpace;
  private readonly descriptors = new Descriptors();
  private isShutDown = false;

  /** Errors: throws PlatformError. */
  constructor(options: PtraceOptions) {
    const procFd = options.procFd ?? -1;
    const maps = readHostMaps(procFd);
    if (maps === null) refuse('cannot read /proc/self/maps: is /proc mounted?');
    this.stubBase = chooseStubBase(maps);
    this.stub = buildStubCode(this.stubBase + PAGE_SIZE);
    this.commands = this.mapStubPages();
    this.tracer = new Tracer(this.commands, this.descriptors, this.stub, this.stubBase, () => isSingleThreaded(procFd));
    const layout = addressLayout(maps, this.stubBase, readMinAddr());
    this.host = { tracer: this.tracer, layout, stubBase: this.stubBase, procFd };
    // From the start: on one processor the dozen exchanges below cost little.
    if (countCpus() > 1) this.tracer.policy = new CpuPolicy(this.tracer.threads);
    this.pristine = new PtraceAddressSpace(this.host, this.spawnStub(maps));
    this.tracer.policy?.inherits(this.pristine.leader);
    shortenOwnSlice();
    this.pristine.leader.clearRegisters();
    // Nobody's thread: its death is no event.
    this.pristine.leader.state = PARKED;
    this.resetSignals();
    this.makeBell();
    this.confine(options.name ?? 'runsc-stub');
    if (this.tracer.fpState.init(this.pristine.hostPid) < 0) refuse('cannot read the FPU state of a traced thread');
    this.tracer.fpState.reset(this.pristine.hostPid);
  }

  // -------------------------------------------------------------------------------------------------------------
  // The first stub

  /** Puts the stub's pages where every address space will have them. */
  private mapStubPages(): CommandPage {
    const code = mmap(this.stubBase, PAGE_SIZE, PROT_RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (code !== this.stubBase) refuse(`cannot map the stub page: errno ${-code}`);
    viewMemory(code, PAGE_SIZE).fill(0xcc).set(this.stub.code);
    mprotect(code, PAGE_SIZE, PROT_RX);
    const fd = memfd_create(cstring('commands'), 1);
    if (fd < 0 || ftruncate(fd, PAGE_SIZE) < 0) refuse('cannot create a memfd for the command page');
    const commands = mmap(code + PAGE_SIZE, PAGE_SIZE, PROT_RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
    close(fd);
    if (commands !== code + PAGE_SIZE) refuse(`cannot map the command page: errno ${-commands}`);
    return new CommandPage(commands);
  }

  /** Clones this process raw; the child waits to be seized, then strips itself and traps. Returns its pid. */
  private spawnStub(maps: HostMaps): number {
    const c = this.commands;
    c.clear();
    c.futex[0] = 0;
    c.add(SYS.futex, c.futexAddr);
    c.ignoreError();
    this.addRseqUnregister();
    c.add(SYS.prctl, PR_SET_PDEATHSIG, SIGKILL);
    const kept = [{ start: this.stubBase, end: this.stubBase + (STUB_PAGES - 1) * PAGE_SIZE }];
    if (maps.vdso !== null) kept.push(maps.vdso);
    if (maps.vvar !== null) kept.push(maps.vvar);
    for (const range of rangesToUnmap(kept)) c.add(SYS.munmap, range.start, range.end - range.start);
    c.add(SYS.mprotect, c.addr, PAGE_SIZE, PROT_READ);
    c.seal();
    const spawn = nativeFunction<(flags: number) => number>(this.stubBase + this.stub.spawn, 'i');
    const pid = spawn(CLONE_FILES | SIGCHLD);
    if (pid < 0) refuse(`cannot clone a process: errno ${-pid}`);
    const r = ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    if (r < 0) {
      kill(pid, SIGKILL);
      wait4(pid, 0, WALL);
      refuse(explainRefusal('ptrace', r));
    }
    c.futex[0] = 1;
    rawSyscall(SYS.futex, c.futexAddr, 1, 1);
    if (this.tracer.awaitBirth(pid) < 0) refuse('the first stub process died at birth');
    return pid;
  }

  /** Node's thread has registered rseq memory that the child is about to unmap. */
  private addRseqUnregister(): void {
    const offsetAt = libcSymbol('__rseq_offset');
    const sizeAt = libcSymbol('__rseq_size');
    if (offsetAt === 0 || sizeAt === 0) return;
    const offset = Number(new DataView(viewMemory(offsetAt, 8).buffer).getBigInt64(0, true));
    const fs = allocateNative(8);
    arch_prctl(ARCH_GET_FS, fs.addr);
    const addr = (fs.u32[1] as number) * 4294967296 + (fs.u32[0] as number) + offset;
    this.commands.add(SYS.rseq, addr, 32, RSEQ_UNREGISTER, RSEQ_SIGNATURE);
    this.commands.ignoreError();
  }

  /** Runs the list on the pristine stub. */
  private runOnPristine(what: string): void {
    const r = this.tracer.injection.run(this.pristine.leader);
    if (r < 0) refuse(`${what} failed in the first stub: errno ${-r}`);
  }

  /** Default dispositions, nothing blocked, no alternate stack: Node's own must not live on. */
  private resetSignals(): void {
    const c = this.commands;
    c.data.fill(0);
    c.clear();
    for (let signo = 1; signo <= 64; signo++) {
      if (signo === SIGKILL || signo === SIGSTOP) continue;
      if (c.length === MAX_COMMANDS) {
        this.runOnPristine('rt_sigaction');
        c.clear();
      }
      c.add(SYS.rt_sigaction, signo, c.dataAddr, 0, 8);
    }
    c.add(SYS.rt_sigprocmask, 2, c.dataAddr, 0, 8);
    this.runOnPristine('rt_sigaction');
    c.data[8] = 2; // SS_DISABLE
    c.clear();
    c.add(SYS.sigaltstack, c.dataAddr);
    this.runOnPristine('sigaltstack');
  }

  /** No privileges, no core, and a filter that knows only the calls of the command list. */
  private confine(name: string): void {
    const c = this.commands;
    c.data.fill(0);
    c.clear();
    c.add(SYS.setrlimit, RLIMIT_CORE, c.dataAddr);
    c.add(SYS.prctl, PR_SET_NO_NEW_PRIVS, 1);
    this.runOnPristine('PR_SET_NO_NEW_PRIVS');
    // capset: header {version 3, pid 0}, then zero data
    c.data.set([0x22, 0x05, 0x08, 0x20]);
    c.clear();
    c.add(SYS.capset, c.dataAddr, c.dataAddr + 8);
    this.runOnPristine('capset');
    c.data.fill(0);
    c.data.set(Buffer.from(name.slice(0, 15), 'latin1'));
    c.clear();
    c.add(SYS.prctl, PR_SET_NAME, c.dataAddr);
    this.runOnPristine('PR_SET_NAME');
    let programs: Uint8Array[] = [];
    try {
      programs = stubFilter(this.stubBase + this.stub.loopReturn);
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
    }
    for (const program of programs) this.installFilter(program);
  }

  /** seccomp(2) inside the pristine stub; the program travels in the command page behind a list of one. */
  private installFilter(program: Uint8Array): void {
    const c = this.commands;
    const at = c.addr + 256;
    if (program.length > PAGE_SIZE - 512) refuse('stub filter too long');
    const page = viewMemory(c.addr, PAGE_SIZE);
    page.fill(0, 64);
    const view = new DataView(page.buffer, page.byteOffset + 128, 16);
    view.setUint16(0, program.length / 8, true);
    view.setBigUint64(8, BigInt(at), true);
    page.set(program, 256);
    c.clear();
    c.add(SYS.seccomp, 1, 0, c.addr + 128);
    this.runOnPristine('seccomp');
  }

  private makeBell(): void {
    const space = this.pristine.cloneStub(this.pristine.leader);
    if (isErrno(space)) refuse(`cannot clone a stub: errno ${-space}`);
    const r = space.map(BELL_PAGE, PAGE_SIZE, PROT_RW, 'private', -1, 0, 0);
    if (r < 0) refuse(`cannot map memory in a stub: errno ${-r}`);
    const leader = space.leader;
    leader.clearRegisters();
    leader.registers.set(REG_RIP, this.stubBase + this.stub.bell);
    leader.registers.set(REG_R12, BELL_PAGE);
    leader.registers.set(REG_R13, BELL_ENTRIES);
    leader.writeRegisters();
    leader.state = PARKED;
    this.tracer.policy?.letFloat(leader);
    this.tracer.bell = new Bell(space.hostPid, this.descriptors.epollFd);
  }

  // -------------------------------------------------------------------------------------------------------------
  // Platform

  newAddressSpace(nursery: AddressSpace = this.pristine): AddressSpace | Errno {
    const { leader } = nursery;
    const space = (nursery as PtraceAddressSpace).cloneStub(leader as PtraceThread);
    if (isErrno(space)) return space;
    space.leader.clearRegisters();
    return space;
  }

  newNursery(): AddressSpace | Errno {
    const space = this.newAddressSpace();
    // As with the pristine stub: its death is no event.
    if (!isErrno(space)) (space.leader as PtraceThread).state = PARKED;
    return space;
  }

  wait(deadlineNs: number): PlatformEvent {
    return this.tracer.wait(deadlineNs);
  }

  settle(): void {
    this.tracer.settle();
  }

  watch(fd: number, mask: number, listener: HostListener): number {
    return this.descriptors.watch(fd, mask, listener);
  }

  rewatch(fd: number, mask: number): number {
    return this.descriptors.rewatch(fd, mask);
  }

  unwatch(fd: number): number {
    return this.descriptors.unwatch(fd);
  }

  /** Bytes of an XSAVE image, and the enabled features. */
  get xstate(): { size: number; features: number } {
    return { size: this.tracer.fpState.size, features: this.tracer.fpState.features };
  }

  shutdown(): void {
    if (this.isShutDown) return;
    this.isShutDown = true;
    const spaces = new Set([...this.tracer.threads.values()].map((t) => t.addressSpace as PtraceAddressSpace));
    for (const space of spaces) space.release();
    this.tracer.reapAll();
  }
}

/** Creates the ptrace platform. Errors: throws PlatformError with one line naming what forbids it. */
export function createPtracePlatform(options: PtraceOptions = {}): PtracePlatform {
  return new PtracePlatform(options);
}

/** vm.mmap_min_addr, which unprivileged stubs must respect. */
function readMinAddr(): number {
  const text = readTextAt(-100, '/proc/sys/vm/mmap_min_addr');
  const value = typeof text === 'string' ? Number(text) : 65536;
  return Number.isFinite(value) && value >= PAGE_SIZE ? value : PAGE_SIZE;
}
