// SPDX-License-Identifier: Apache-2.0

/**
 * Owed: a regular file given at an offset is written there; a pipe answers EAGAIN without O_NONBLOCK on the shared description and
 * wakes its waiters once; EPIPE raises SIGPIPE; a reopened regular file has its own position.
 */
import { execFileSync } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EAGAIN, EPIPE } from '../../../platform/abi/linux/errno.ts';
import type { HostListener } from '../../../platform/platform.ts';
import { nodeHostFiles } from '../../../test/harness/node_host.ts';
import type { IoContext } from '../../vfs/context.ts';
import type { FileDescription } from '../../vfs/file_description.ts';
import { BufferIo } from '../../vfs/io.ts';
import { HostFilesystem, isTerminal } from './host_filesystem.ts';

const signals: number[] = [];
const ctx = { creds: null as never, raiseSignal: (s: number) => signals.push(s) } as unknown as IoContext;
const watched = new Map<number, { mask: number; listener: HostListener }>();
const platform = {
  watch: (fd: number, mask: number, listener: HostListener) => (watched.set(fd, { mask, listener }), 0),
  rewatch: () => 0,
  unwatch: (fd: number) => (watched.delete(fd), 0),
};
const hostFs = new HostFilesystem({ files: nodeHostFiles, platform }, 99);
const text = (s: string): BufferIo => new BufferIo(Buffer.from(s));
const read = (f: FileDescription, n: number): string | number => {
  const buf = Buffer.alloc(n);
  const r = f.read(ctx, new BufferIo(buf));
  return r < 0 ? r : buf.toString('utf8', 0, r);
};

let dir = '';
beforeAll(() => {
  dir = nodeFs.mkdtempSync('/tmp/hostfs-test-');
});
afterAll(() => nodeFs.rmSync(dir, { recursive: true, force: true }));

describe('HostRegularFile', () => {
  it('writes at the offset the descriptor came with, and a reopened one at its own', () => {
    const fd = nodeFs.openSync(`${dir}/log`, 'w+');
    nodeFs.writeSync(fd, 'before|');
    const file = hostFs.importFd(fd, ctx, null) as FileDescription;
    expect(file.write(ctx, text('ours|'))).toBe(5);
    nodeFs.writeSync(fd, 'after');
    expect(nodeFs.readFileSync(`${dir}/log`, 'utf8')).toBe('before|ours|after');
    const again = file.inode.open(ctx, file.path, 2) as FileDescription;
    expect(read(again, 6)).toBe('before');
    expect(file.seek(ctx, 0, 1)).toBe(17);
    again.decRef();
    file.decRef();
  });
});

describe('HostStreamFile', () => {
  it('reads and writes a pipe without blocking, and wakes once', () => {
    execFileSync('mkfifo', [`${dir}/fifo`]);
    const both = nodeFs.openSync(`${dir}/fifo`, 'r+');
    const file = hostFs.importFd(both, ctx, null) as FileDescription;
    expect(isTerminal(nodeHostFiles, both)).toBe(false);
    expect(nodeHostFiles.fcntl(both, 3, 0) & 0o4000).toBe(0);
    expect(read(file, 10)).toBe(EAGAIN);
    let woken = 0;
    file.waitQueue.add({ notify: () => (woken++, true) });
    const armed = watched.get(both);
    expect((armed?.mask ?? 0) & 1).toBe(1);
    expect(file.write(ctx, text('hello'))).toBe(5);
    armed?.listener.onHostEvent(both, 1);
    expect(woken).toBe(1);
    expect(watched.size).toBe(0);
    expect(file.poll() & 5).toBe(5);
    expect(read(file, 10)).toBe('hello');
    // Fill it: the write stops at the pipe's capacity and then would block.
    const big = new BufferIo(Buffer.alloc(1 << 20));
    const n = file.write(ctx, big);
    expect(n).toBeGreaterThanOrEqual(4096);
    expect(n).toBeLessThan(1 << 20);
    expect(big.remaining).toBe((1 << 20) - n);
    expect(file.write(ctx, text('x'))).toBe(EAGAIN);
    expect(file.poll() & 4).toBe(0);
    file.decRef();
    expect(watched.size).toBe(0);
  });

  it('raises SIGPIPE when nobody reads', () => {
    execFileSync('mkfifo', [`${dir}/fifo2`]);
    const r = nodeFs.openSync(`${dir}/fifo2`, nodeFs.constants.O_RDONLY | nodeFs.constants.O_NONBLOCK);
    const w = nodeFs.openSync(`${dir}/fifo2`, 'w');
    const file = hostFs.importFd(w, ctx, null) as FileDescription;
    nodeFs.closeSync(r);
    expect(file.write(ctx, text('x'))).toBe(EPIPE);
    expect(signals).toEqual([13]);
    file.decRef();
  });
});
