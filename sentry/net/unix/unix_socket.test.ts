// SPDX-License-Identifier: Apache-2.0

/** Owed: streams with end of file and EPIPE, packet boundaries, backlog, buffer limits, SCM_RIGHTS boundaries and cycles. */
import { describe, expect, it } from 'vitest';
import { ECONNREFUSED, EMSGSIZE, EPIPE, WOULD_BLOCK } from '../../../platform/abi/linux/errno.ts';
import { EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from '../../../platform/abi/linux/poll.ts';
import { MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from '../../../platform/abi/linux/socket.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import { BufferIo } from '../../vfs/io.ts';
import { newIncoming, newOutgoing } from '../socket.ts';
import { inFlightTotal } from './in_flight.ts';
import { type UnixSocket, unixFamily, unixSockets } from './unix_socket.ts';

const signals: number[] = [];
const ctx = {
  creds: rootCredentials(new UserNamespace()),
  lockOwnerPid: 1,
  raiseSignal: (n: number) => signals.push(n),
} as unknown as Task;

function pair(type: number): [UnixSocket, UnixSocket] {
  return unixFamily.pair?.(ctx, type, 0) as unknown as [UnixSocket, UnixSocket];
}
const send = (socket: UnixSocket, text: string | Buffer): number => socket.write(ctx, new BufferIo(Buffer.from(text)));
function receive(
  socket: UnixSocket,
  length: number,
  flags = 0,
): { n: number; text: string; message: ReturnType<typeof newIncoming> } {
  const buf = Buffer.alloc(length);
  const message = newIncoming(new BufferIo(buf), flags);
  const n = socket.receiveMessage(ctx, message);
  return { n, text: buf.toString('latin1', 0, Math.max(0, Math.min(n, length))), message };
}
const abstract = (name: string): Buffer => Buffer.from(`\x01\0\0${name}`, 'latin1');

describe('stream', () => {
  it('joins writes, ends at close, then EPIPE with SIGPIPE', () => {
    const [a, b] = pair(SOCK_STREAM);
    send(a, 'hello ');
    send(a, 'world');
    expect(receive(b, 3, MSG_PEEK).text).toBe('hel');
    expect(receive(b, 100).text).toBe('hello world');
    expect(receive(b, 1).n).toBe(WOULD_BLOCK);
    a.decRef();
    expect(receive(b, 1).n).toBe(0);
    expect(b.poll() & (EPOLLIN | EPOLLHUP | EPOLLRDHUP)).toBe(EPOLLIN | EPOLLHUP | EPOLLRDHUP);
    expect(send(b, 'x')).toBe(EPIPE);
    expect(signals.pop()).toBe(13);
    b.decRef();
  });
  it('fills after 278 one-byte writes and becomes writable at a quarter', () => {
    const [a, b] = pair(SOCK_STREAM);
    let n = 0;
    while (send(a, 'x') === 1) n++;
    expect(n).toBe(278);
    receive(b, 1);
    expect(a.poll() & EPOLLOUT).toBe(0);
    receive(b, 1000);
    expect(a.poll() & EPOLLOUT).toBe(EPOLLOUT);
  });
  it('keeps every byte of a large transfer', () => {
    const [a, b] = pair(SOCK_STREAM);
    const data = Buffer.from(Uint8Array.from({ length: 500000 }, (_, i) => i * 31));
    const got: Buffer[] = [];
    for (let at = 0; at < data.length; ) {
      const n = send(a, data.subarray(at));
      if (n > 0) at += n;
      const buf = Buffer.alloc(33333);
      const m = b.read(ctx, new BufferIo(buf));
      if (m > 0) got.push(buf.subarray(0, m));
    }
    for (let r = receive(b, 65536); r.n > 0; r = receive(b, 65536)) got.push(Buffer.from(r.text, 'latin1'));
    expect(Buffer.concat(got).equals(data)).toBe(true);
  });
});

describe('packets', () => {
  it('keep their boundaries and tell truncation', () => {
    const [a, b] = pair(SOCK_SEQPACKET);
    send(a, 'first');
    send(a, '');
    send(a, 'third');
    const cut = receive(b, 2, MSG_TRUNC);
    expect(cut.n).toBe(5);
    expect(cut.message.outFlags & MSG_TRUNC).toBe(MSG_TRUNC);
    expect(receive(b, 10).n).toBe(0);
    expect(receive(b, 10).text).toBe('third');
    expect(send(a, Buffer.alloc(300000))).toBe(EMSGSIZE);
  });
  it('datagrams go to names, stop at a full queue and say who sent them', () => {
    const server = unixFamily.create(ctx, SOCK_DGRAM, 0) as UnixSocket;
    const client = unixFamily.create(ctx, SOCK_DGRAM, 0) as UnixSocket;
    expect(server.bind(ctx, abstract('test-dgram'))).toBe(0);
    client.bind(ctx, abstract('client'));
    const to = (): number =>
      client.sendMessage(ctx, { ...newOutgoing(new BufferIo(Buffer.from('m'))), address: abstract('test-dgram') });
    let n = 0;
    while (to() === 1) n++;
    expect(n).toBe(11);
    const got = receive(server, 10);
    expect(Buffer.from(got.message.address as Uint8Array).equals(abstract('client'))).toBe(true);
    expect(to()).toBe(1);
    server.decRef();
    expect(to()).toBe(ECONNREFUSED);
    client.decRef();
  });
});

describe('connections', () => {
  it('are queued up to the backlog, accepted in order and refused after close', () => {
    const server = unixFamily.create(ctx, SOCK_STREAM, 0) as UnixSocket;
    server.bind(ctx, abstract('srv'));
    server.listen(ctx, 1);
    const clients = [0, 1, 2].map(() => unixFamily.create(ctx, SOCK_STREAM, 0) as UnixSocket);
    expect(clients.map((c) => c.connect(ctx, abstract('srv')))).toEqual([0, 0, WOULD_BLOCK]);
    const accepted = server.accept(ctx) as UnixSocket;
    expect(clients[2]?.connect(ctx, abstract('srv'))).toBe(0);
    send(clients[0] as UnixSocket, 'hi');
    expect(receive(accepted, 10).text).toBe('hi');
    server.decRef();
    expect(receive(clients[1] as UnixSocket, 1).n).toBe(-104);
    const late = unixFamily.create(ctx, SOCK_STREAM, 0) as UnixSocket;
    expect(late.connect(ctx, abstract('srv'))).toBe(ECONNREFUSED);
    for (const socket of [...clients, accepted, late]) socket.decRef();
  });
});

describe('SCM_RIGHTS', () => {
  it('ends a stream read at the message that carries files', () => {
    const [a, b] = pair(SOCK_STREAM);
    const [c, d] = pair(SOCK_STREAM);
    send(a, 'one');
    a.sendMessage(ctx, { ...newOutgoing(new BufferIo(Buffer.from('two'))), files: [c] });
    send(a, 'three');
    expect(c.refCount).toBe(2);
    const got = receive(b, 100);
    expect(got.text).toBe('onetwo');
    expect(got.message.files).toEqual([c]);
    expect(receive(b, 100).text).toBe('three');
    c.decRef();
    for (const socket of [a, b, c, d]) socket.decRef();
    expect(inFlightTotal.files).toBe(0);
  });
  it('collects cycles that only messages refer to', () => {
    const before = unixSockets.size;
    const [a, b] = pair(SOCK_STREAM);
    a.sendMessage(ctx, { ...newOutgoing(new BufferIo(Buffer.from('x'))), files: [a] });
    b.sendMessage(ctx, { ...newOutgoing(new BufferIo(Buffer.from('x'))), files: [b] });
    a.decRef();
    b.decRef();
    const [c, d] = pair(SOCK_STREAM);
    c.decRef();
    d.decRef();
    expect(unixSockets.size).toBe(before);
    expect(inFlightTotal.files).toBe(0);
  });
  it('collects cycles also when nothing but cycles is made', () => {
    const before = unixSockets.size;
    for (let i = 0; i < 2000; i++) {
      const [a, b] = pair(SOCK_STREAM);
      a.sendMessage(ctx, { ...newOutgoing(new BufferIo(Buffer.from('x'))), files: [a, b] });
      a.decRef();
      b.decRef();
    }
    expect(unixSockets.size - before).toBeLessThan(1000);
  });
});
