// SPDX-License-Identifier: Apache-2.0

/**
 * Throughput of byte streams with 64 KiB writes: between two processes inside, and with a host process through stdio and TCP.
 */
import { spawn } from 'node:child_process';
import { guest, lastLine, run } from '../harness.mjs';

const MEGABYTES = '1024';
const program = guest('streams');
const toNumber = (text) => Number(lastLine(text));

function inside(kind) {
  return async (ground) => {
    const r = await run(ground, [program, kind, MEGABYTES]);
    return r === null ? null : toNumber(r.stdout);
  };
}

/** The measured end runs on the ground, the other one natively. */
async function toHost(ground) {
  const reader = spawn(program, ['in'], { stdio: ['pipe', 'ignore', 'inherit'] });
  const ended = new Promise((done) => reader.on('close', done));
  // A descriptor, not a stream: nothing of this process is in between.
  const fd = reader.stdin._handle.fd;
  const running = run(ground, [program, 'out', MEGABYTES], { output: fd });
  reader.stdin.destroy();
  const r = await running;
  await ended;
  return r === null ? null : toNumber(r.stderr);
}
async function fromHost(ground) {
  const writer = spawn(program, ['out', MEGABYTES], { stdio: ['ignore', 'pipe', 'ignore'] });
  const running = run(ground, [program, 'in'], { input: writer.stdout._handle.fd });
  writer.stdout.destroy();
  const r = await running;
  return r === null ? null : toNumber(r.stdout);
}

function overTcp(direction) {
  return async (ground) => {
    if (ground.lacksNetwork) return null;
    const other = spawn(program, direction === 'send' ? ['sink'] : ['source', MEGABYTES], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((done) => other.on('close', done));
    const port = await new Promise((done) => other.stdout.once('data', (d) => done(String(d).trim())));
    const argv = direction === 'send' ? ['send', port, MEGABYTES] : ['recv', port];
    const r = await run(ground, [program, ...argv], { network: true });
    if (r === null) other.kill();
    await ended;
    return r === null ? null : toNumber(r.stdout);
  };
}

const stream = (name, target, measure) => ({ name, unit: 'MB/s', more: true, target, measure });

export default [
  stream('pipe', 0.2, inside('pipe')),
  stream('unix', 0.2, inside('unix')),
  stream('loopback', null, inside('loopback')),
  stream('stdio-out', 0.2, toHost),
  stream('stdio-in', 0.2, fromHost),
  stream('tcp-send', 0.3, overTcp('send')),
  stream('tcp-recv', 0.3, overTcp('recv')),
];
