// SPDX-License-Identifier: Apache-2.0

/**
 * An image made by hand, as `ctr images import` takes it: the host's static busybox in an OCI layout, in a tar.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes <directory>/image.tar with the image `name`, which sleeps when it is told nothing else. Returns its path. */
export function makeImage(directory, name) {
  const root = join(directory, 'image-root');
  const layout = join(directory, 'image-layout');
  for (const dir of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc', 'root']) mkdirSync(join(root, dir), { recursive: true });
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
  for (const applet of spawnSync('/bin/busybox', ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n')) if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  for (const file of ['passwd', 'group']) copyFileSync(`/etc/${file}`, join(root, 'etc', file));
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const blob = (data) => {
    const hash = createHash('sha256').update(data).digest('hex');
    writeFileSync(join(layout, 'blobs/sha256', hash), data);
    return { digest: `sha256:${hash}`, size: data.length };
  };
  const json = (value) => blob(Buffer.from(JSON.stringify(value)));
  const oci = 'application/vnd.oci.image';
  const layer = blob(spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 28 }).stdout);
  const config = json({ architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Cmd: ['sleep', '100000'] }, rootfs: { type: 'layers', diff_ids: [layer.digest] } });
  const manifest = json({
    schemaVersion: 2, mediaType: `${oci}.manifest.v1+json`, config: { mediaType: `${oci}.config.v1+json`, ...config }, layers: [{ mediaType: `${oci}.layer.v1.tar`, ...layer }],
  });
  const annotations = { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': 'latest' };
  writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType: `${oci}.manifest.v1+json`, ...manifest, annotations }] }));
  const path = join(directory, 'image.tar');
  const tar = spawnSync('tar', ['-C', layout, '-cf', path, '.']);
  if (tar.status !== 0) throw new Error(`tar: ${tar.stderr}`);
  return path;
}
