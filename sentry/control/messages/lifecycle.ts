// SPDX-License-Identifier: Apache-2.0

/**
 * What the command line and a sandbox say to each other over their SOCK_SEQPACKET pair: one JSON object a message.
 *
 * Invariants: a message is at most MAX_MESSAGE bytes. The command line does not trust the Sentry: what does not decode is null.
 */
export const MAX_MESSAGE = 16384;

/** What the Sentry writes to a container's status file when it begins to run; its exit status follows. */
export const STATUS_STARTED = 'started ';

/** To the Sentry: a signal for the container. `target`: its init, or the terminal's foreground process group. */
export interface SignalMessage {
  readonly type: 'signal';
  readonly signo: number;
  readonly target: 'init' | 'foreground';
}

/** From the Sentry: the init process ended. `signo` 0: it exited with `status`. */
export interface ExitMessage {
  readonly type: 'exit';
  readonly status: number;
  readonly signo: number;
}

/** From the Sentry: it could not go on. One line, and the exit status that goes with it. */
export interface ErrorMessage {
  readonly type: 'error';
  readonly message: string;
  readonly status: number;
}

/** From the Sentry: init stopped (by job control) or the container runs. */
export interface StateMessage {
  readonly type: 'started' | 'stopped' | 'continued';
}

/** To the Sentry: the container is complete, the command line's end is not its end any more. */
export interface DetachMessage {
  readonly type: 'detach';
}

export type ToSentry = SignalMessage | DetachMessage;
export type FromSentry = ExitMessage | ErrorMessage | StateMessage;

export function encodeMessage(message: ToSentry | FromSentry): Uint8Array {
  return Buffer.from(JSON.stringify(message), 'utf8');
}

/** Decodes what the Sentry sent; null when it is not a message. */
export function decodeFromSentry(bytes: Uint8Array): FromSentry | null {
  const value = parse(bytes);
  if (value === null) return null;
  const { type, status, signo, message } = value;
  if (type === 'exit' && isSmall(status, 255) && isSmall(signo, 64)) return { type, status, signo };
  if (type === 'error' && typeof message === 'string' && isSmall(status, 255)) return { type, message: printable(message), status };
  if (type === 'started' || type === 'stopped' || type === 'continued') return { type };
  return null;
}

/** Decodes what the command line sent; null when it is not a message. */
export function decodeToSentry(bytes: Uint8Array): ToSentry | null {
  const value = parse(bytes);
  if (value === null) return null;
  const { type, signo, target } = value;
  if (type === 'detach') return { type };
  if (type === 'signal' && isSmall(signo, 64) && (target === 'init' || target === 'foreground')) return { type, signo, target };
  return null;
}

function parse(bytes: Uint8Array): Record<string, unknown> | null {
  if (bytes.length > MAX_MESSAGE) return null;
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function isSmall(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
}

/** No control characters: the text goes to a terminal. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 4096);
}
