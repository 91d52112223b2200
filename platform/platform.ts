// SPDX-License-Identifier: Apache-2.0

/**
 * What the kernel knows about how application code is made to run and about the host: interfaces only.
 *
 * Invariants: a platform has exactly one wait point, Platform.wait(). Nothing above this file knows whether a thread
 *             stops through ptrace, SIGSYS or anything else. Every number returned is >= 0, or a negative errno.
 */
import type { Errno } from './abi/linux/errno.ts';
import type { Registers } from './registers.ts';

// ---------------------------------------------------------------------------------------------------------------
// User memory

/**
 * Access to one address space's memory. Partial copies follow Linux: bytes moved so far win, EFAULT only when none
 * moved. Addresses are untrusted Numbers (may be negative, fractional-free, huge).
 */
export interface UserMemory {
  /** Copies up to `length` bytes from `addr` to dst[offset..]. Returns bytes copied, or EFAULT when none (length > 0). */
  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number;
  /** Copies src[offset..offset+length] to `addr`. Returns bytes copied, or EFAULT when none (length > 0). */
  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number;
  /**
   * Reads a NUL-terminated byte string (one char per byte, latin1), at most `maxBytes` including the NUL.
   * Errors: EFAULT; ENAMETOOLONG when no NUL is found in maxBytes.
   */
  readCString(addr: number, maxBytes: number): string | Errno;
  /** Reads a u32; negative errno on fault. */
  readU32(addr: number): number;
  /** Reads a u64 as a Number (exact below 2^53; never negative); negative errno on fault. */
  readU64(addr: number): number;
  /** Writes a u32. Returns 0 or EFAULT. */
  writeU32(addr: number, value: number): number;
  /** Writes a 64-bit value given as a Number (two's complement). Returns 0 or EFAULT. */
  writeU64(addr: number, value: number): number;
  /** Writes `length` zero bytes. Returns bytes written or EFAULT. */
  zero(addr: number, length: number): number;
  /**
   * Atomically replaces the u32 at `addr` with `desired` if it equals `expected`. Returns the value found (unsigned),
   * or EFAULT. Atomic against application threads running on other processors.
   */
  compareExchangeU32(addr: number, expected: number, desired: number): number;
  /** Writes although the application itself may not (a debugger's POKE). Returns bytes written or EFAULT. */
  forceCopyOut(addr: number, src: Uint8Array, offset: number, length: number): number;
}

// ---------------------------------------------------------------------------------------------------------------
// Address spaces

export type MapSharing = 'private' | 'shared';

/** One change to an address space, for AddressSpace.apply(). All addresses and lengths page aligned. */
export type MapOp =
  | {
      op: 'map';
      addr: number;
      length: number;
      prot: number;
      sharing: MapSharing;
      fd: number;
      offset: number;
      flags: number;
    }
  | { op: 'unmap'; addr: number; length: number }
  | { op: 'protect'; addr: number; length: number; prot: number }
  | { op: 'remap'; addr: number; oldLength: number; newAddr: number; newLength: number; keepOld: boolean }
  | { op: 'advise'; addr: number; length: number; advice: number };

/** The half-open range of addresses an application may map, and where the platform left vvar/vdso. */
export interface AddressLayout {
  /** Lowest mappable address (mmap_min_addr). */
  readonly minAddr: number;
  /** One past the highest mappable address (TASK_SIZE). */
  readonly maxAddr: number;
  /** Ranges inside [minAddr, maxAddr) that the platform keeps (stub page); the application must not map them. */
  readonly reserved: readonly { start: number; end: number }[];
  readonly vdso: { start: number; end: number } | null;
  readonly vvar: { start: number; end: number } | null;
}

/**
 * One application address space: a host process holding nothing but application memory. It always has at least one
 * thread; `leader` is the first one.
 */
export interface AddressSpace {
  readonly memory: UserMemory;
  readonly layout: AddressLayout;
  /** Host process id, for logs and accounting only. */
  readonly hostPid: number;
  /** The thread the address space was born with (or forked with). */
  readonly leader: PlatformThread;
  /**
   * Maps [addr, addr+length): fixed, replacing what was there. fd -1 is anonymous memory, otherwise one of the
   * Sentry's own descriptors. `flags` may hold extra MAP_* (MAP_NORESERVE, MAP_GROWSDOWN...), never MAP_FIXED etc.
   * Returns 0 or errno (ENOMEM, EACCES, ENODEV...).
   */
  map(
    addr: number,
    length: number,
    prot: number,
    sharing: MapSharing,
    fd: number,
    offset: number,
    flags: number,
  ): number;
  unmap(addr: number, length: number): number;
  protect(addr: number, length: number, prot: number): number;
  /** mremap(MAYMOVE|FIXED) to newAddr (may equal addr to resize in place); keepOld = MREMAP_DONTUNMAP or old length 0. */
  remap(addr: number, oldLength: number, newAddr: number, newLength: number, keepOld: boolean): number;
  advise(addr: number, length: number, advice: number): number;
  /** msync(2) on the mapping. */
  sync(addr: number, length: number, flags: number): number;
  /**
   * Makes every running thread (on processor `cpu`; -1: on all) pass a memory barrier, a core-serialising instruction besides, or begin its
   * restartable sequence again. Returns 0 or errno.
   */
  barrier?(kind: 'memory' | 'core' | 'sequences', cpu: number): number;
  /** userfaultfd(2) over this address space, not blocking. Absent: the platform has none. */
  userFaults?(): UserFaults | Errno;
  /** Fills `out` with the words of /proc/pid/pagemap from `addr` on. Returns bytes filled or errno. */
  pagemap?(addr: number, out: Uint8Array): number;
  /** Fills `out` with mincore(2) bytes. */
  mincore(addr: number, length: number, out: Uint8Array): number;
  /** Performs several changes in order with as few stops as possible; stops at the first failure and returns it. */
  apply(ops: readonly MapOp[]): number;
  /** Copies the address space with all its memory as fork(2) does; the copy's leader has `from`'s registers and FPU state, stopped. */
  fork(from: PlatformThread): AddressSpace | Errno;
  /** Adds a thread, stopped, with a copy of `like`'s registers and FPU state. */
  newThread(like: PlatformThread): PlatformThread | Errno;
  /** Resident/virtual sizes in bytes as the host accounts them: writes [rss, shared, anonymous] into out; 0 or errno. */
  usage(out: Float64Array): number;
  /** Resident bytes of shared memory (memfds, not other files), or errno. */
  sharedMemory(): number;
  /** Kills and reaps the host process. Idempotent. */
  release(): void;
}

/**
 * A userfaultfd of the host over an address space. Only application code waits for pages: copies of the kernel's to and from a missing page
 * fail with EFAULT.
 */
export interface UserFaults {
  /** To be watched for EPOLLIN. */
  readonly fd: number;
  /** Reads whole struct uffd_msg; a thread is named by its hostTid. Returns bytes, EAGAIN or errno. */
  read(buffer: Uint8Array, length: number): number;
  /** An UFFDIO_* request other than UFFDIO_COPY; what the host answers is written to `argument`. Returns 0 or errno. */
  control(request: number, argument: Uint8Array): number;
  /** UFFDIO_COPY with `memory` as source. */
  copy(to: number, length: number, mode: number, from: number, memory: UserMemory): { result: number; copied: number };
  close(): void;
}

/** One application thread: one host thread of its address space's process. */
export interface PlatformThread {
  readonly addressSpace: AddressSpace;
  /** Valid while stopped. Writes (Registers.set) reach the thread when it resumes. */
  readonly registers: Registers;
  /** Set by the kernel: the Task this thread runs. */
  owner: unknown;
  readonly hostTid: number;
  /** True between an event (or birth) and resume(). */
  readonly isStopped: boolean;
  /** Lets the thread run application code until its next event. Precondition: stopped. */
  resume(): void;
  /** Single-steps one instruction, then reports a fault event with SIGTRAP (guest ptrace). Precondition: stopped. */
  step(): void;
  /** Hardware debug register 0..7 of a stopped thread (guest ptrace); absent: the platform has none. */
  getDebugRegister?(index: number): number;
  /** Sets one. Returns 0, or what Linux would (EINVAL, EIO, ENOSPC...). */
  setDebugRegister?(index: number, value: number): number;
  /** Restricts the thread to the processors whose bits are set (bit n of byte n/8); what it makes inherits that. Absent: the platform does not. */
  setAffinity?(mask: Uint8Array): void;
  /** Asks a running thread to stop: an `interrupted` (or another) event follows. No-op when stopped. Never blocks. */
  interrupt(): void;
  /**
   * Registers (or takes back) memory of the application as this thread's struct rseq with the host, which keeps its cpu_id; the
   * caller has checked everything but the host's opinion of the address. Absent: the platform has none. Returns 0 or errno.
   */
  setSequences?(addr: number, length: number, signature: number): number;
  unsetSequences?(): number;
  /**
   * Aborts the restartable sequence the stopped thread is in the middle of: its instruction pointer becomes the abort address.
   * Returns 0 (also when it is in none), or EFAULT when what the application says of it is wrong, which is to be its end.
   */
  abortSequence?(): number;
  /** XSAVE image (standard format, FXSAVE area first; xstate_bv at 512). Precondition: stopped. The view is valid until the next call. */
  getFpState(): Uint8Array;
  /** Installs an XSAVE image (sanitised by the platform: a hostile image is EINVAL, never a host fault). */
  setFpState(image: Uint8Array): number;
  /** Resets FPU/vector state to what execve leaves. */
  resetFpState(): void;
  /** Host comm (15 bytes), for `ps` and `top` on the host. */
  setName(comm: string): void;
  /** Makes the name show at once, not only with the next change of memory. Precondition: stopped. */
  showName?(): void;
  /** CPU time this thread has used, in ns, user part and system part as the host accounts them: out[0], out[1]. */
  cpuTimes(out: Float64Array): void;
  /** Ends the host thread (or parks it for reuse). The address space's process stays while it has other threads or is not released. */
  release(): void;
}

// ---------------------------------------------------------------------------------------------------------------
// Events

/** Nothing happened before the deadline. */
export const EVENT_TIMER = 0;
/** `thread` stopped at a system call: registers hold number (orig_rax) and arguments; rax is to be set by the kernel. */
export const EVENT_SYSCALL = 1;
/** `thread` stopped on a synchronous fault: signo, code, addr are set. */
export const EVENT_FAULT = 2;
/** `thread` stopped because interrupt() was called. */
export const EVENT_INTERRUPTED = 3;
/** `thread`'s host thread died on its own (host OOM kill, seccomp kill): the kernel treats it as SIGKILL. `signo` = how. */
export const EVENT_DIED = 4;
/** One or more host descriptors became ready and their listeners ran. */
export const EVENT_HOST = 5;

/** Reused object: valid until the next wait(). */
export interface PlatformEvent {
  kind: number;
  thread: PlatformThread | null;
  /** EVENT_FAULT: SIGSEGV, SIGBUS, SIGILL, SIGFPE or SIGTRAP with si_code and si_addr as the host reported them. */
  signo: number;
  code: number;
  addr: number;
}

/** Called inside Platform.wait() when a watched descriptor is ready. Must not block. */
export interface HostListener {
  /** `revents`: EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, EPOLLRDHUP. */
  onHostEvent(fd: number, revents: number): void;
}

export interface Platform {
  readonly name: string;
  /** A fresh address space: nothing mapped but what layout says; leader stopped, registers zero (segments valid), FPU reset. */
  newAddressSpace(nursery?: AddressSpace): AddressSpace | Errno;
  /**
   * A process for newAddressSpace() to make address spaces from instead of its own: what the host is told about it (cgroups) holds for all of
   * those, and for what is forked from them. It never runs application code; release() ends it.
   */
  newNursery(): AddressSpace | Errno;
  /**
   * Waits for the next event, until CLOCK_MONOTONIC `deadlineNs` (Infinity: for ever; 0 or past: just poll).
   * Returns the one reused event object.
   */
  wait(deadlineNs: number): PlatformEvent;
  /** Before work that may take long: threads resumed since the last wait() must not wait for the next one to really run. */
  settle(): void;
  /** Watches a host descriptor, level triggered unless mask has EPOLLET. One listener a descriptor. Returns 0 or errno (EPERM for files epoll cannot watch). */
  watch(fd: number, mask: number, listener: HostListener): number;
  /** Changes the mask of a watched descriptor (0: keep it registered but silent). */
  rewatch(fd: number, mask: number): number;
  unwatch(fd: number): number;
  /** Kills and reaps everything the platform started. Idempotent. */
  shutdown(): void;
}

// ---------------------------------------------------------------------------------------------------------------
// Host services: the few host calls that are not about application code. Implemented in platform/host over platform/ffi.

/** struct stat of a host descriptor, as plain Numbers. */
export interface HostStat {
  dev: number;
  ino: number;
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  rdev: number;
  size: number;
  blksize: number;
  blocks: number;
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
}

/** Calls on descriptors the Sentry already holds. All return >= 0 or a negative errno; none blocks for long. */
export interface HostFiles {
  read(fd: number, buf: Uint8Array, offset: number, length: number): number;
  write(fd: number, buf: Uint8Array, offset: number, length: number): number;
  /** As read() and write() on a pipe or socket, but never waiting, whatever the description's flags: EAGAIN. EOPNOTSUPP: the host cannot. */
  readNow(fd: number, buf: Uint8Array, offset: number, length: number): number;
  writeNow(fd: number, buf: Uint8Array, offset: number, length: number): number;
  pread(fd: number, buf: Uint8Array, offset: number, length: number, position: number): number;
  pwrite(fd: number, buf: Uint8Array, offset: number, length: number, position: number): number;
  ftruncate(fd: number, length: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  lseek(fd: number, offset: number, whence: number): number;
  fsync(fd: number, dataOnly: boolean): number;
  fstat(fd: number, out: HostStat): number;
  /** fcntl with an integer argument. */
  fcntl(fd: number, cmd: number, arg: number): number;
  /** ioctl with a buffer argument; the caller has checked that cmd is on its allow-list and buf is large enough. */
  ioctl(fd: number, cmd: number, buf: Uint8Array): number;
  /** Polls one descriptor without waiting: returns revents (POLL*), or errno. */
  poll(fd: number, events: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  /** A new memfd (CLOEXEC). Returns the descriptor. */
  memfdCreate(name: string): number;
  /** Bytes of memory that all memfds made here hold together. */
  memfdBytes(): number;
  /** [read end, write end] of a non-blocking CLOEXEC pipe into out; 0 or errno. */
  pipe(out: Int32Array): number;
  /** One SEQPACKET message. Returns its length, 0 at end of file; EAGAIN with MSG_DONTWAIT in flags. Received descriptors go to `fds` (CLOEXEC), their count to fds[0]. */
  recvmsg(fd: number, buf: Uint8Array, fds: Int32Array, flags: number): number;
  /** Sends one message with descriptors. Returns bytes sent or errno. */
  sendmsg(fd: number, buf: Uint8Array, length: number, fds: readonly number[], flags: number): number;
}

/** What came with a message from a host socket; reused from call to call. */
export interface HostReceived {
  /** The sender's address: the first addressLength bytes. */
  readonly address: Uint8Array;
  addressLength: number;
  /** Control messages (struct cmsghdr, padded) in the first controlLength bytes. */
  readonly control: Uint8Array;
  controlLength: number;
  /** msg_flags. */
  flags: number;
}

/**
 * Internet sockets of the host (--network=host). Every one is non-blocking and close-on-exec. The caller has checked families, options
 * and flags against its allow-lists. All return >= 0 or a negative errno; none blocks.
 */
export interface HostSockets {
  /** Sockets there may be at once, so that descriptors are left for everything else. */
  readonly maxSockets: number;
  open(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): number;
  connect(fd: number, address: Uint8Array): number;
  listen(fd: number, backlog: number): number;
  /** Takes a connection; its address goes to `from.address`. Returns the descriptor. */
  accept(fd: number, from: HostReceived): number;
  /** getsockname or getpeername into `out`. Returns the length. */
  name(fd: number, which: 'local' | 'peer', out: Uint8Array): number;
  shutdown(fd: number, how: number): number;
  /** Returns the length of the value. */
  getOption(fd: number, level: number, name: number, value: Uint8Array): number;
  setOption(fd: number, level: number, name: number, value: Uint8Array): number;
  /** Sends buf[0..length] with MSG_DONTWAIT and MSG_NOSIGNAL; at most 128 bytes of address and 1024 of control. */
  send(
    fd: number,
    buf: Uint8Array,
    length: number,
    address: Uint8Array | null,
    control: Uint8Array | null,
    flags: number,
  ): number;
  /** Receives into buf[0..length] with MSG_DONTWAIT. */
  receive(fd: number, buf: Uint8Array, length: number, flags: number, received: HostReceived): number;
}

/** Interfaces, addresses and routes: the bodies of RTM_NEWLINK, RTM_NEWADDR and RTM_NEWROUTE messages (after struct nlmsghdr). */
export interface NetworkView {
  readonly links: readonly Uint8Array[];
  readonly addresses: readonly Uint8Array[];
  readonly routes: readonly Uint8Array[];
}

/** The host's network, for a sandbox that uses it. */
export interface HostNetwork {
  readonly sockets: HostSockets;
  /** As it was when the sandbox started. */
  readonly view: NetworkView;
  /** Reads it again, once. */
  readonly refresh?: () => NetworkView;
}

export interface HostClock {
  /** CLOCK_MONOTONIC in ns (a Number: exact for 104 days of uptime, to 2 ns for the next 104). */
  monotonicNs(): number;
  /** CLOCK_BOOTTIME in ns. */
  boottimeNs(): number;
  /** CLOCK_REALTIME: out[0] = seconds, out[1] = nanoseconds. */
  realtime(out: Float64Array): void;
  /** Any other system-wide clock by its number (the coarse ones, CLOCK_MONOTONIC_RAW, CLOCK_TAI), as realtime(). */
  read?(clock: number, out: Float64Array): void;
  /** CPU time of the whole sandbox process in ns (the Sentry's own). */
  processCpuNs(): number;
}

export interface HostInfo {
  /** Number of processors the sandbox may use. */
  readonly cpuCount: number;
  /** Bytes of memory the sandbox may use (host total, or a configured or cgroup limit). */
  readonly memoryTotal: number;
  /** Bytes available now. */
  memoryAvailable(): number;
  /** Text of the host's /proc/cpuinfo taken at start. */
  readonly cpuinfo: string;
  /** Files of the host's /sys/devices/system/cpu/cpu0/cache/indexN (level, type, size...), in order of N. */
  readonly caches?: readonly Readonly<Record<string, string>>[];
  /** AT_HWCAP, AT_HWCAP2 and AT_PLATFORM to pass on. */
  readonly hwcap: number;
  readonly hwcap2: number;
  readonly platformName: string;
  /** Size in bytes of an XSAVE image on this machine. */
  readonly xsaveSize: number;
  /** XCR0 feature bits (low 32). */
  readonly xfeatures: number;
}

export interface HostServices {
  readonly files: HostFiles;
  readonly clock: HostClock;
  readonly info: HostInfo;
  /** Only with --network=host. */
  readonly network?: HostNetwork;
  /** Fills with bytes from the host's getrandom(2). */
  random(buf: Uint8Array): void;
  /** Writes a line to the sandbox's own debug log. */
  log(level: 'debug' | 'info' | 'warn' | 'error', message: string): void;
}
