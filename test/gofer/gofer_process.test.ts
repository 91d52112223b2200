// SPDX-License-Identifier: Apache-2.0

/**
 * Server and client in two processes, over a real socket: descriptors arrive, a dead Gofer is EIO and told once, a Gofer whose client is
 * gone ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EIO } from '../../platform/abi/linux/errno.ts';
import { close, socketpairSeqpacket } from '../../platform/ffi/gofer_calls.ts';
import { createHostFiles } from '../../platform/host/host_files.ts';
import { GoferConnection, type RootInfo, SocketTransport } from '../../sentry/fs/gofer/connection.ts';
import { GoferFilesystem } from '../../sentry/fs/gofer/gofer_filesystem.ts';
import { VfsWorld } from '../harness/vfs_world.ts';
import { makeTemporary } from '../harness/temporary.ts';

const hostFiles = createHostFiles();

describe('a gofer process', () => {
  let dir = '';
  let child: ChildProcess;
  let ended: Promise<number | null>;
  let fs: GoferFilesystem;
  let connection: GoferConnection;
  let ours = -1;
  const deaths: string[] = [];

  const start = (): void => {
    const pair = new Int32Array(2);
    expect(socketpairSeqpacket(pair)).toBe(0);
    ours = pair[0] as number;
    child = spawn(process.execPath, [join(dir, 'gofer.cjs'), join(dir, 'root')], {
      stdio: ['ignore', 'inherit', 'inherit', pair[1] as number],
    });
    ended = new Promise((resolve) => child.once('exit', resolve));
    close(pair[1] as number);
    connection = new GoferConnection(new SocketTransport(hostFiles, ours), (why) => deaths.push(why));
    expect(connection.handshake()).toBe(0);
    fs = new GoferFilesystem(connection, connection.roots[0] as RootInfo, 'exclusive', hostFiles);
  };

  beforeAll(async () => {
    dir = makeTemporary('gofer-process');
    nodeFs.mkdirSync(join(dir, 'root/a/b/c'), { recursive: true });
    for (let i = 0; i < 1000; i++) nodeFs.writeFileSync(join(dir, `root/a/file${i}`), String(i));
    nodeFs.symlinkSync(join(process.cwd(), 'node_modules'), join(dir, 'node_modules'));
    await build({
      entryPoints: [join(import.meta.dirname, 'gofer_process.ts')],
      outfile: join(dir, 'gofer.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      external: ['koffi'],
      logLevel: 'error',
    });
  });
  afterAll(() => {
    child.kill('SIGKILL');
    nodeFs.rmSync(dir, { recursive: true, force: true });
  });

  it('serves files over the socket in few round trips', async () => {
    start();
    const w = new VfsWorld(fs);
    const calls = (): number => connection.callCount;
    let before = calls();
    expect(w.put('/a/b/c/new', 'content')).toBe(7);
    // One walk of a/b/c (and the missing name), one create.
    expect(calls() - before).toBeLessThanOrEqual(3);
    expect(nodeFs.readFileSync(join(dir, 'root/a/b/c/new'), 'utf8')).toBe('content');
    before = calls();
    expect(w.cat('/a/b/c/new')).toBe('content');
    expect(w.stat('/a/b/nothing')).toBe(-2);
    expect(calls() - before).toBe(1);
    before = calls();
    const names = w.ls('/a') as string[];
    expect(names.length).toBe(1003);
    for (const name of names) if (name.startsWith('f')) w.stat(`/a/${name}`);
    // A listing of one frame, and attributes in growing batches.
    expect(calls() - before).toBeLessThanOrEqual(16);
    before = calls();
    expect(w.stat('/a/file1000')).toBe(-2);
    expect(calls()).toBe(before);
  });

  it('ends when its client is gone', async () => {
    close(ours);
    expect(await ended).toBe(0);
  });

  it('its death is EIO, told once', async () => {
    start();
    const w = new VfsWorld(fs);
    expect(w.cat('/a/file7')).toBe('7');
    child.kill('SIGKILL');
    await ended;
    expect(w.stat('/a/b')).toBe(EIO);
    expect(w.put('/a/x', 'x')).toBe(EIO);
    expect(w.stat('/a/c')).toBe(EIO);
    expect(deaths.length).toBe(1);
    expect(deaths[0]).toMatch(/gofer connection broke/);
    // Descriptors that were donated go on working.
    expect(w.cat('/a/file7')).toBe('7');
    close(ours);
  });
});
