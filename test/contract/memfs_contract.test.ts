// SPDX-License-Identifier: Apache-2.0

/** memfs under the filesystem contract; what a sandbox wrote is in the Volume; snapshots survive a round trip. */
import { Volume } from 'memfs';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { EINVAL } from '../../platform/abi/linux/errno.ts';
import {
  exportVolume,
  importVolume,
  type MemfsVolume as SnapshotVolume,
} from '../../sentry/control/messages/volume_snapshot.ts';
import { MemfsFilesystem } from '../../sentry/fs/memfs/memfs_filesystem.ts';
import type { MemfsVolume } from '../../sentry/fs/memfs/volume.ts';
import { nodeHostFiles } from '../harness/node_host.ts';
import { VfsWorld } from '../harness/vfs_world.ts';
import { fsContract } from './fs_contract.ts';

const core = (volume: Volume): MemfsVolume => volume as unknown as MemfsVolume;
const snap = (volume: Volume): SnapshotVolume => volume as unknown as SnapshotVolume;

fsContract({ name: 'memfs', make: () => new MemfsFilesystem(core(new Volume()), nodeHostFiles), hasUtf8Names: true });

describe('memfs', () => {
  it('shows what the program put in and gives back what the sandbox wrote', () => {
    const volume = new Volume();
    volume.mkdirSync('/in/déjà', { recursive: true });
    volume.writeFileSync('/in/déjà/vu.txt', 'hello');
    volume.symlinkSync('vu.txt', '/in/déjà/link');
    const fs = new MemfsFilesystem(core(volume), nodeHostFiles);
    const w = new VfsWorld(fs);
    const utf8 = (s: string): string => Buffer.from(s).toString('latin1');
    expect(w.cat(utf8('/in/déjà/link'))).toBe('hello');
    w.mkdir('/out');
    w.put('/out/result', '42');
    expect(w.rename('/out', '/done')).toBe(0);
    const f = w.mustOpen('/done/result', 2);
    const m = f.mmap(w.ctx, 0, 4096, 3, 'shared');
    if (typeof m === 'object') nodeHostFiles.pwrite(m.fd, Buffer.from('43'), 0, 2, 0);
    f.decRef();
    fs.flush();
    expect(volume.readFileSync('/done/result', 'utf8')).toBe('43');
    expect(volume.readdirSync('/')).toEqual(['done', 'in']);
  });

  it('a volume that is full answers ENOSPC', () => {
    const w = new VfsWorld(new MemfsFilesystem(core(new Volume()), nodeHostFiles, 100_000));
    expect(w.put('/a', 'x'.repeat(50_000))).toBe(50_000);
    const f = w.mustOpen('/b', 0o102);
    expect(w.pwrite(f, 'x', 90_000)).toBe(-28);
    expect(w.truncate('/b', 2 ** 40)).toBe(-27);
    f.decRef();
  });

  it('exportVolume() and importVolume() keep content, modes and links, through msgpack', () => {
    const a = new Volume();
    a.mkdirSync('/d/e', { recursive: true });
    a.writeFileSync('/d/f', Buffer.from([0, 255, 10]));
    a.chmodSync('/d/f', 0o751);
    a.linkSync('/d/f', '/d/e/same');
    a.symlinkSync('../f', '/d/e/l');
    const packr = new Packr({ useRecords: false, moreTypes: false });
    const b = new Volume();
    b.writeFileSync('/old', 'gone');
    expect(importVolume(snap(b), packr.unpack(packr.pack(exportVolume(snap(a)))))).toBe(0);
    expect(b.readdirSync('/')).toEqual(['d']);
    expect([...(b.readFileSync('/d/e/l') as Buffer)]).toEqual([0, 255, 10]);
    expect((b.statSync('/d/f').mode as number) & 0o777).toBe(0o751);
    b.writeFileSync('/d/f', 'x');
    expect(b.readFileSync('/d/e/same', 'utf8')).toBe('x');
    expect(exportVolume(snap(b)).length).toBe(exportVolume(snap(a)).length);
    for (const bad of [
      null,
      [],
      [[1]],
      [[0o40755, 0, 0, 0, 0, [['..', 0]]]],
      [[0o40755, 0, 0, 0, 0, [['a', 0]]]],
      [[0o40755, 0, 0, 0, 0, [['a', 7]]]],
    ]) {
      expect(importVolume(snap(new Volume()), bad)).toBe(EINVAL);
    }
  });
});
