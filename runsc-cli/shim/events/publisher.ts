// SPDX-License-Identifier: Apache-2.0

/**
 * Tells containerd what happened: in order, over its ttrpc socket, or through the program that it named.
 *
 * Invariants: events of one shim arrive in the order they happened. While containerd is away (it restarts) they wait, up to a limit.
 */
import { spawn } from 'node:child_process';
import { EVENTS, type EventName, ForwardRequest, TOPICS } from '../protocol/event_messages.ts';
import type { Sparse } from '../protocol/message.ts';
import { Any, type Instant, now } from '../protocol/well_known.ts';
import type { Reaper } from '../reaper.ts';
import { ended } from '../runtime_command.ts';
import { TtrpcClient } from '../ttrpc/client.ts';
import { StatusError } from '../ttrpc/status.ts';

const CALL_MS = 5000;
const MAX_QUEUE = 2048;
const ATTEMPTS = 30;
const RETRY_MS = 500;

interface Pending {
  readonly topic: string;
  readonly typeUrl: string;
  readonly value: Uint8Array;
  readonly at: Instant;
}

export interface PublisherSettings {
  readonly namespace: string;
  /** containerd's ttrpc socket; '': none. */
  readonly ttrpcAddress: string;
  readonly address: string;
  readonly publishBinary: string;
}

export class Publisher {
  private readonly settings: PublisherSettings;
  private readonly reaper: Reaper;
  private readonly log: (message: string) => void;
  private readonly client: TtrpcClient | null;
  private readonly queue: Pending[] = [];
  private sending: Promise<void> | null = null;

  constructor(settings: PublisherSettings, reaper: Reaper, log: (message: string) => void) {
    this.settings = settings;
    this.reaper = reaper;
    this.log = log;
    this.client = settings.ttrpcAddress === '' ? null : new TtrpcClient(settings.ttrpcAddress.replace(/^unix:\/\//, ''));
  }

  /** Queues an event. */
  publish<N extends EventName>(name: N, value: Sparse<ReturnType<(typeof EVENTS)[N]['decode']>>): void {
    if (this.client === null && this.settings.address === '') return;
    if (this.queue.length >= MAX_QUEUE) {
      this.queue.shift();
      this.log('too many events wait: the oldest is dropped');
    }
    const encode = EVENTS[name].encode as (value: unknown) => Uint8Array;
    this.queue.push({ topic: TOPICS[name], typeUrl: `containerd.events.${name}`, value: encode(value), at: now() });
    this.sending ??= this.send().finally(() => (this.sending = null));
  }

  /** Resolves when nothing waits any more. */
  async drained(): Promise<void> {
    while (this.sending !== null) await this.sending;
    this.client?.close();
  }

  private async send(): Promise<void> {
    for (let event = this.queue[0]; event !== undefined; event = this.queue[0]) {
      for (let attempt = 1; ; attempt++) {
        const why = await this.forward(event).then(() => '', (error: unknown) => (error as Error).message);
        if (why === '') break;
        if (attempt < ATTEMPTS) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        else {
          this.log(`event ${event.topic} is lost: ${why}`);
          break;
        }
      }
      this.queue.shift();
    }
  }

  private async forward(event: Pending): Promise<void> {
    const { namespace } = this.settings;
    const { topic, typeUrl, value, at } = event;
    if (this.client === null) return this.forwardByProgram(event);
    const payload = ForwardRequest.encode({ envelope: { timestamp: at, namespace, topic, event: { typeUrl, value } } });
    try {
      await this.client.call('containerd.services.events.ttrpc.v1.Events', 'Forward', payload, CALL_MS);
    } catch (error) {
      // It was understood and refused: another attempt would be too.
      if (!(error instanceof StatusError) || error.code === 4) throw error;
      this.log(`event ${topic}: ${error.message}`);
    }
  }

  private async forwardByProgram({ topic, typeUrl, value }: Pending): Promise<void> {
    const { publishBinary, address, namespace } = this.settings;
    const child = spawn(publishBinary, ['--address', address, 'publish', '--topic', topic, '--namespace', namespace], { stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.on('error', () => {});
    child.stdin.end(Any.encode({ typeUrl, value }));
    const why = await ended(this.reaper, child);
    if (why !== '') throw new Error(why);
  }
}
