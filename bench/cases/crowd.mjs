// SPDX-License-Identifier: Apache-2.0

/**
 * Curves: what one operation costs while 1, 10, 100... threads, processes, descriptors or epoll entries exist; and what a sandbox costs
 * that does nothing.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { guest, launcher, median, ours, run } from '../harness.mjs';

const KINDS = { threads: [1, 10, 100, 1000], processes: [1, 10, 100, 1000], readers: [1, 10, 100, 1000], descriptors: [10, 1000, 10_000, 100_000], epoll: [10, 100, 1000, 10_000] };

/** Prints a table a kind: operations down, counts across, microseconds. */
export async function crowds(rounds) {
  for (const [kind, counts] of Object.entries(KINDS)) {
    const seen = new Map();
    for (let i = 0; i < rounds; i++) {
      const r = await run(ours, [guest('crowd'), kind, ...counts.map(String)]);
      for (const line of (r?.stdout ?? '').split('\n')) {
        const [, count, op, us] = line.split(' ');
        if (us === undefined) continue;
        const key = `${op} ${count}`;
        seen.set(key, [...(seen.get(key) ?? []), Number(us)]);
      }
    }
    const ops = [...new Set([...seen.keys()].map((k) => k.split(' ')[0]))];
    console.log(`\n| us with so many ${kind} | ${counts.join(' | ')} |\n|---|${counts.map(() => '---|').join('')}`);
    for (const op of ops)
      console.log(`| ${op} | ${counts.map((c) => (seen.has(`${op} ${c}`) ? median(seen.get(`${op} ${c}`)).toFixed(1) : '–')).join(' | ')} |`);
  }
}

/** Processor time and memory of a sandbox with two hundred sleeping threads and ten sleeping processes. */
export async function idle() {
  const script = `for i in 0 1 2 3 4 5 6 7 8 9; do sleep 60 & done
    exec python3 -c 'import threading, time
for _ in range(200): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("ready", flush=True); time.sleep(60)'`;
  const child = spawn(launcher, ['do', '--', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', () => reject(new Error('ended')));
    });
    await pause(1500);
    const before = ticks(child.pid);
    await pause(10_000);
    const used = ((ticks(child.pid) - before) / 100 / 10) * 100;
    const pids = descendants(child.pid).filter((pid) => statusOf(pid, 'VmRSS') > 4000 && isSentryOrGofer(pid));
    const pss = pids.reduce((sum, pid) => sum + pssOf(pid), 0) / 1024;
    console.log(`\nIdle, with 201 sleeping threads and 10 sleeping processes: ${used.toFixed(2)} % of a processor in 10 s (all processes of the sandbox); Sentry and Gofer, proportional set size: ${pss.toFixed(1)} MB.`);
  } catch (error) {
    console.log(`\nIdle: not measured (${error.message}).`);
  } finally {
    child.kill('SIGTERM');
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Clock ticks the sandbox has used so far: the command, the Sentry, the Gofer and every stub. */
function ticks(pid) {
  let sum = 0;
  for (const each of [pid, ...descendants(pid)]) {
    try {
      const fields = readFileSync(`/proc/${each}/stat`, 'latin1').split(') ').pop().split(' ');
      sum += Number(fields[11]) + Number(fields[12]);
    } catch {}
  }
  return sum;
}

/** A stub is a process whose memory is the application's: no heap of Node is mapped in it. */
function isSentryOrGofer(pid) {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').includes('/node');
}
function descendants(pid) {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), statusOf(name, 'PPid')]);
  const result = [];
  for (let queue = [pid]; queue.length > 0; ) {
    queue = parents.filter(([, parent]) => queue.includes(parent)).map(([child]) => child);
    result.push(...queue);
  }
  return result;
}
function statusOf(pid, key) {
  try {
    return Number(new RegExp(`${key}:\\s*(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
function pssOf(pid) {
  return Number(/^Pss:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'))?.[1] ?? 0);
}
