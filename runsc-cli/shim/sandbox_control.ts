// SPDX-License-Identifier: Apache-2.0

/**
 * Asks a running sandbox something without standing still until it answers.
 */
import { poll } from '../../platform/ffi/lifecycle.ts';
import type { Command, Reply } from '../../sentry/control/messages/commands.ts';
import { ANSWER_MS, ControlClient } from '../container/control_client.ts';
import { RunscError } from '../errors.ts';

const POLLIN = 1;
const MAX_PAUSE_MS = 8;

/** Null: the sandbox is gone, or does not answer. Rejects with RunscError when it refuses. */
export async function askSandbox(directory: string, command: Command): Promise<Reply | null> {
  const client = ControlClient.connect(directory);
  if (client === null) return null;
  try {
    client.send(command);
    const reply = await answerOf(client);
    if (reply?.type === 'failed') throw new RunscError(reply.message);
    return reply;
  } finally {
    client.close();
  }
}

/** The next answer on a connection; null: the sandbox is gone, or does not answer. */
export async function answerOf(client: ControlClient): Promise<Reply | null> {
  const deadline = Date.now() + ANSWER_MS;
  for (let pause = 0; poll([{ fd: client.fd, events: POLLIN, revents: 0 }], 0) === 0; pause = Math.min(MAX_PAUSE_MS, pause + 1)) {
    if (Date.now() > deadline) return null;
    await new Promise<void>((resolve) => (pause === 0 ? setImmediate(resolve) : setTimeout(resolve, pause)));
  }
  return client.receive(0);
}
