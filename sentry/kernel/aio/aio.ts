// SPDX-License-Identifier: Apache-2.0

/**
 * Native asynchronous I/O: contexts, their rings in application memory, and what is still under way in them.
 *
 * Linux:      fs/aio.c
 * Invariants: the ring is a memfd mapped into the application; the head in it belongs to whoever takes events (libaio does it without
 *             a system call), so it is hostile and read anew each time; tail and size are kept here and only shown there.
 */
import { EAGAIN, ENOMEM, EINVAL } from '../../../platform/abi/linux/errno.ts';
import type { HostFiles } from '../../../platform/platform.ts';
import { mapRegion } from '../../mm/mmap.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';
import { SharedRegion, VM_DONTEXPAND } from '../../mm/vma.ts';
import { WaitQueue } from '../../wait/wait_queue.ts';
import type { Task } from '../task.ts';

const PAGE_SIZE = 4096;
const HEADER = 32;
/** sizeof(struct io_event). */
export const EVENT_SIZE = 32;
const AIO_RING_MAGIC = 0xa10a10a1;
const PROT_RW = 3;
/** Contexts of one address space: each costs the Sentry a descriptor. */
const MAX_CONTEXTS = 64;

/** sysctl fs.aio-max-nr and what is reserved of it. */
export const aioLimits = { max: 65536, used: 0 };

/** A request that goes on after io_submit. */
export interface PendingRequest {
  /** Address of its struct iocb. */
  readonly iocb: number;
  /** Ends it early: it completes. */
  cancel(): void;
}

export class AioContext {
  /** As io_setup was asked. */
  readonly maxRequests: number;
  readonly region = new SharedRegion('/[aio] (deleted)');
  /** Woken when events arrive or the context dies. */
  readonly queue = new WaitQueue();
  readonly pending = new Set<PendingRequest>();
  /** Submissions that are being carried out. */
  inFlight = 0;
  isDead = false;
  private readonly files: HostFiles;
  private readonly fd: number;
  /** Slots of the ring; one stays empty. */
  readonly slots: number;
  private tail = 0;
  private readonly scratch = new Uint8Array(EVENT_SIZE);
  private readonly words = new Uint32Array(this.scratch.buffer);

  constructor(files: HostFiles, fd: number, maxRequests: number, slots: number) {
    this.files = files;
    this.fd = fd;
    this.maxRequests = maxRequests;
    this.slots = slots;
    aioLimits.used += maxRequests;
  }

  /** Where the next event is taken from; a nonsensical value counts as an empty ring's. */
  get head(): number {
    if (this.files.pread(this.fd, this.scratch, 0, 4, 8) !== 4) return this.tail;
    const head = this.words[0] as number;
    return head % this.slots;
  }
  /** Events nobody has taken. */
  get unread(): number {
    return (this.tail - this.head + this.slots) % this.slots;
  }
  /** Is there room for one more request's event? */
  get hasRoom(): boolean {
    return this.unread + this.inFlight + this.pending.size < this.slots - 1;
  }

  /** Shows a 32-bit field of the ring's header. */
  private putWord(at: number, value: number): void {
    this.words[0] = value;
    this.files.pwrite(this.fd, this.scratch, 0, 4, at);
  }
  initialise(index: number): void {
    const header = new Uint32Array([index, this.slots, 0, 0, AIO_RING_MAGIC, 1, 0, HEADER]);
    this.files.pwrite(this.fd, new Uint8Array(header.buffer), 0, HEADER, 0);
  }

  /** Adds an event: the first 16 bytes of `event` are its data and object. */
  complete(event: Uint8Array, result: number): void {
    this.scratch.fill(0);
    this.scratch.set(event.subarray(0, 16));
    const hi = Math.floor(result / 4294967296);
    this.words[4] = result - hi * 4294967296;
    this.words[5] = hi;
    this.files.pwrite(this.fd, this.scratch, 0, EVENT_SIZE, HEADER + this.tail * EVENT_SIZE);
    this.tail = (this.tail + 1) % this.slots;
    this.putWord(12, this.tail);
    this.queue.wake();
  }

  /** Copies up to `count` events into the application's array. Returns how many, or EFAULT. */
  take(t: Task, addr: number, count: number): number {
    let head = this.head;
    const available = Math.min(count, (this.tail - head + this.slots) % this.slots);
    if (available <= 0) return 0;
    let done = 0;
    while (done < available) {
      const n = Math.min(available - done, this.slots - head, 128);
      const chunk = new Uint8Array(n * EVENT_SIZE);
      this.files.pread(this.fd, chunk, 0, chunk.length, HEADER + head * EVENT_SIZE);
      const copied = t.memory.copyOut(addr + done * EVENT_SIZE, chunk, 0, chunk.length);
      if (copied !== chunk.length) return copied < 0 ? copied : -14;
      head = (head + n) % this.slots;
      done += n;
    }
    this.putWord(8, head);
    return done;
  }

  /** Cancels what can be and lets go. Idempotent. */
  destroy(): void {
    if (this.isDead) return;
    this.isDead = true;
    aioLimits.used -= this.maxRequests;
    for (const request of [...this.pending]) request.cancel();
    this.queue.wake();
    this.files.close(this.fd);
  }
}

/** The contexts of an address space. */
export class AioTable {
  private readonly contexts = new Map<number, AioContext>();
  private lastIndex = 0;

  add(context: AioContext): number {
    let index = this.lastIndex;
    while (this.contexts.has(index)) index++;
    this.contexts.set(index, context);
    this.lastIndex = 0;
    return index;
  }
  get size(): number {
    return this.contexts.size;
  }
  get(index: number): AioContext | null {
    return this.contexts.get(index) ?? null;
  }
  remove(context: AioContext): void {
    for (const [index, other] of this.contexts) if (other === context) this.contexts.delete(index);
  }
  release(): void {
    for (const context of this.contexts.values()) context.destroy();
    this.contexts.clear();
  }
}

function tableOf(mm: MemoryManager): AioTable {
  mm.aio ??= new AioTable();
  return mm.aio as AioTable;
}

/** Makes a context for `count` requests. Returns its id (the ring's address). Errors: EINVAL, EAGAIN, ENOMEM. */
export function createContext(t: Task, count: number): number {
  if (count * 2 > 0x10000000 / EVENT_SIZE) return EINVAL;
  if (count === 0 || count > aioLimits.max) return EAGAIN;
  const table = tableOf(t.mm);
  if (aioLimits.used + count > aioLimits.max || table.size >= MAX_CONTEXTS) return EAGAIN;
  // Linux: room for every processor to take requests in batches.
  const cpus = t.kernel.host.info.cpuCount;
  const wanted = Math.max(count, cpus * 4) * 2 + 2;
  const length = Math.ceil((HEADER + wanted * EVENT_SIZE) / PAGE_SIZE) * PAGE_SIZE;
  const { files } = t.kernel.host;
  const fd = files.memfdCreate('aio');
  if (fd < 0) return ENOMEM;
  if (files.ftruncate(fd, length) < 0) {
    files.close(fd);
    return ENOMEM;
  }
  const context = new AioContext(files, fd, count, Math.floor((length - HEADER) / EVENT_SIZE));
  const { region } = context;
  const addr = mapRegion(
    t.mm,
    { addr: 0, length, prot: PROT_RW, flags: 0, region, fd, isWritable: true },
    t.memoryLimits,
  );
  if (addr < 0) {
    context.destroy();
    return addr === EAGAIN ? EAGAIN : ENOMEM;
  }
  t.mm.vmas.update(addr, addr + length, (vma) => {
    vma.flags |= VM_DONTEXPAND;
  });
  context.initialise(table.add(context));
  return addr;
}

/** The context with this id; null: none. The ring may have been moved with mremap(2): its address is the id. */
export function findContext(t: Task, id: number): AioContext | null {
  const table = t.mm.aio as AioTable | null;
  if (table === null) return null;
  const index = t.memory.readU32(id);
  if (index < 0) return null;
  const context = table.get(index);
  const vma = t.mm.vmas.find(id);
  if (context === null || vma === null || vma.region !== context.region || vma.start !== id) return null;
  return context;
}

/** Ends a context and unmaps its ring. */
export function destroyContext(t: Task, id: number, context: AioContext): void {
  (t.mm.aio as AioTable).remove(context);
  const vma = t.mm.vmas.find(id);
  context.destroy();
  if (vma !== null) t.mm.munmap(id, vma.end - id);
}
