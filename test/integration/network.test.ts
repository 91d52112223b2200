// SPDX-License-Identifier: Apache-2.0

/**
 * Networks of a sandbox. Behaviours: with none there is a loopback of its own that servers and clients of every kind use, and nothing of
 * the host's is reached; with host a client reaches a server on the host and a server is reached from it; netlink shows the interfaces;
 * hostile addresses, messages and options do not harm the Sentry.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import { type AddressInfo, createConnection, createServer as createTcpServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileC } from '../harness/compile.ts';
import { cliCommand, FIXED_ENV, runInSandbox } from '../harness/run.ts';
import { makeTemporary } from '../harness/temporary.ts';

const PYTHON = '/usr/bin/python3';
const NODE_ENV = { ...FIXED_ENV, PATH: `${dirname(process.execPath)}:${FIXED_ENV['PATH']}` };
const LIMIT_MS = 30_000;
const FUZZ = join(import.meta.dirname, 'network_fuzz.c');
let scratch = '';
let server: Server;
let port = 0;

beforeAll(async () => {
  scratch = makeTemporary('network');
  server = createServer((request, response) => {
    let length = 0;
    request.on('data', (data: Buffer) => (length += data.length));
    request.on('end', () => response.end(`host answers ${request.method} ${length}`));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.close();
  rmSync(scratch, { recursive: true, force: true });
});

const PYTHON_SERVERS = `
import asyncio, http.server, socket, socketserver, threading, urllib.request
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'x' * 300000
        self.send_response(200); self.send_header('Content-Length', str(len(body))); self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
web = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Page)
threading.Thread(target=web.serve_forever, daemon=True).start()
print([len(urllib.request.urlopen('http://127.0.0.1:%d/' % web.server_port).read()) for _ in range(3)])
web.shutdown()
class Upper(socketserver.StreamRequestHandler):
    def handle(self): self.wfile.write(self.rfile.readline().upper())
lines = socketserver.ThreadingTCPServer(('localhost', 0), Upper)
threading.Thread(target=lines.serve_forever, daemon=True).start()
with socket.create_connection(lines.server_address) as c:
    c.sendall(b'hello\\n'); print(c.recv(100))
lines.shutdown()
async def main():
    async def twice(r, w):
        w.write(await r.readline() * 2); await w.drain(); w.close()
    s = await asyncio.start_server(twice, '::1', 0)
    r, w = await asyncio.open_connection('::1', s.sockets[0].getsockname()[1])
    w.write(b'ab\\n'); print(await r.read()); w.close(); s.close()
asyncio.run(main())
`;
const PYTHON_PRINTS = "[300000, 300000, 300000]\nb'HELLO\\n'\nb'ab\\nab\\n'\n";

const NODE_SERVER = `
const http = require('http');
const server = http.createServer((q, r) => { let n = 0; q.on('data', (d) => (n += d.length)); q.on('end', () => r.end('got ' + n)); });
server.listen(0, '127.0.0.1', () => {
  let left = 10;
  for (let i = 0; i < 10; i++) {
    const q = http.request({ port: server.address().port, host: '127.0.0.1', method: 'POST' }, (r) => {
      let text = ''; r.on('data', (d) => (text += d)); r.on('end', () => { if (text !== 'got 300000') console.log(text); if (--left === 0) { server.close(); console.log('done'); } });
    });
    q.end(Buffer.alloc(300000));
  }
});
`;

describe.each(['none', 'host'])('with --network=%s', (network) => {
  const flags = [`--network=${network}`];
  test.runIf(existsSync(PYTHON))('servers and clients of Python work', { timeout: LIMIT_MS + 5000 }, async () => {
    const script = join(scratch, 'servers.py');
    writeFileSync(script, PYTHON_SERVERS);
    const run = await runInSandbox([PYTHON, script], { flags, timeoutMs: LIMIT_MS });
    expect(run).toMatchObject({ stdout: PYTHON_PRINTS, status: 0 });
  });
  test('a server and clients of Node work', { timeout: LIMIT_MS + 5000 }, async () => {
    const run = await runInSandbox(['node', '-e', NODE_SERVER], { flags, env: NODE_ENV, timeoutMs: LIMIT_MS });
    expect(run).toMatchObject({ stdout: 'done\n', status: 0 });
  });
  test('hostile arguments are refused and the sandbox lives', { timeout: LIMIT_MS + 30_000 }, async () => {
    const program = compileC([FUZZ]);
    const run = await runInSandbox([program], { flags, timeoutMs: LIMIT_MS });
    expect(run).toMatchObject({ stdout: 'survived\n', status: 0 });
  });
});

describe('with --network=none', () => {
  test('nothing of the host is reached', { timeout: LIMIT_MS }, async () => {
    const run = await runInSandbox(['bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], {
      timeoutMs: LIMIT_MS - 5000,
    });
    expect(run.status).not.toBe(0);
    expect(run.stderr).toContain('Connection refused');
    const far = await runInSandbox(['bash', '-c', 'exec 3<>/dev/tcp/192.0.2.1/80'], { timeoutMs: LIMIT_MS - 5000 });
    expect(far.stderr).toContain('Network is unreachable');
  });
  test.runIf(existsSync('/usr/sbin/ip'))('ip shows lo and nothing else', { timeout: LIMIT_MS }, async () => {
    const run = await runInSandbox(['bash', '-c', 'ip -o addr; ip route; ip -6 route'], { timeoutMs: LIMIT_MS - 5000 });
    expect(run.status).toBe(0);
    expect(run.stdout).toMatch(
      /^1: lo {4}inet 127\.0\.0\.1\/8 scope host lo.*\n1: lo {4}inet6 ::1\/128 scope host .*\n$/,
    );
  });
});

describe('with --network=host', () => {
  const flags = ['--network=host'];
  test.runIf(existsSync('/usr/bin/curl'))('a client reaches a server on the host', { timeout: LIMIT_MS }, async () => {
    const body = join(scratch, 'body');
    writeFileSync(body, Buffer.alloc(3_000_000));
    const url = `http://127.0.0.1:${port}/`;
    const run = await runInSandbox(['curl', '-s', '-H', 'Expect:', '--data-binary', `@${body}`, url], {
      flags,
      timeoutMs: LIMIT_MS - 5000,
    });
    expect(run).toMatchObject({ stdout: 'host answers POST 3000000', status: 0 });
  });
  test.runIf(existsSync(PYTHON))('a server is reached from the host', { timeout: LIMIT_MS }, async () => {
    const free = await freePort();
    const [command, ...args] = cliCommand() as [string, ...string[]];
    const page = join(scratch, 'page.txt');
    writeFileSync(page, 'from the sandbox');
    const child = spawn(
      command,
      [
        ...args,
        ...flags,
        'do',
        `--cwd=${scratch}`,
        '--',
        PYTHON,
        '-m',
        'http.server',
        String(free),
        '--bind',
        '127.0.0.1',
      ],
      {
        stdio: 'ignore',
        env: FIXED_ENV,
      },
    );
    try {
      expect(await fetchWithin(`http://127.0.0.1:${free}/page.txt`, LIMIT_MS - 10_000)).toBe('from the sandbox');
    } finally {
      await ended(child);
    }
  });
  test.runIf(existsSync(PYTHON))('ten thousand connections from the host leave nothing behind', { timeout: 120_000 }, async () => {
    const free = await freePort();
    const [command, ...args] = cliCommand() as [string, ...string[]];
    const child = spawn(command, [...args, ...flags, 'do', '--', PYTHON, '-c', COUNTING_SERVER, String(free)], {
      stdio: 'ignore',
      env: FIXED_ENV,
    });
    try {
      const before = await countWithin(free, LIMIT_MS);
      await connectMany(free, STORM, 50);
      const after = await countWithin(free, LIMIT_MS);
      expect(after.served - before.served).toBe(STORM + 1);
      expect(after.files).toBe(before.files);
      expect(after.sentryKb - before.sentryKb).toBeLessThan(64 * 1024);
    } finally {
      await ended(child);
    }

    /** Asks the server how many it served, and adds what memory the Sentry has. */
    async function countWithin(at: number, limitMs: number): Promise<{ served: number; files: number; sentryKb: number }> {
      const until = Date.now() + limitMs;
      for (;;) {
        const [served, files] = (await askCount(at)).split(' ').map(Number);
        if (files !== undefined) return { served: served as number, files, sentryKb: childrenKb(child.pid as number) };
        if (Date.now() > until) throw new Error('the server does not answer');
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  });
  test.runIf(existsSync(PYTHON))('a port of the host that is taken cannot be bound', { timeout: LIMIT_MS }, async () => {
    const script = join(scratch, 'taken.py');
    writeFileSync(script, TAKEN_PORT);
    const run = await runInSandbox([PYTHON, script, String(port)], { flags, timeoutMs: LIMIT_MS - 5000 });
    expect(run).toMatchObject({ stdout: 'EADDRINUSE\nEADDRINUSE\nok\nok\n', status: 0 });
  });
  test("getifaddrs names the host's interfaces", { timeout: LIMIT_MS }, async () => {
    const run = await runInSandbox(['node', '-p', 'Object.keys(require("os").networkInterfaces()).sort().join()'], {
      flags,
      env: NODE_ENV,
      timeoutMs: LIMIT_MS - 5000,
    });
    expect(run.stdout).toBe(`${Object.keys(networkInterfaces()).sort().join()}\n`);
  });
});

const STORM = 10_000;
const COUNTING_SERVER = `
import os, socket, sys
l = socket.socket(); l.bind(('127.0.0.1', int(sys.argv[1]))); l.listen(128)
n = 0
while True:
    c, _ = l.accept(); n += 1
    try:
        if c.recv(16) == b'count': c.sendall(b'%d %d' % (n, len(os.listdir('/proc/self/fd'))))
    except ConnectionError: pass
    c.close()
`;
const TAKEN_PORT = `
import errno, socket, sys
port = int(sys.argv[1])
def bind(family, kind, address, reuse=False):
    with socket.socket(family, kind) as s:
        if reuse: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try: s.bind(address); print('ok')
        except OSError as e: print(errno.errorcode[e.errno])
bind(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', port))
bind(socket.AF_INET, socket.SOCK_STREAM, ('0.0.0.0', port), True)
bind(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.3', port))
bind(socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', 0))
`;

/** Connects `count` times, `width` at once: one third closes at once, one speaks first, one resets. */
async function connectMany(port: number, count: number, width: number): Promise<void> {
  let next = 0;
  const one = (i: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const c = createConnection(port, '127.0.0.1', () => {
        if (i % 3 === 0) c.end();
        else if (i % 3 === 1) c.end('hello');
        else c.resetAndDestroy();
      });
      c.resume();
      c.on('error', reject);
      c.on('close', () => resolve());
    });
  const worker = async (): Promise<void> => {
    while (next < count) await one(next++).catch((e: NodeJS.ErrnoException) => expect(e.code).toBe('ECONNRESET'));
  };
  await Promise.all(Array.from({ length: width }, worker));
}
function askCount(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const c = createConnection(port, '127.0.0.1', () => c.write('count'));
    c.on('data', (data: Buffer) => (text += data.toString()));
    c.on('error', () => resolve(''));
    c.on('close', () => resolve(text));
  });
}
/** Resident memory of the processes a command line has started: its Sentry and Gofer. */
function childrenKb(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return children.reduce((kb, child) => {
    const line = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, 'utf8'));
    return kb + Number(line?.[1] ?? 0);
  }, 0);
}

async function freePort(): Promise<number> {
  const probe = createTcpServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const free = (probe.address() as AddressInfo).port;
  await new Promise((resolve) => probe.close(resolve));
  return free;
}

/** Asks again until somebody answers. */
async function fetchWithin(url: string, limitMs: number): Promise<string> {
  const until = Date.now() + limitMs;
  for (;;) {
    const text = await new Promise<string | null>((resolve) => {
      const request = get(url, (response) => {
        let body = '';
        response.on('data', (data: Buffer) => (body += data.toString()));
        response.on('end', () => resolve(body));
      });
      request.on('error', () => resolve(null));
      request.setTimeout(2000, () => request.destroy());
    });
    if (text !== null) return text;
    if (Date.now() > until) return 'nobody answered';
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 3000);
  await gone;
  clearTimeout(late);
}

const UNIX_CLIENT = `
import socket
def ask(kind):
    s = socket.socket(socket.AF_UNIX, kind)
    try: s.connect('/mnt/sock')
    except OSError as e: return e.strerror
    s.sendall(b'over'); return s.recv(100).decode()
print(ask(socket.SOCK_STREAM), '|', ask(socket.SOCK_DGRAM))
`;

describe('--host-uds', () => {
  test('lets a socket file of a bind mount be connected to when it is open, and only then', async () => {
    const shared = makeTemporary('uds');
    const echo = createTcpServer((peer) => peer.on('data', (data) => peer.end(data.toString().toUpperCase())));
    await new Promise<void>((resolve) => echo.listen(join(shared, 'sock'), resolve));
    const run = (how: string): Promise<string> =>
      new Promise((resolve) => {
        const [command, ...args] = [...cliCommand(), `--host-uds=${how}`, 'do', '-V', `${shared}:/mnt:ro`, '--', PYTHON, '-c', UNIX_CLIENT];
        const child = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
        let out = '';
        child.stdout.on('data', (data: Buffer) => {
          out += data.toString();
        });
        child.on('close', () => resolve(out.trim()));
      });
    expect(await run('none')).toBe('Connection refused | Connection refused');
    expect(await run('open')).toBe('OVER | Protocol wrong type for socket');
    echo.close();
    rmSync(shared, { recursive: true, force: true });
  }, 2 * LIMIT_MS);
});

const UNIX_SERVER = `
import socket
s = socket.socket(socket.AF_UNIX); s.bind('/mnt/guest'); s.listen(1)
print('listening', flush=True)
c, _ = s.accept(); c.sendall(c.recv(100).upper()); c.close()
`;

describe('--host-uds=all', () => {
  test('makes what the sandbox binds in a bind mount a socket of the host', async () => {
    const shared = makeTemporary('uds');
    const [command, ...args] = [...cliCommand(), '--host-uds=all', 'do', '-V', `${shared}:/mnt`, '--', PYTHON, '-c', UNIX_SERVER];
    const guest = spawn(command as string, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
    await new Promise((resolve) => guest.stdout.once('data', resolve));
    const client = createConnection(join(shared, 'guest'));
    client.write('from the host');
    const answer = await new Promise<string>((resolve) => client.on('data', (data) => resolve(data.toString())));
    expect(answer).toBe('FROM THE HOST');
    expect(await new Promise((resolve) => guest.on('close', resolve))).toBe(0);
    client.destroy();
    rmSync(shared, { recursive: true, force: true });
  }, LIMIT_MS);
});

describe('the tools of iproute2', () => {
  test('tell of sockets and change the sandbox\'s own network', async () => {
    const script = [
      'ip link add d0 type dummy && ip addr add 10.1.2.3/24 dev d0 && ip link set d0 up mtu 1400 && ip -4 -o addr show d0 | cut -d" " -f1-7',
      'ip route; ip route add 192.168.0.0/16 via 10.1.2.9 && ip route get 192.168.3.4 | head -1',
      'ip link del d0; ip route | wc -l',
      'exec 3<>/dev/udp/127.0.0.1/9; ss -Huapn | tr -s " " | cut -d" " -f1,5',
    ].join('\n');
    const result = await runInSandbox(['/bin/bash', '-c', script], { env: { ...FIXED_ENV, PATH: `${FIXED_ENV['PATH']}:/usr/sbin:/sbin` }, timeoutMs: LIMIT_MS });
    expect(result.stdout.toString().split('\n').map((line) => line.trimEnd())).toEqual([
      '2: d0    inet 10.1.2.3/24',
      '10.1.2.0/24 dev d0 proto kernel scope link src 10.1.2.3',
      '192.168.3.4 via 10.1.2.9 dev d0',
      '0',
      'ESTAB 127.0.0.1:9',
      '',
    ]);
  }, LIMIT_MS);
});
