// SPDX-License-Identifier: Apache-2.0

/**
 * userfaultfd: page faults told to the application. The host keeps the waiting threads; this is its descriptor in the application's hands.
 *
 * Linux:      fs/userfaultfd.c; userfaultfd(2), ioctl_userfaultfd(2)
 * Invariants: no feature that makes a change of the map wait for the application (see UserFaults).
 */
import { EAGAIN, EFAULT, EINVAL } from '../../../platform/abi/linux/errno.ts';
import { O_NONBLOCK, O_RDONLY } from '../../../platform/abi/linux/fcntl.ts';
import { EPOLLERR, EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import * as uffd from '../../../platform/abi/linux/userfaultfd.ts';
import type { UserFaults } from '../../../platform/platform.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Task } from '../../kernel/task.ts';
import type { MemoryManager } from '../../mm/memory_manager.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { IoSequence } from '../../vfs/io.ts';
import { WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { AnonFile } from './anon_file.ts';

/** Events of the map would stop the kernel; moving pages is not passed on. */
const REFUSED =
  uffd.UFFD_FEATURE_EVENT_FORK |
  uffd.UFFD_FEATURE_EVENT_REMAP |
  uffd.UFFD_FEATURE_EVENT_REMOVE |
  uffd.UFFD_FEATURE_EVENT_UNMAP |
  uffd.UFFD_FEATURE_MOVE;
/** All there are: bits 0 to 16. */
const FEATURES = 0x1ffff & ~REFUSED;
const MOVE_BIT = 1 << 5;
const POLLIN = 1;

/** Sizes of the structures that are passed on as they are. */
const PLAIN: Readonly<Record<number, number>> = {
  [uffd.UFFDIO_REGISTER]: 32,
  [uffd.UFFDIO_UNREGISTER]: 16,
  [uffd.UFFDIO_WAKE]: 16,
  [uffd.UFFDIO_ZEROPAGE]: 32,
  [uffd.UFFDIO_WRITEPROTECT]: 24,
  [uffd.UFFDIO_CONTINUE]: 32,
  [uffd.UFFDIO_POISON]: 32,
};
/** offsetof() of what the host writes back, from there to the end. */
const RESULT: Readonly<Record<number, number>> = {
  [uffd.UFFDIO_REGISTER]: 24,
  [uffd.UFFDIO_ZEROPAGE]: 24,
  [uffd.UFFDIO_CONTINUE]: 24,
  [uffd.UFFDIO_POISON]: 24,
};

const argument = new Uint8Array(40);
const view = new DataView(argument.buffer);
const MESSAGES = 64;
const messages = new Uint8Array(uffd.UFFD_MSG_SIZE * MESSAGES);
const messageView = new DataView(messages.buffer);

function field(at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 4294967296;
}

export class UserFaultFile extends AnonFile {
  private readonly kernel: Kernel;
  private readonly mm: MemoryManager;
  private readonly faults: UserFaults;
  private hasApi = false;
  private isWatched = false;

  constructor(t: Task, faults: UserFaults, flags: number) {
    super('[userfaultfd]', O_RDONLY | (flags & O_NONBLOCK), t.creds);
    this.kernel = t.kernel;
    this.mm = t.mm;
    this.faults = faults;
  }

  protected override release(): void {
    if (this.isWatched) this.kernel.platform.unwatch(this.faults.fd);
    this.faults.close();
    super.release();
  }

  override read(ctx: IoContext, io: IoSequence): number {
    if (!this.hasApi) return EINVAL;
    const room = Math.min(Math.floor(io.remaining / uffd.UFFD_MSG_SIZE), MESSAGES);
    if (room === 0) return EINVAL;
    const n = this.faults.read(messages, room * uffd.UFFD_MSG_SIZE);
    if (n === EAGAIN) {
      this.watch();
      return WOULD_BLOCK;
    }
    for (let at = 0; at < n; at += uffd.UFFD_MSG_SIZE) this.translate(ctx as Task, at);
    return n > 0 ? io.put(messages, 0, n) : n;
  }

  /** The host's thread id becomes the application's. */
  private translate(t: Task, at: number): void {
    const ptid = messageView.getUint32(at + uffd.UFFD_MSG_PTID, true);
    if (messages[at] !== uffd.UFFD_EVENT_PAGEFAULT || ptid === 0) return;
    let shown = 0;
    for (const task of this.kernel.tasks.values())
      if (task.mm === this.mm && task.thread?.hostTid === ptid) shown = task.tidIn(t.pidNs);
    messageView.setUint32(at + uffd.UFFD_MSG_PTID, shown, true);
  }

  override poll(): number {
    if (!this.hasApi || (this.flags & O_NONBLOCK) === 0) return EPOLLERR;
    const ready = this.kernel.host.files.poll(this.faults.fd, POLLIN);
    if (ready > 0) return (ready & POLLIN) !== 0 ? EPOLLIN : EPOLLERR;
    this.watch();
    return 0;
  }

  /** One-shot: asked again each time somebody waits. */
  private watch(): void {
    if (this.isWatched) return;
    const { platform } = this.kernel;
    const onHostEvent = (fd: number): void => {
      platform.unwatch(fd);
      this.isWatched = false;
      this.waitQueue.wake(EPOLLIN);
    };
    this.isWatched = platform.watch(this.faults.fd, POLLIN, { onHostEvent }) >= 0;
  }

  override ioctl(ctx: IoContext, cmd: number, arg: number): number {
    if (cmd === uffd.UFFDIO_API) return this.negotiate(ctx, arg);
    if (!this.hasApi) return EINVAL;
    if (cmd === uffd.UFFDIO_COPY) return this.copy(ctx, arg);
    const size = PLAIN[cmd];
    if (size === undefined) return EINVAL;
    const bytes = argument.subarray(0, size);
    if (ctx.memory.copyIn(arg, bytes, 0, size) !== size) return EFAULT;
    const result = this.faults.control(cmd, bytes);
    const from = RESULT[cmd];
    if (from === undefined) return result;
    if (cmd === uffd.UFFDIO_REGISTER) {
      if (result < 0) return result;
      view.setUint32(24, view.getUint32(24, true) & ~MOVE_BIT, true);
    }
    return ctx.memory.copyOut(arg + from, argument, from, size - from) === size - from ? result : EFAULT;
  }

  private negotiate(ctx: IoContext, arg: number): number {
    if (ctx.memory.copyIn(arg, argument, 0, 24) !== 24) return EFAULT;
    let result: number = EINVAL;
    if (field(0) === uffd.UFFD_API && field(8) <= FEATURES && (field(8) & ~FEATURES) === 0)
      result = this.faults.control(uffd.UFFDIO_API, argument.subarray(0, 24));
    if (result < 0) {
      argument.fill(0, 0, 24);
      ctx.memory.copyOut(arg, argument, 0, 24);
      return result;
    }
    this.hasApi = true;
    view.setUint32(8, view.getUint32(8, true) & FEATURES, true);
    view.setUint32(12, 0, true);
    return ctx.memory.copyOut(arg, argument, 0, 24) === 24 ? 0 : EFAULT;
  }

  private copy(ctx: IoContext, arg: number): number {
    // The result is not read.
    if (ctx.memory.copyIn(arg, argument, 0, 32) !== 32) return EFAULT;
    const [to, from, length, mode] = [field(0), field(8), field(16), field(24)];
    if (from + length <= from || mode > 3) return EINVAL;
    const { result, copied } = this.faults.copy(to, length, mode, from, ctx.memory);
    return ctx.memory.writeU64(arg + 32, copied) === 0 ? result : EFAULT;
  }
}
