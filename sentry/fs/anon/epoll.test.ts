// SPDX-License-Identifier: Apache-2.0

/** Owed: level, edge, one-shot, modification, removal at last close, nesting and its limits, fairness. */
import { describe, expect, it } from 'vitest';
import { EEXIST, EINVAL, ELOOP, ENOENT } from '../../../platform/abi/linux/errno.ts';
import { EPOLLET, EPOLLEXCLUSIVE, EPOLLIN, EPOLLONESHOT, EPOLLOUT } from '../../../platform/abi/linux/poll.ts';
import { rootCredentials } from '../../auth/credentials.ts';
import { UserNamespace } from '../../auth/user_namespace.ts';
import type { IoContext } from '../../vfs/context.ts';
import { BufferIo } from '../../vfs/io.ts';
import { EpollFile } from './epoll.ts';
import { EventFile } from './eventfd.ts';

const creds = rootCredentials(new UserNamespace());
const ctx = { creds } as unknown as IoContext;
const one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
const signal = (file: EventFile): number => file.write(ctx, new BufferIo(one));
const drain = (file: EventFile): number => file.read(ctx, new BufferIo(new Uint8Array(8)));
const event = (): EventFile => new EventFile(0, false, 0, creds);

function wait(epoll: EpollFile, max = 16): [number, number][] {
  const got = epoll.collect(max);
  epoll.settle(got);
  return got.map(({ item, events }) => [item.dataLo, events]);
}

describe('EpollFile', () => {
  it('reports level-triggered readiness until it is gone', () => {
    const epoll = new EpollFile(creds);
    const file = event();
    expect(epoll.add(5, file, EPOLLIN, 7, 0)).toBe(0);
    expect(wait(epoll)).toEqual([]);
    signal(file);
    expect(wait(epoll)).toEqual([[7, EPOLLIN]]);
    expect(wait(epoll)).toEqual([[7, EPOLLIN]]);
    drain(file);
    expect(wait(epoll)).toEqual([]);
    expect(epoll.poll()).toBe(0);
  });

  it('reports an edge once for each event', () => {
    const epoll = new EpollFile(creds);
    const file = event();
    epoll.add(5, file, EPOLLIN | EPOLLET, 1, 0);
    signal(file);
    expect(wait(epoll)).toHaveLength(1);
    expect(wait(epoll)).toHaveLength(0);
    signal(file);
    expect(wait(epoll)).toHaveLength(1);
  });

  it('disarms a one-shot until it is modified', () => {
    const epoll = new EpollFile(creds);
    const file = event();
    epoll.add(5, file, EPOLLIN | EPOLLONESHOT, 1, 0);
    signal(file);
    expect(wait(epoll)).toHaveLength(1);
    signal(file);
    expect(wait(epoll)).toHaveLength(0);
    epoll.modify(5, file, EPOLLIN | EPOLLONESHOT, 2, 0);
    expect(wait(epoll)).toEqual([[2, EPOLLIN]]);
  });

  it('keys items by descriptor and file and answers their errors', () => {
    const epoll = new EpollFile(creds);
    const file = event();
    epoll.add(5, file, EPOLLIN, 1, 0);
    expect(epoll.add(5, file, EPOLLIN, 1, 0)).toBe(EEXIST);
    expect(epoll.add(6, file, EPOLLOUT, 2, 0)).toBe(0);
    expect(epoll.remove(7, file)).toBe(ENOENT);
    expect(wait(epoll)).toEqual([[2, EPOLLOUT]]);
    expect(epoll.add(7, epoll, EPOLLIN, 0, 0)).toBe(EINVAL);
    expect(epoll.modify(5, file, EPOLLIN | EPOLLEXCLUSIVE, 0, 0)).toBe(EINVAL);
  });

  it('forgets a file at its last close', () => {
    const epoll = new EpollFile(creds);
    const file = event();
    epoll.add(5, file, EPOLLIN, 1, 0);
    signal(file);
    file.decRef();
    expect(wait(epoll)).toEqual([]);
    expect(epoll.fdinfo()).toBe('');
  });

  it('nests, and refuses loops and deep chains', () => {
    const chain = Array.from({ length: 6 }, () => new EpollFile(creds));
    const file = event();
    chain[0]?.add(9, file, EPOLLIN, 0, 0);
    for (let i = 1; i < 5; i++) expect(chain[i]?.add(i, chain[i - 1] as EpollFile, EPOLLIN, i, 0)).toBe(0);
    expect(chain[5]?.add(5, chain[4] as EpollFile, EPOLLIN, 5, 0)).toBe(ELOOP);
    expect(chain[0]?.add(8, chain[3] as EpollFile, EPOLLIN, 0, 0)).toBe(ELOOP);
    signal(file);
    expect(wait(chain[4] as EpollFile)).toEqual([[4, EPOLLIN]]);
    drain(file);
    expect(wait(chain[4] as EpollFile)).toEqual([]);
  });

  it('rotates through more ready files than asked for', () => {
    const epoll = new EpollFile(creds);
    for (let i = 0; i < 4; i++) {
      const file = event();
      epoll.add(i, file, EPOLLIN, i, 0);
      signal(file);
    }
    expect(wait(epoll, 2).map(([data]) => data)).toEqual([0, 1]);
    expect(wait(epoll, 2).map(([data]) => data)).toEqual([2, 3]);
    expect(wait(epoll, 2).map(([data]) => data)).toEqual([0, 1]);
  });
});

describe('EventFile', () => {
  it('counts in 64 bits, as a semaphore or not', () => {
    const sem = new EventFile(2, true, 0, creds);
    const out = new Uint8Array(8);
    expect(sem.read(ctx, new BufferIo(out))).toBe(8);
    expect(out[0]).toBe(1);
    expect(drain(sem)).toBe(8);
    expect(drain(sem)).toBeLessThan(0);
    const big = event();
    const almost = Uint8Array.of(0xfe, 255, 255, 255, 255, 255, 255, 255);
    expect(big.write(ctx, new BufferIo(almost))).toBe(8);
    expect(signal(big)).toBeLessThan(0);
    expect(big.poll() & EPOLLOUT).toBe(0);
    expect(big.read(ctx, new BufferIo(out))).toBe(8);
    expect(Buffer.from(out).equals(Buffer.from(almost))).toBe(true);
    expect(big.write(ctx, new BufferIo(new Uint8Array(8).fill(255)))).toBe(EINVAL);
  });
});
