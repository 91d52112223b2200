// SPDX-License-Identifier: Apache-2.0

/**
 * The Gofer against a client that means harm: names that would leave the root, symbolic links swapped in for directories while it
 * walks, devices and FIFOs, read-only roots, garbage, control ids of others, and floods of them.
 */
import { execFileSync, spawn } from 'node:child_process';
import * as nodeFs from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as e from '../../platform/abi/linux/errno.ts';
import * as ffi from '../../platform/ffi/gofer_calls.ts';
import { decodeReply, encodeFrame, type WireValue } from '../../gofer/protocol/codec.ts';
import * as c from '../../gofer/protocol/constants.ts';
import { GoferServer, prepareProcess } from '../../gofer/server/server.ts';
import { openFdCount } from '../harness/node_host.ts';
import { makeTemporary } from '../harness/temporary.ts';

const EPROTO = -71;

describe('the gofer against a hostile client', () => {
  let dir = '';
  let server: GoferServer;
  const openRoot = (path: string): number => ffi.openat(-100, path, 0o12000000, 0);

  /** Results after id and errno, or the errno; EPROTO when the connection would end. */
  const call = (method: number, ...args: WireValue[]): unknown[] | number => {
    const frame = encodeFrame([5, method, ...args]).slice();
    const reply = server.handleFrame(frame, frame.length);
    if (server.reply.passFd >= 0) ffi.close(server.reply.passFd);
    if (!(reply instanceof Uint8Array)) return reply ?? 0;
    const message = decodeReply(reply.slice(), reply.length) as unknown[];
    return (message[1] as number) < 0 ? (message[1] as number) : message.slice(2);
  };

  beforeAll(() => {
    dir = makeTemporary('gofer-hostile');
    nodeFs.mkdirSync(`${dir}/root/sub`, { recursive: true });
    nodeFs.mkdirSync(`${dir}/ro`);
    nodeFs.mkdirSync(`${dir}/outside`);
    nodeFs.writeFileSync(`${dir}/outside/secret`, 'secret');
    nodeFs.writeFileSync(`${dir}/root/file`, 'file');
    nodeFs.writeFileSync(`${dir}/ro/file`, 'file');
    nodeFs.symlinkSync('../outside', `${dir}/root/out`);
    nodeFs.symlinkSync('/etc/passwd', `${dir}/root/abs`);
    execFileSync('mkfifo', [`${dir}/root/fifo`]);
    expect(prepareProcess(-1)).toBe(0);
    server = new GoferServer(
      [
        { fd: openRoot(`${dir}/root`), readonly: false, hostUds: false },
        { fd: openRoot(`${dir}/ro`), readonly: true, hostUds: false },
      ],
      200,
    );
    const frame = encodeFrame([1, c.GETATTR, 1, []]).slice();
    expect(server.handleFrame(frame, frame.length)).toBe(EPROTO);
    expect(Array.isArray(call(c.HELLO, c.PROTOCOL_VERSION))).toBe(true);
  });
  afterAll(() => {
    server.session.release();
    nodeFs.rmSync(dir, { recursive: true, force: true });
  });

  it('names cannot leave a directory', () => {
    for (const name of ['..', '.', '', 'sub/..', '../outside', '/etc']) {
      expect(call(c.WALK, 1, [name], 0)).toBe(EPROTO);
      expect(call(c.OPEN, 1, [name], 0)).toBe(EPROTO);
      expect(call(c.RENAME, 1, [], 'file', 1, [], name, 0, 0)).toBe(EPROTO);
    }
  });

  it('ports are bound for sandboxes that may, below 1024, on sockets alone', () => {
    const address = (family: number, port: number, size: number): Buffer => {
      const bytes = Buffer.alloc(size);
      bytes.writeUInt16LE(family, 0);
      bytes.writeUInt16BE(port, 2);
      return bytes;
    };
    expect(call(c.BIND_PORT, address(2, 80, 16))).toBe(e.EACCES);
    server.session.allowsLowPorts = true;
    expect(call(c.BIND_PORT, address(2, 80, 16))).toBe(e.EBADF);
    server.session.passedFd = openRoot(`${dir}/root`);
    for (const wrong of [address(2, 8080, 16), address(2, 0, 16), address(1, 80, 16), address(2, 80, 15), address(2, 80, 28), address(10, 80, 16), Buffer.alloc(0)]) {
      expect(call(c.BIND_PORT, wrong)).toBe(e.EINVAL);
    }
    expect(call(c.BIND_PORT, address(2, 80, 16))).toBe(e.EBADF);
    expect(call(c.BIND_PORT, Buffer.alloc(29))).toBe(EPROTO);
    ffi.close(server.session.passedFd);
    server.session.passedFd = -1;
    server.session.allowsLowPorts = false;
  });

  it('symbolic links are never followed, in the middle or at the end', () => {
    expect(call(c.OPEN, 1, ['out', 'secret'], 0)).toBe(e.ENOTDIR);
    expect(call(c.OPEN, 1, ['abs'], 0)).toBe(e.ELOOP);
    expect(call(c.READDIR, 1, ['out'], 0)).toBe(e.ELOOP);
    expect(call(c.CREATE, 1, ['out'], 'new', 2, 0o644, 0, 0)).toBe(e.ELOOP);
    expect(call(c.CREATE, 1, [], 'abs', 2, 0o644, 0, 0)).toBe(e.EEXIST);
    expect(call(c.UNLINK, 1, ['out'], 'secret', 0, 0)).toBe(e.ELOOP);
    expect(call(c.SETATTR, 1, ['abs'], c.SET_SIZE, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(e.EINVAL);
    expect(call(c.SETATTR, 1, ['abs'], c.SET_MODE, 0o777, 0, 0, 0, 0, 0, 0, 0)).toBe(e.EOPNOTSUPP);
    const walked = call(c.WALK, 1, ['out', 'secret'], 0) as unknown[];
    expect([(walked[1] as Uint8Array).length / c.ATTR_SIZE, walked[2]]).toEqual([1, e.ENOTDIR]);
    // Attributes of the link itself change, not its target's.
    const before = nodeFs.statSync('/etc/passwd').mtimeMs;
    expect(Array.isArray(call(c.SETATTR, 1, ['abs'], c.SET_MTIME, 0, 0, 0, 0, 0, 0, 1000, 0))).toBe(true);
    expect(nodeFs.statSync('/etc/passwd').mtimeMs).toBe(before);
    expect(nodeFs.lstatSync(`${dir}/root/abs`).mtimeMs).toBe(1_000_000);
  });

  it('FIFOs, devices and sockets are not opened', () => {
    expect(call(c.OPEN, 1, ['fifo'], 0)).toBe(e.ENXIO);
    expect(call(c.OPEN, 1, ['fifo'], 1)).toBe(e.ENXIO);
    expect(call(c.FSYNC, 1, ['fifo'], 0)).toBe(e.ENXIO);
    expect(call(c.CONNECT, 1, ['fifo'], 1)).toBe(e.ECONNREFUSED);
    const made = call(c.MKNOD, 1, [], 'null', 0o020666, 1, 3, 0, 0);
    if (Array.isArray(made)) expect(call(c.OPEN, 1, ['null'], 0)).toBe(e.ENXIO);
  });

  it('a read-only root refuses every change', () => {
    expect(call(c.OPEN, 2, ['file'], 1)).toBe(e.EROFS);
    expect(call(c.OPEN, 2, ['file'], 2)).toBe(e.EROFS);
    expect(Array.isArray(call(c.OPEN, 2, ['file'], 0))).toBe(true);
    expect(call(c.CREATE, 2, [], 'x', 2, 0o644, 0, 0)).toBe(e.EROFS);
    expect(call(c.MKDIR, 2, [], 'x', 0o755, 0, 0)).toBe(e.EROFS);
    expect(call(c.MKNOD, 2, [], 'x', 0o010644, 0, 0, 0, 0)).toBe(e.EROFS);
    expect(call(c.SYMLINK, 2, [], 'x', 't', 0, 0)).toBe(e.EROFS);
    expect(call(c.LINK, 2, [], 'x', 2, ['file'])).toBe(e.EROFS);
    expect(call(c.UNLINK, 2, [], 'file', 0, 0)).toBe(e.EROFS);
    expect(call(c.RENAME, 2, [], 'file', 2, [], 'y', 0, 0)).toBe(e.EROFS);
    expect(call(c.SETATTR, 2, ['file'], c.SET_MODE, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(e.EROFS);
    expect(call(c.SETXATTR, 2, ['file'], 'user.a', Buffer.from('x'), 0)).toBe(e.EROFS);
    expect(call(c.REMOVEXATTR, 2, ['file'], 'user.a')).toBe(e.EROFS);
    // Nor can it be reached through the other root.
    expect(call(c.LINK, 1, [], 'stolen', 2, ['file'])).toBe(e.EXDEV);
    expect(call(c.RENAME, 2, [], 'file', 1, [], 'stolen', 0, 0)).toBe(e.EXDEV);
  });

  it('only harmless extended attributes', () => {
    expect(call(c.SETXATTR, 1, ['file'], 'security.capability', Buffer.alloc(20), 0)).toBe(e.EOPNOTSUPP);
    expect(call(c.SETXATTR, 1, ['file'], 'trusted.overlay.opaque', Buffer.from('y'), 0)).toBe(e.EOPNOTSUPP);
    expect(call(c.GETXATTR, 1, ['file'], 'security.selinux')).toBe(e.EOPNOTSUPP);
  });

  it('unknown controls are EBADF; roots cannot be forgotten; controls are bounded', () => {
    expect(call(c.GETATTR, 77, [])).toBe(e.EBADF);
    expect(call(c.WALK, 0, ['x'], 0)).toBe(e.EBADF);
    expect(call(c.FORGET, [1, 2, 3, 99999])).toBe(0);
    expect(Array.isArray(call(c.GETATTR, 1, []))).toBe(true);
    const before = openFdCount();
    const held: number[] = [];
    let full = 0;
    for (let i = 0; i < 400; i++) {
      const walked = call(c.WALK, 1, ['sub'], c.WALK_CONTROL);
      if (Array.isArray(walked)) held.push(walked[0] as number);
      else full = walked;
    }
    expect(full).toBe(e.ENFILE);
    expect(held.length).toBeLessThanOrEqual(198);
    expect(call(c.FORGET, held)).toBe(0);
    expect(openFdCount()).toBe(before);
  });

  it('a stale directory stream is refused and listings do not leak descriptors', () => {
    const before = openFdCount();
    for (let i = 0; i < 20; i++) expect(Array.isArray(call(c.READDIR, 1, [], 0))).toBe(true);
    expect(call(c.READDIR, 1, [], 12345)).toBe(e.ESTALE);
    expect(call(c.READDIR, 1, ['file'], 0)).toBe(e.ENOTDIR);
    expect(openFdCount()).toBe(before);
  });

  it('a directory swapped for a symbolic link while it is walked gives nothing away', () => {
    nodeFs.mkdirSync(`${dir}/root/race`);
    nodeFs.writeFileSync(`${dir}/root/race/secret`, 'innocent');
    // Another process flips race between a directory and a link to ../outside.
    const script = `cd '${dir}/root'; mv race real; ln -s ../outside race; i=0; while [ $i -lt 400 ]; do mv -T race link; mv -T real race; mv -T race real; mv -T link race; i=$((i+1)); done`;
    const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
    let opened = 0;
    const until = Date.now() + 1500;
    while (Date.now() < until) {
      const frame = encodeFrame([5, c.OPEN, 1, ['race', 'secret'], 0]).slice();
      server.handleFrame(frame, frame.length);
      const fd = server.reply.passFd;
      if (fd < 0) continue;
      opened++;
      expect(nodeFs.readFileSync(fd, 'utf8')).toBe('innocent');
      nodeFs.closeSync(fd);
    }
    child.kill('SIGKILL');
    expect(opened).toBeGreaterThan(0);
  });

  it('garbage ends the connection and nothing else', () => {
    for (const bytes of [[], [0], [0x91], [0xff, 0xff], [0xdd, 0, 0, 0, 1, 0], [0x80]]) {
      expect(server.handleFrame(Uint8Array.from(bytes), bytes.length)).toBe(EPROTO);
    }
    expect(Array.isArray(call(c.GETATTR, 1, []))).toBe(true);
  });
});
