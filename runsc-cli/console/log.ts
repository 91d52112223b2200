// SPDX-License-Identifier: Apache-2.0

/**
 * The runtime's own messages: errors to --log (as runc writes them, one object a line) and standard error, debug messages to
 * --debug-log. Structured lines are pino's, with a synchronous destination; pino is loaded only when there is a line for it.
 */
import type { pino } from 'pino';
import { open, write } from '../../platform/ffi/lifecycle.ts';
import { errnoWords, RunscError } from '../errors.ts';

declare const require: (name: string) => unknown;

const O_WRONLY_CREAT_APPEND_CLOEXEC = 1 | 0o100 | 0o2000 | 0o2000000;
const STDERR = 2;

/** Longer messages are cut: what a hook printed is worth showing, a megabyte of somebody's argument is not. */
const MAX_MESSAGE = 16384;

export interface LogSettings {
  readonly log: string | null;
  readonly logFormat: 'text' | 'json';
  readonly debug: boolean;
  readonly debugLog: string | null;
}

export type Level = 'debug' | 'info' | 'warn' | 'error';

export class RuntimeLog {
  private readonly settings: LogSettings;
  private errorFd = -1;
  /** Where debug messages go; -1: nowhere. Inherited by the Sentry and the Gofer. */
  readonly debugFd: number;
  private logger: pino.Logger | null = null;

  /** Opens the files. Throws RunscError. */
  constructor(settings: LogSettings, wantsDebug: boolean) {
    this.settings = settings;
    if (settings.log !== null) this.errorFd = openLog(settings.log);
    this.debugFd = settings.debugLog !== null ? openLog(settings.debugLog) : wantsDebug ? STDERR : -1;
    // Loaded before any fork, so that the children have it too.
    if (this.debugFd >= 0) this.logger = makeLogger(this.debugFd);
  }

  /** A message for whoever debugs the runtime. */
  debug(level: Level, message: string): void {
    this.logger?.[level](message);
  }

  /** The one line that says why a command failed: standard error, and --log. */
  error(text: string): void {
    const message = text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}... (${text.length} characters)`;
    // One line, whatever is quoted in it.
    const shown = message.replace(/\n+$/, '').replace(/[\x00-\x1f\x7f]/g, (char) => JSON.stringify(char).slice(1, -1));
    write(STDERR, Buffer.from(`runsc-ts: ${shown}\n`));
    if (this.errorFd < 0) return;
    const time = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    const line = this.settings.logFormat === 'json' ? JSON.stringify({ level: 'error', msg: message, time }) : `time="${time}" level=error msg=${JSON.stringify(message)}`;
    write(this.errorFd, Buffer.from(`${line}\n`));
  }
}

function openLog(path: string): number {
  const fd = open(path, O_WRONLY_CREAT_APPEND_CLOEXEC, 0o644);
  if (fd < 0) throw new RunscError(`log file ${path}: ${errnoWords(fd)}`);
  return fd;
}

function makeLogger(fd: number): pino.Logger {
  // The bundle's own require: loading node:module for createRequire would cost more than the rest of a start without logs.
  const load = require('pino') as typeof pino;
  const destination = { write: (line: string): void => void write(fd, Buffer.from(line)) };
  return load({ level: 'debug', base: null, messageKey: 'msg', timestamp: () => `,"time":"${new Date().toISOString()}"`, formatters: { level: (label) => ({ level: label }) } }, destination);
}
