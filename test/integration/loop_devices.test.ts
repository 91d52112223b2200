// SPDX-License-Identifier: Apache-2.0

/**
 * Owes: a loop device of the sandbox's own can be bound, sized, written through, shown in /sys and /proc/partitions, and unbound;
 * a read-only one refuses writes; reading stops at its size limit.
 */
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cliPath, runInSandbox } from '../harness/run.ts';

const SCRIPT = `
cd /tmp; head -c 1048576 /dev/zero > image; printf 'hello' > head; dd if=head of=image bs=512 seek=1 conv=notrunc status=none
losetup -f
losetup -o 512 --sizelimit 4096 /dev/loop0 image
head -c 5 /dev/loop0; echo
cat /sys/block/loop0/size /sys/block/loop0/loop/offset /sys/block/loop0/loop/backing_file
wc -c < /dev/loop0
printf 'J' | dd of=/dev/loop0 conv=notrunc status=none; dd if=image bs=512 skip=1 count=1 status=none | head -c 5; echo
losetup -f
losetup -d /dev/loop0; test -e /sys/block/loop0/loop || echo unbound
losetup -r /dev/loop1 image; (echo x > /dev/loop1) 2>&1 | grep -o 'not permitted'
tail -n 1 /proc/partitions | tr -s ' '
`;

test.runIf(existsSync(cliPath()))('loop devices work as on Linux', { timeout: 60_000 }, async () => {
  const { stdout, stderr, status } = await runInSandbox(['/bin/bash', '-c', SCRIPT], { timeoutMs: 50_000 });
  const lines = ['/dev/loop0', 'hello', '8', '512', '/tmp/image', '4096', 'Jello', '/dev/loop1', 'unbound', 'not permitted', ' 7 1 1024 loop1'];
  expect([status, stdout.split('\n'), stderr]).toEqual([0, [...lines, ''], '']);
});
