// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts do`: exit status, options, standard streams, signals.
 * Behaviours: the program's status is the command's, 128 + signal when killed; 127 and 126 for what cannot be started; the
 * options change what the program sees; stdio are the caller's own descriptors (pipe, file at an offset, terminal);
 * signals and Ctrl-C reach the program.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cliCommand, cliPath, runCli, runInSandbox, runNative } from '../harness/run.ts';
import { startCli } from '../harness/started.ts';
import { have } from '../harness/needs.ts';
import { makeTemporary } from '../harness/temporary.ts';

const cli = cliCommand().join(' ');
let scratch = '';
beforeAll(() => {
  scratch = makeTemporary('do-test');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const inShell = (script: string) => runNative(['sh', '-c', script], { cwd: scratch, timeoutMs: 20_000 });

describe.runIf(existsSync(cliPath()))('do', () => {
  test.each([
    ['exit 0', 0],
    ['exit 5', 5],
    ['exit 255', 255],
    ['kill -KILL $$', 137],
    ['kill -TERM $$', 143],
    ['kill -SEGV $$', 139],
  ])('sh -c "%s" ends with status %i', async (script, status) => {
    const result = await runInSandbox(['sh', '-c', script]);
    expect(result).toMatchObject({ status, stdout: '' });
  });

  test('a missing program is 127 and named in one line', async () => {
    for (const name of ['/no/such/program', 'no-such-program']) {
      const result = await runInSandbox([name]);
      expect(result.status).toBe(127);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
      expect(result.stderr).toContain(name);
    }
  });

  test('what is not executable is 126, with the reason', async () => {
    writeFileSync(join(scratch, 'plain'), 'text', { mode: 0o644 });
    writeFileSync(join(scratch, 'elf'), '\x7fELF corrupt, and long enough to hold a header if it were one ...............', { mode: 0o755 });
    const arm = Buffer.from(readFileSync('/bin/true'));
    arm.writeUInt16LE(183, 18);
    writeFileSync(join(scratch, 'arm'), arm, { mode: 0o755 });
    expect(await runInSandbox([join(scratch, 'plain')])).toMatchObject({ status: 126, stderr: expect.stringMatching(/permission denied/i) });
    expect(await runInSandbox(['/tmp'])).toMatchObject({ status: 126 });
    for (const name of ['elf', 'arm'])
      expect(await runInSandbox([join(scratch, name)])).toMatchObject({ status: 126, stderr: expect.stringMatching(/exec format error/i) });
  });

  test('wrong options are refused in one line', async () => {
    const wrong = [['do'], ['do', '--no-such-flag', 'true'], ['do', '--uid=x', '--', 'true'], ['do', '--root=/no/such/dir', '--', 'true'], ['do', '--volume=/no/such:/x', '--', 'true'], ['do', '--volume=bad', '--', 'true'], ['--network=wrong', 'do', 'true'], ['--platform=wrong', 'do', 'true'], ['nonsense']];
    for (const args of wrong) {
      const result = await runCli(args);
      expect(result.status, args.join(' ')).not.toBe(0);
      expect(result.stderr.trim().split('\n'), args.join(' ')).toHaveLength(1);
      expect(result.stdout).toBe('');
    }
  });

  test('options: cwd, env, uid, gid, hostname', async () => {
    const result = await runInSandbox(['sh', '-c', 'pwd; echo $A; id -u; id -g; uname -n'], { cwd: '/usr', doFlags: ['--env=A=b c', '--uid=12', '--gid=34', '--hostname=inside'] });
    expect(result.stdout).toBe('/usr\nb c\n12\n34\ninside\n');
    const missing = await runInSandbox(['true'], { cwd: '/no/such/dir' });
    expect(missing.status).not.toBe(0);
    expect(missing.stderr).toContain('/no/such/dir');
  });

  test('writes stay in the overlay, in a volume they do not, with :ro they fail', async () => {
    const directory = mkdtempSync(join(scratch, 'v-'));
    const inside = await runInSandbox(['sh', '-c', `echo x > ${directory}/f; cat ${directory}/f`]);
    expect(inside.stdout).toBe('x\n');
    expect(existsSync(join(directory, 'f'))).toBe(false);
    await runInSandbox(['sh', '-c', 'echo y > /mnt/f'], { volumes: [`${directory}:/mnt`] });
    expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('y\n');
    const refused = await runInSandbox(['sh', '-c', 'echo z > /mnt/f'], { volumes: [`${directory}:/mnt:ro`] });
    expect(refused.status).not.toBe(0);
    expect(readFileSync(join(directory, 'f'), 'utf8')).toBe('y\n');
  });

  test.runIf(have('busybox'))('--root shows only that tree, and a link in it does not lead out', async () => {
    const root = mkdtempSync(join(scratch, 'root-'));
    mkdirSync(join(root, 'bin'));
    writeFileSync(join(root, 'bin/busybox'), readFileSync('/bin/busybox'), { mode: 0o755 });
    symlinkSync('/etc/hostname', join(root, 'out'));
    symlinkSync('../../../../../../etc/passwd', join(root, 'up'));
    const result = await runInSandbox(['/bin/busybox', 'sh', '-c', 'cd /; busybox ls; busybox cat /out /up; echo $?'], { root });
    expect(result.stdout).toBe('bin\ndev\nout\nproc\nsys\nup\n1\n');
  });

  test('a mount point outside the tree cannot be seen through ..', async () => {
    const result = await runInSandbox(['sh', '-c', 'cd /../..; pwd; ls -d /../../../etc']);
    expect(result.stdout).toBe('/\n/../../../etc\n');
  });
});

describe.runIf(existsSync(cliPath()))('standard streams', () => {
  test('a file given as output is continued, not overwritten', async () => {
    await inShell(`{ echo first; ${cli} do -- echo second; echo third; } > out; ${cli} do -- echo fourth >> out`);
    expect(readFileSync(join(scratch, 'out'), 'utf8')).toBe('first\nsecond\nthird\nfourth\n');
  });
  test('a file given as input is read from its offset, which moves', async () => {
    writeFileSync(join(scratch, 'in'), 'one\ntwo\nthree\n');
    const result = await inShell(`{ dd bs=4 count=1 2>/dev/null; ${cli} do -- dd bs=4 count=1 2>/dev/null; cat; } < in`);
    expect(result.stdout).toBe('one\ntwo\nthree\n');
  });
  test('pipes: end of file, a closed reader, a large transfer', async () => {
    const result = await inShell(`echo through | ${cli} do -- cat; ${cli} do -- seq 1000000 | head -1; head -c 3000000 /dev/zero | ${cli} do -- wc -c`);
    expect(result.stdout).toBe('through\n1\n3000000\n');
  });
  test('closed streams do not stop it', async () => {
    expect((await inShell(`${cli} do -- sh -c 'exit 3' <&- >&- 2>&-`)).status).toBe(3);
  });
  test('other descriptors of the caller are not inherited', async () => {
    const result = await inShell(`exec 7< /etc/passwd; ${cli} do -- sh -c 'cat <&7' 2>&1; true`);
    expect(result.stdout).not.toContain('root:');
  });
  test('a terminal: isatty, size, and job control works', async () => {
    const script = `stty rows 33 cols 77; ${cli} do -- sh -c "test -t 0 && test -t 1 && echo is-tty; stty size"; stty -a | grep -c -- -icanon`;
    const result = await runNative(['script', '-qec', script, '/dev/null'], { timeoutMs: 20_000 });
    expect(result.stdout.replaceAll('\r', '')).toBe('is-tty\n33 77\n0\n');
  });
  test.runIf(have('python3'))("a terminal's VTIME ends a read, and what was typed is read with VMIN and VTIME", async () => {
    const reads = 'stty raw -echo min 0 time 2; dd bs=9 count=1 2>/dev/null | wc -c; stty min 3 time 100; echo ready; dd bs=9 count=1 2>/dev/null';
    const python = `
import os, pty
pid, fd = pty.fork()
if pid == 0: os.execv(${JSON.stringify(cliCommand()[0])}, ${JSON.stringify([...cliCommand(), 'do', '--', 'sh', '-c', reads])})
text = b''
def more():
    try: return os.read(fd, 100)
    except OSError: return b''
while b'ready' not in text: text += more()
os.write(fd, b'abc')
while not text.endswith(b'abc'):
    part = more()
    if not part: break
    text += part
print(text.split(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    const result = await runNative(['/usr/bin/python3', '-c', python], { timeoutMs: 30_000 });
    expect(result.timedOut, result.hang).toBe(false);
    expect(result.stdout).toBe("[b'0', b'ready', b'abc'] 0\n");
  });
  test.runIf(have('python3'))('Ctrl-C on the terminal interrupts the program', async () => {
    const command = JSON.stringify([...cliCommand(), 'do', '--', 'sh', '-c', 'echo ready; exec sleep 30']);
    const python = `
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0: os.execv(${JSON.stringify(cliCommand()[0])}, ${command})
text = b''
while b'ready' not in text: text += os.read(fd, 100)
os.write(fd, b'\\x03'); start = time.time()
status = os.waitpid(pid, 0)[1]
print(os.waitstatus_to_exitcode(status), time.time() - start < 10)`;
    const result = await runNative(['/usr/bin/python3', '-c', python], { timeoutMs: 30_000 });
    expect(result.timedOut, result.hang).toBe(false);
    expect(result.stdout).toMatch(/^(130|-2) True\n$/);
  });
});

describe.runIf(existsSync(cliPath()))('signals', () => {
  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1', 'SIGWINCH'] as const)('%s sent to the command reaches the program', async (signal) => {
    const started = startCli(['do', '--', 'sh', '-c', `trap 'echo got; exit 7' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`]);
    await started.waitFor('ready');
    process.kill(started.pid, signal);
    expect(await started.end()).toBe(7);
    expect(started.output()).toContain('got');
  });
  test('a signal without a handler ends the program and the command tells which', async () => {
    const started = startCli(['do', '--', 'sh', '-c', 'echo ready; exec sleep 30']);
    await started.waitFor('ready');
    process.kill(started.pid, 'SIGTERM');
    expect(await started.end()).toBe(143);
  });
});
