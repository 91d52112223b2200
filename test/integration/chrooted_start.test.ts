// SPDX-License-Identifier: Apache-2.0

/** The tool started in a chroot whose `/` is no mount, where pivot_root(2) has nothing to work on. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliPath } from '../harness/run.ts';

/** Builds such a root in a mount namespace of its own, on a mount that is shared, and runs the arguments in it; then says whether a mount came out. */
const SCRIPT = `
set -e
mount --make-rprivate /
mount -t tmpfs root /mnt
mount --make-shared /mnt
mkdir /mnt/r
cd /mnt/r
for entry in /*; do
  name=\${entry#/}
  case $name in mnt|proc|sys) mkdir $name;; *)
    if [ -L $entry ]; then cp -P $entry $name
    elif [ -d $entry ]; then mkdir $name && mount --rbind $entry $name; fi;;
  esac
done
mount -t proc proc proc
before=$(wc -l < /proc/self/mountinfo)
chroot . "$@"
[ $before -ge $(wc -l < /proc/self/mountinfo) ] && echo mounts kept
`;

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot && existsSync(cliPath()))('do runs where `/` is no mount', () => {
  const args = ['-m', 'bash', '-c', SCRIPT, 'script', cliPath(), 'do', '--', '/bin/sh', '-c', 'echo in; cd /proc && ls -d self'];
  const result = spawnSync('unshare', args, { encoding: 'latin1', timeout: 60_000 });
  expect([result.stdout, result.stderr]).toEqual(['in\nself\nmounts kept\n', '']);
});
