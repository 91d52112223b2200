// SPDX-License-Identifier: Apache-2.0

/** Owed: canonical editing and its echo, end of file, signals, raw mode, output processing, bounds, hang-up. */
import { describe, expect, it } from 'vitest';
import { ECHO, ICANON, ISIG, IXON, ONLCR } from '../../../platform/abi/linux/termios.ts';
import { WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { EPOLLHUP, EPOLLIN } from '../../../platform/abi/linux/poll.ts';
import type { ProcessGroup, Session } from '../../kernel/process/process_group.ts';
import { BufferIo } from '../../vfs/io.ts';
import { Pty } from './pty.ts';

const signals: number[] = [];

function open(): Pty {
  const kernel = {
    signalProcessGroup: (_group: ProcessGroup, signo: number) => signals.push(signo),
    isBlockedOrIgnored: () => false,
  };
  const pty = new Pty(0, kernel, () => WOULD_BLOCK);
  pty.session = { foreground: {}, leader: null } as unknown as Session;
  return pty;
}
const type = (pty: Pty, text: string): void => pty.input.receive(Buffer.from(text, 'latin1'));
function line(pty: Pty, length = 4096): string | number {
  const buf = Buffer.alloc(length);
  const n = pty.input.read(new BufferIo(buf));
  return n < 0 ? n : buf.toString('latin1', 0, n);
}
function screen(pty: Pty): string {
  const buf = Buffer.alloc(65536);
  return buf.toString('latin1', 0, pty.output.read(new BufferIo(buf)));
}

describe('canonical mode', () => {
  it('gives whole lines, one a read, with echo', () => {
    const pty = open();
    type(pty, 'hel');
    expect(line(pty)).toBe(WOULD_BLOCK);
    type(pty, 'lo\rtwo\n');
    expect(line(pty, 3)).toBe('hel');
    expect(line(pty)).toBe('lo\n');
    expect(line(pty)).toBe('two\n');
    expect(screen(pty)).toBe('hello\r\ntwo\r\n');
  });
  it('erases characters, words and lines on the screen too', () => {
    const pty = open();
    type(pty, 'ab\x7fc d\x17e\n');
    expect(line(pty)).toBe('ac e\n');
    expect(screen(pty)).toBe('ab\b \bc d\b \be\r\n');
    type(pty, 'xyz\x15q\x16\x03\n');
    expect(line(pty)).toBe('q\x03\n');
    expect(screen(pty)).toBe('xyz\b \b\b \b\b \bq^\b^C\r\n');
  });
  it('makes VEOF an end of file or a flush', () => {
    const pty = open();
    type(pty, 'part\x04');
    expect(line(pty)).toBe('part');
    type(pty, '\x04');
    expect(line(pty)).toBe('');
    expect(line(pty)).toBe(WOULD_BLOCK);
  });
  it('does not grow without bound', () => {
    const pty = open();
    for (let i = 0; i < 100; i++) type(pty, 'x'.repeat(1000));
    type(pty, '\n');
    expect((line(pty, 100000) as string).length).toBe(4096);
    for (let i = 0; i < 100000; i++) type(pty, 'y\n');
    expect(pty.input.available).toBeLessThanOrEqual(65536);
    expect(pty.output.available).toBeLessThanOrEqual(65536);
  });
});

describe('signals and flow', () => {
  it('sends INTR to the foreground group and drops what was typed', () => {
    const pty = open();
    type(pty, 'gone\x03');
    expect(signals.pop()).toBe(2);
    type(pty, 'kept\n');
    expect(line(pty)).toBe('kept\n');
  });
  it('stops and starts output', () => {
    const pty = open();
    type(pty, '\x13');
    expect(pty.isStopped).toBe(true);
    type(pty, '\x11');
    expect(pty.isStopped).toBe(false);
  });
});

describe('raw mode', () => {
  it('passes bytes as they come', () => {
    const pty = open();
    pty.termios.lflag &= ~(ICANON | ECHO | ISIG);
    pty.termios.iflag &= ~IXON & ~0o400;
    type(pty, 'a\x03\r\n');
    expect(line(pty)).toBe('a\x03\r\n');
    expect(screen(pty)).toBe('');
  });
  it('reads half a line left from canonical mode', () => {
    const pty = open();
    type(pty, 'half');
    const raw = pty.termios.encode(36);
    Buffer.from(raw.buffer).writeUInt32LE(pty.termios.lflag & ~ICANON, raw.byteOffset + 12);
    pty.setTermios(raw);
    expect(line(pty)).toBe('half');
  });
});

describe('output', () => {
  it('turns newlines into return and newline unless told not to', () => {
    const pty = open();
    pty.output.write(Buffer.from('a\nb'));
    expect(screen(pty)).toBe('a\r\nb');
    pty.termios.oflag &= ~ONLCR;
    pty.output.write(Buffer.from('a\nb'));
    expect(screen(pty)).toBe('a\nb');
  });
  it('hangs up the slave when the master goes, and the master when the slaves go', () => {
    const pty = open();
    pty.slaveOpened();
    pty.slaveClosed();
    expect(pty.masterPoll() & (EPOLLHUP | EPOLLIN)).toBe(EPOLLHUP);
    pty.masterClosed();
    expect(pty.slavePoll() & EPOLLHUP).toBe(EPOLLHUP);
  });
});
