// SPDX-License-Identifier: Apache-2.0

/** The image everything runs: busybox, and a few of the host's own programs with their libraries in /opt (for glibc's resolver, iproute2, ping). */
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';

const text = (argv) => spawnSync(argv[0], argv.slice(1), { encoding: 'utf8' }).stdout;

function copyIn(root, path, to = path) {
  mkdirSync(dirname(join(root, to)), { recursive: true });
  copyFileSync(path, join(root, to));
}

/** Makes the root file system in `root`. */
export function makeRootfs(root) {
  for (const dir of ['bin', 'proc', 'dev', 'sys', 'tmp', 'etc', 'root', 'opt', 'usr/bin', 'data']) mkdirSync(join(root, dir), { recursive: true });
  copyIn(root, '/bin/busybox');
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const name of text(['/bin/busybox', '--list']).trim().split('\n')) if (name !== 'busybox') symlinkSync('busybox', join(root, 'bin', name));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nalice:x:1000:\naudio:x:29:alice\n');
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  writeFileSync(join(root, 'data/seed'), 'from the image\n');
  for (const tool of ['getent', 'ip', 'ping']) {
    const path = text(['sh', '-c', `readlink -f "$(command -v ${tool})"`]).trim();
    copyIn(root, path, `/opt/${tool}`);
    for (const [, library] of text(['ldd', path]).matchAll(/(\/\S+) \(0x/g)) copyIn(root, library);
  }
}

/** The image as a tar file's contents. */
export function imageTar(root) {
  return spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1 << 28 }).stdout;
}
