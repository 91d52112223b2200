// SPDX-License-Identifier: Apache-2.0

/** Owed: binding rules across families, connections, backlog, reset and orderly close, datagrams and refusals. */
import { describe, expect, it } from 'vitest';
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  EPIPE,
  WOULD_BLOCK,
} from '../../../platform/abi/linux/errno.ts';
import { EPOLLIN, EPOLLOUT } from '../../../platform/abi/linux/poll.ts';
import { AF_INET, AF_INET6, SO_REUSEADDR } from '../../../platform/abi/linux/socket.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import type { Task } from '../../kernel/task.ts';
import { BufferIo } from '../../vfs/io.ts';
import { newOutgoing } from '../socket.ts';
import { decodeEndpoint, encodeEndpoint } from './inet_address.ts';
import { TcpSocket } from './tcp_socket.ts';
import { UdpSocket } from './udp_socket.ts';

const ctx = { creds: rootCredentials(new UserNamespace()), raiseSignal: () => {} } as unknown as Task;
const v4 = (ip: number, port: number): Uint8Array => encodeEndpoint({ isV6: false, ip, port }, AF_INET);
const v6 = (ip: number, port: number): Uint8Array => encodeEndpoint({ isV6: true, ip, port }, AF_INET6);
const LOOPBACK = 0x7f000001;
const tcp = (family = AF_INET): TcpSocket => new TcpSocket(ctx, family);
const portOf = (socket: TcpSocket | UdpSocket): number => socket.local.port;

function read(socket: TcpSocket | UdpSocket): string | number {
  const buf = Buffer.alloc(100);
  const n = socket.read(ctx, new BufferIo(buf));
  return n < 0 ? n : buf.toString('latin1', 0, n);
}
const write = (socket: TcpSocket | UdpSocket, text: string): number =>
  socket.write(ctx, new BufferIo(Buffer.from(text)));

function listening(family = AF_INET): TcpSocket {
  const socket = tcp(family);
  socket.bind(ctx, family === AF_INET ? v4(LOOPBACK, 0) : v6(0, 0));
  socket.listen(ctx, 1);
  return socket;
}

describe('addresses', () => {
  it('keeps mapped addresses as IPv4 and foreign ones whole', () => {
    const mapped = encodeEndpoint({ isV6: false, ip: LOOPBACK, port: 80 }, AF_INET6);
    expect(decodeEndpoint(mapped, AF_INET6)).toEqual({ isV6: false, ip: LOOPBACK, port: 80 });
    const foreign = Buffer.alloc(28);
    foreign[0] = AF_INET6;
    foreign[8] = 0x20;
    expect(Buffer.from(encodeEndpoint(decodeEndpoint(foreign, AF_INET6) as never, AF_INET6)).equals(foreign)).toBe(
      true,
    );
    expect(decodeEndpoint(foreign.subarray(0, 8), AF_INET)).toBe(EINVAL);
  });
});

describe('binding', () => {
  it('refuses what overlaps, unless both reuse and nobody listens', () => {
    const first = tcp();
    first.bind(ctx, v4(0, 0));
    const port = portOf(first);
    expect(tcp().bind(ctx, v4(LOOPBACK, port))).toBe(EADDRINUSE);
    expect(tcp(AF_INET6).bind(ctx, v6(0, port))).toBe(EADDRINUSE);
    expect(tcp(AF_INET6).bind(ctx, v6(1, port))).toBe(0);
    const second = tcp();
    for (const socket of [first, second]) socket.options.flags.set(SO_REUSEADDR, 1);
    expect(second.bind(ctx, v4(LOOPBACK, port))).toBe(0);
    expect(tcp().bind(ctx, v4(0x08080808, 0))).toBe(EADDRNOTAVAIL);
  });
});

describe('TCP', () => {
  it('connects, moves bytes both ways and ends in order', () => {
    const server = listening();
    const client = tcp();
    expect(client.connect(ctx, v4(LOOPBACK, portOf(server)))).toBe(WOULD_BLOCK);
    expect(client.poll() & EPOLLOUT).toBe(EPOLLOUT);
    expect(client.connect(ctx, v4(LOOPBACK, portOf(server)))).toBe(0);
    expect(client.connect(ctx, v4(LOOPBACK, portOf(server)))).toBe(EISCONN);
    const peer = server.accept(ctx) as TcpSocket;
    write(client, 'ping');
    expect(read(peer)).toBe('ping');
    client.shutdown(1);
    expect(read(peer)).toBe('');
    write(peer, 'late');
    peer.decRef();
    expect(read(client)).toBe('late');
    expect(read(client)).toBe('');
    expect(write(client, 'x')).toBe(EPIPE);
  });
  it('resets when data is thrown away', () => {
    const server = listening();
    const client = tcp();
    client.connect(ctx, v4(LOOPBACK, portOf(server)));
    write(client, 'unread');
    (server.accept(ctx) as TcpSocket).decRef();
    expect(read(client)).toBe(-104);
    expect(read(client)).toBe('');
  });
  it('holds clients at a full backlog and lets them in by turns', () => {
    const server = listening();
    const clients = [0, 1, 2].map(() => tcp());
    for (const client of clients) client.connect(ctx, v4(LOOPBACK, portOf(server)));
    expect((clients[2] as TcpSocket).poll() & EPOLLOUT).toBe(0);
    server.accept(ctx);
    expect((clients[2] as TcpSocket).poll() & EPOLLOUT).toBe(EPOLLOUT);
  });
  it('bounds what an unread connection holds', () => {
    const server = listening();
    const client = tcp();
    client.connect(ctx, v4(LOOPBACK, portOf(server)));
    let sent = 0;
    for (let n = 1; n > 0; sent += Math.max(0, n)) n = client.write(ctx, new BufferIo(Buffer.alloc(100000)));
    expect(sent).toBe(1 << 20);
    expect(client.poll() & EPOLLOUT).toBe(0);
  });
  it('takes IPv4 on a dual-stack listener and refuses where nobody listens', () => {
    const server = listening(AF_INET6);
    const client = tcp();
    client.connect(ctx, v4(LOOPBACK, portOf(server)));
    expect(client.takeError()).toBe(0);
    server.decRef();
    const late = tcp();
    late.connect(ctx, v4(LOOPBACK, portOf(server)));
    expect(late.takeError()).toBe(111);
    expect(tcp().connect(ctx, v4(0x08080808, 80))).toBe(ENETUNREACH);
  });
});

describe('UDP', () => {
  it('delivers to the port, prefers the connected socket, tells refusals', () => {
    const receiver = new UdpSocket(ctx, AF_INET);
    receiver.bind(ctx, v4(LOOPBACK, 0));
    const sender = new UdpSocket(ctx, AF_INET);
    const send = (text: string): number =>
      sender.sendMessage(ctx, {
        ...newOutgoing(new BufferIo(Buffer.from(text))),
        address: v4(LOOPBACK, portOf(receiver)),
      });
    expect(send('one')).toBe(3);
    expect(receiver.poll() & EPOLLIN).toBe(EPOLLIN);
    expect(read(receiver)).toBe('one');
    expect(read(receiver)).toBe(WOULD_BLOCK);
    sender.connect(ctx, v4(LOOPBACK, portOf(receiver)));
    receiver.decRef();
    expect(write(sender, 'x')).toBe(1);
    expect(write(sender, 'x')).toBe(-111);
  });
  it('loses what does not fit', () => {
    const receiver = new UdpSocket(ctx, AF_INET);
    receiver.bind(ctx, v4(LOOPBACK, 0));
    const sender = new UdpSocket(ctx, AF_INET);
    sender.connect(ctx, v4(LOOPBACK, portOf(receiver)));
    for (let i = 0; i < 1000; i++) expect(write(sender, 'y'.repeat(1000))).toBe(1000);
    expect(receiver.charged).toBeLessThanOrEqual(212992);
    expect(receiver.drops).toBeGreaterThan(0);
  });
});
