// SPDX-License-Identifier: Apache-2.0

/** The library, built: exit status, streams, limits, memfs volumes in and out. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Volume } from 'memfs';
import { describe, expect, it } from 'vitest';
import type { Sandbox as SandboxClass } from '../../runsc-cli/lib/sandbox.ts';

const { Sandbox } = createRequire(import.meta.url)(join(import.meta.dirname, '../../dist/lib.cjs')) as { Sandbox: typeof SandboxClass };

describe('Sandbox.run()', { timeout: 30000 }, () => {
  it('passes standard input, output, error and the exit status', async () => {
    const result = await Sandbox.run({ args: ['sh', '-c', 'cat; echo err >&2; exit 7'], stdin: 'in' });
    expect([result.exitCode, result.signal, result.stdout.toString(), result.stderr.toString()]).toEqual([7, null, 'in', 'err\n']);
  });

  it('reports the signal that ended the program', async () => {
    const result = await Sandbox.run({ args: ['sh', '-c', 'sh -c "kill -TERM \\$\\$"; exit $?'] });
    expect([result.exitCode, result.signal]).toEqual([null, 15]);
  });

  it('gives files to the sandbox in a memfs volume and takes them back', async () => {
    const volume = Volume.fromJSON({ '/in.txt': 'hello' });
    const script = 'tr a-z A-Z < /data/in.txt > /data/out.txt; mkdir /data/d; ln -s ../in.txt /data/d/link; rm /data/in.txt';
    const result = await Sandbox.run({ args: ['sh', '-c', script], memfs: { '/data': volume } });
    expect(result.stderr.toString()).toBe('');
    expect(volume.readFileSync('/out.txt', 'utf8')).toBe('HELLO');
    expect(volume.readlinkSync('/d/link')).toBe('../in.txt');
    expect(volume.existsSync('/in.txt')).toBe(false);
  });

  it('kills a sandbox that takes too long', async () => {
    const result = await Sandbox.run({ args: ['sleep', '30'], timeoutMs: 1000 });
    expect([result.timedOut, result.signal]).toEqual([true, 9]);
  });
});
