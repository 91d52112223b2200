// SPDX-License-Identifier: Apache-2.0

/**
 * /run/notify/notify.sock: where the container's service says that it is ready. The socket is the Sentry's; what it hears goes to the commands
 * that asked, which tell the service manager outside.
 *
 * systemd: sd_notify(3)
 */
import { SOCK_DGRAM } from '../../platform/abi/linux/socket.ts';
import type { Peer } from '../../sentry/control/control_server.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { newIncoming } from '../../sentry/net/socket.ts';
import { UnixSocket } from '../../sentry/net/unix/unix_socket.ts';
import { CallbackTimer } from '../../sentry/time/timer_heap.ts';
import type { IoContext } from '../../sentry/vfs/context.ts';
import { BufferIo } from '../../sentry/vfs/io.ts';
import type { Waiter } from '../../sentry/wait/wait_queue.ts';
import { EXIT_OWN_FAILURE } from '../errors.ts';
import { NOTIFY_PATH } from '../sandbox/config.ts';
import { StartError } from './start_error.ts';

const AF_UNIX = 1;
/** As much of a message as is looked at. */
const MAX_MESSAGE = 4096;
/** Messages taken at a time: a flood must not keep the kernel from its work. */
const MAX_AT_ONCE = 64;

export class NotifySocket implements Waiter {
  private readonly kernel: Kernel;
  private readonly ctx: IoContext;
  private readonly socket: UnixSocket;
  private readonly waiting = new Set<Peer>();
  private readonly buffer = Buffer.alloc(MAX_MESSAGE);
  private isReady = false;
  private readonly timer: CallbackTimer;

  /** Binds the socket. `ctx`: the container's root. Throws StartError. */
  constructor(kernel: Kernel, ctx: IoContext) {
    this.kernel = kernel;
    this.ctx = ctx;
    this.socket = new UnixSocket(ctx, SOCK_DGRAM);
    const result = this.socket.bind(ctx, Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(`${NOTIFY_PATH}\0`)]));
    if (result !== 0) throw new StartError(`${NOTIFY_PATH}: errno ${-result}`, EXIT_OWN_FAILURE);
    this.timer = new CallbackTimer(() => this.take());
    this.socket.waitQueue.add(this);
  }

  /** Tells `peer` once the service is ready. True: it is. */
  ask(peer: Peer): boolean {
    if (this.isReady) return true;
    this.waiting.add(peer);
    peer.onClose = () => this.waiting.delete(peer);
    return false;
  }

  /** Something came: taken at the kernel's next turn, not in the middle of the sender's. */
  notify(): boolean {
    this.again();
    return true;
  }

  private again(): void {
    this.kernel.timers.arm(this.timer, this.kernel.clock.monotonicNs());
  }

  private take(): void {
    for (let i = 0; i < MAX_AT_ONCE; i++) {
      const io = new BufferIo(this.buffer);
      const message = newIncoming(io);
      const n = this.socket.receiveMessage(this.ctx, message);
      if (n < 0) return;
      // The descriptor of a barrier: closing it is the answer.
      for (const file of message.files ?? []) file.decRef();
      if (this.buffer.toString('latin1', 0, io.position).split('\n').includes('READY=1')) this.becomeReady();
    }
    this.again();
  }

  private becomeReady(): void {
    this.isReady = true;
    for (const peer of this.waiting) peer.send({ type: 'notified' });
    this.waiting.clear();
  }
}
