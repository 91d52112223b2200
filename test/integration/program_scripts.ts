// SPDX-License-Identifier: Apache-2.0

/**
 * The programs that must work unmodified, as scripts that print the same on Linux and in the sandbox.
 *
 * Invariants: a script starts in its own empty directory, prints no path, pid, time or address, and ends by itself.
 */

export interface ProgramScript {
  name: string;
  /** Commands that must be installed for the script to make sense. */
  needs: string[];
  /** What runs it, with the script as the last argument; bash when absent. */
  shell?: string[];
  script: string;
  timeoutMs?: number;
}

const shell: ProgramScript[] = [
  {
    name: 'busybox sh: pipelines, here-documents, arithmetic, case',
    needs: ['busybox'],
    shell: ['busybox', 'sh', '-c'],
    script: `
seq 1 100 | busybox grep 7 | busybox sort -rn | busybox head -5 | busybox tr '\\n' ' '; echo
cat <<END | busybox sed 's/a/b/g'
banana $((6 * 7))
END
for word in one two three; do case $word in t*) echo "t: $word" ;; *) echo "other: $word" ;; esac; done
i=0; while [ $i -lt 5 ]; do i=$((i + 1)); done; echo $i
busybox find . -name nothing; busybox mkdir -p a/b/c; busybox find a | busybox sort
(exit 3); echo "status $?"
busybox awk 'BEGIN { for (i = 0; i < 3; i++) print i * i }'`,
  },
  {
    name: 'bash: pipes, here-documents and strings, subshells, functions, arrays',
    needs: ['bash'],
    script: `
printf '%s\\n' c b a | sort | tr 'abc' 'ABC' | paste -sd, -
cat <<< "here string"
cat <<-'END'
	$not expanded
	END
(cd / && pwd; x=5); echo "x=[$x]"
f() { local n=$1; (( n <= 1 )) && echo 1 || echo $(( n * $(f $((n - 1))) )); }; f 6
declare -A m=([one]=1 [two]=2); for k in one two; do echo "$k=\${m[$k]}"; done
a=(1 2 3 4); echo "\${a[@]:1:2} \${#a[@]}"
[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "\${BASH_REMATCH[1]} \${BASH_REMATCH[2]}"
false | true; echo "\${PIPESTATUS[@]}"
set -o pipefail; false | true; echo $?
echo to-stderr 2>&1 >/dev/null | cat
exec 5> five; echo five >&5; exec 5>&-; cat five
printf '%05.2f|%x|%q\\n' 3.14159 255 "a b"
echo {1..5} {a..e} $((2 ** 40))`,
  },
  {
    name: 'bash: traps, process substitution, background jobs and wait',
    needs: ['bash'],
    script: `
trap 'echo exit-trap' EXIT
trap 'echo usr1' USR1
kill -USR1 $$; 
diff <(printf '1\\n2\\n') <(printf '1\\n3\\n'); echo "diff $?"
tee >(wc -c) < <(printf 12345) >/dev/null | cat
sleep 0.2 & p=$!; (exit 7) & q=$!
wait $q; echo "q $?"; wait $p; echo "p $?"
for i in 3 1 2; do (sleep 0.$i; echo job $i) & done; wait
sleep 100 & k=$!; until grep -qx sleep /proc/$k/comm; do sleep 0.01; done; kill -TERM $k; wait $k; echo "killed $?"
coproc cat; echo through >&\${COPROC[1]}; read -r line <&\${COPROC[0]}; echo "$line"
bash -c 'trap "echo child-term; exit 4" TERM; kill -TERM $$; sleep 1'; echo $?
bash -c 'kill -SEGV $$' ; echo $?
timeout 0.2 sleep 5; echo "timeout $?"
( trap '' INT; kill -INT $BASHPID; echo survived )
read -t 0.1 x < <(sleep 0.4); echo "read $(( $? > 128 ))"`,
  },
];

const tools: ProgramScript[] = [
  {
    name: 'coreutils and findutils on a tree',
    needs: ['find', 'xargs', 'stat'],
    script: `
mkdir -p t/a/b t/c; for i in 1 2 3; do echo "file $i" > t/a/f$i; done
ln -s a/f1 t/link; ln t/a/f1 t/c/hard; mkfifo t/fifo
find t | sort; find t -type l -o -type p | sort; find t -links +1 -type f | sort
find t -name 'f?' -print0 | sort -z | xargs -0 -n1 cat
stat -c '%n %F %a %h %s' t/a/f1 t/link t/fifo; readlink t/link
chmod 640 t/a/f2; touch -d '2001-02-03 04:05:06 UTC' t/a/f2; TZ=UTC stat -c '%a %y' t/a/f2
cp -a t u; diff -r t/a u/a && echo same; mv u/a u/z; ls -1 u
rm -r u; ls u 2>&1 | sed 's/.*: //'; du -s --apparent-size t/a >/dev/null; echo $?
dd if=/dev/zero bs=1000 count=7 2>/dev/null | wc -c; head -c 5 /dev/zero | od -An -tx1
seq 10 | split -l 4 - part; wc -l part*; comm -12 <(seq 1 5) <(seq 3 8) | tr '\\n' ' '; echo
join <(printf 'a 1\\nb 2\\n') <(printf 'a x\\nb y\\n'); seq 5 | shuf --random-source=/dev/zero | sort | tac | tr '\\n' ' '
basename /x/y.c .c; dirname /x/y; realpath --relative-to=/a/b /a/c; test -w / && echo writable; id -u; truncate -s 1M big; stat -c %s big
sha256sum t/a/f1; md5sum < t/a/f2; cksum t/a/f3; base64 t/a/f1; nl t/a/f1; expr 3 \\* 4; sleep 0.01; env -i A=1 env; nice -n 3 nice; tty; true`,
  },
  {
    name: 'grep, sed, awk and sort on a file larger than their buffers',
    needs: ['awk', 'sort'],
    timeoutMs: 60_000,
    script: `
awk 'BEGIN { s = 1; for (i = 0; i < 150000; i++) { s = (s * 16807) % 2147483647; print s, "line", i } }' > big
wc -lc big
sort -n big | md5sum; sort -S 1M -n -r big | head -3
grep -c '7 line' big; grep -E '^1[0-9]{8} ' big | wc -l; sed -n '1000~25000p' big; sed 's/line/LINE/' big | md5sum
awk '{ n += $1 % 10 } END { print n }' big; cut -d' ' -f3 big | tail -1; uniq -c <(cut -c1 big | sort) | awk '{print $2, $1}'`,
  },
  {
    name: 'tar and gzip round trip',
    needs: ['tar', 'gzip'],
    script: `
mkdir -p src/sub; seq 50000 > src/numbers; head -c 100000 /dev/zero > src/sub/zeros; ln -s numbers src/link; chmod 700 src/sub
tar -czf a.tgz src; gzip -t a.tgz && echo tested; tar -tzf a.tgz | sort
mkdir out; tar -xzf a.tgz -C out; diff -r src out/src && echo same; readlink out/src/link; stat -c %a out/src/sub
gzip -9 -k src/numbers; gunzip -c src/numbers.gz | cmp - src/numbers && echo equal; tar -cf - src | tar -tf - | wc -l
zcat src/numbers.gz | tail -1`,
  },
  {
    name: 'perl: files, regular expressions, fork, pipes, sort',
    needs: ['perl'],
    shell: ['perl', '-e'],
    script: `
use strict; use warnings; $| = 1;
open my $f, '>', 'data' or die; print $f "$_ \\n" for map { $_ * 3 } 1..1000; close $f;
open $f, '<', 'data' or die; my $sum = 0; while (<$f>) { $sum += $1 if /^(\\d+)/ } print "$sum\\n";
pipe(my $r, my $w); my $pid = fork; if (!$pid) { close $r; print $w "from child\\n"; exit 3 } close $w; print <$r>; waitpid $pid, 0; print $? >> 8, "\\n";
print join(',', sort { $b <=> $a } (3, 11, 2)), "\\n"; my %h = map { $_ => length } qw(a bb ccc); print "$_=$h{$_};" for sort keys %h; print "\\n";
local $SIG{ALRM} = sub { print "alarm\\n" }; alarm 1; select undef, undef, undef, 3; print \`echo backtick\`; print -s 'data', "\\n"; unlink 'data'; print -e 'data' ? 'there' : 'gone', "\\n";`,
  },
];

const languages: ProgramScript[] = [
  {
    name: 'python3: threads, queue, subprocess, signal, tempfile',
    needs: ['/usr/bin/python3'],
    shell: ['/usr/bin/python3', '-c'],
    script: `
import threading, queue, subprocess, signal, tempfile, os, time, sys
q = queue.Queue(); out = []
def work():
    while True:
        x = q.get()
        if x is None: return
        out.append(x * x); q.task_done()
ts = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in ts]; [q.put(i) for i in range(200)]; q.join(); [q.put(None) for _ in ts]; [t.join() for t in ts]
print(sum(out))
r = subprocess.run(['sh', '-c', 'cat; echo err >&2; exit 5'], input=b'hello', capture_output=True); print(r.returncode, r.stdout, r.stderr)
p = subprocess.Popen(['sleep', '30']); p.terminate(); print(p.wait())
try: subprocess.run(['sleep', '5'], timeout=0.2)
except subprocess.TimeoutExpired: print('timeout')
try: subprocess.run(['/no/such/program'])
except FileNotFoundError as e: print(e.errno)
print(subprocess.check_output('echo $((1+2)) | cat', shell=True))
got = []
signal.signal(signal.SIGUSR1, lambda s, f: got.append(s)); os.kill(os.getpid(), signal.SIGUSR1); print(got)
signal.signal(signal.SIGALRM, lambda s, f: got.append(s)); signal.setitimer(signal.ITIMER_REAL, 0.05); time.sleep(0.2); print(len(got))
with tempfile.TemporaryDirectory() as d:
    with tempfile.NamedTemporaryFile(dir=d) as f: f.write(b'x' * 100000); f.flush(); print(os.path.getsize(f.name))
    print(os.listdir(d))
lock = threading.Lock(); e = threading.Event(); threading.Timer(0.05, e.set).start(); print(e.wait(5)); print(sys.version_info[0], sum(range(10**6)))`,
  },
  {
    name: 'python3: multiprocessing',
    needs: ['/usr/bin/python3'],
    timeoutMs: 40_000,
    script: `
cat > m.py <<'END'
import multiprocessing as mp
def square(x): return x * x
def put(q, n): q.put(n * 10)
if __name__ == '__main__':
    for method in ('fork', 'spawn'):
        c = mp.get_context(method)
        with c.Pool(3) as p: print(method, p.map(square, range(20)))
    c = mp.get_context('fork'); q = c.Queue(); ps = [c.Process(target=put, args=(q, i)) for i in range(4)]
    [p.start() for p in ps]; print(sorted(q.get() for _ in ps)); [p.join() for p in ps]; print([p.exitcode for p in ps])
    v = c.Value('i', 0)
    def add(v):
        for _ in range(100):
            with v.get_lock(): v.value += 1
    ps = [c.Process(target=add, args=(v,)) for _ in range(3)]; [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)
    a, b = c.Pipe(); a.send({'x': [1, 2]}); print(b.recv())
    from multiprocessing import shared_memory
    s = shared_memory.SharedMemory(create=True, size=100); s.buf[0] = 7; t = shared_memory.SharedMemory(name=s.name); print(t.buf[0]); t.close(); s.close(); s.unlink()
END
/usr/bin/python3 m.py`,
  },
  {
    name: 'python3: asyncio, mmap, sqlite3, sockets, select',
    needs: ['/usr/bin/python3'],
    shell: ['/usr/bin/python3', '-c'],
    script: `
import asyncio, mmap, sqlite3, os, socket, select, tempfile
async def server(r, w):
    w.write((await r.readline()).upper()); await w.drain(); w.close()
async def main():
    d = tempfile.mkdtemp(); s = await asyncio.start_unix_server(server, d + '/s')
    r, w = await asyncio.open_unix_connection(d + '/s'); w.write(b'hello\\n'); print(await r.readline()); w.close(); s.close()
    print(await asyncio.gather(*[asyncio.sleep(0.01 * (3 - i), i) for i in range(3)]))
    p = await asyncio.create_subprocess_exec('sh', '-c', 'echo out; exit 2', stdout=asyncio.subprocess.PIPE); print(await p.communicate(), p.returncode)
    try: await asyncio.wait_for(asyncio.sleep(5), 0.05)
    except asyncio.TimeoutError: print('timed out')
    print(await asyncio.get_running_loop().run_in_executor(None, lambda: 42))
asyncio.run(main())
with open('f', 'w+b') as f:
    f.write(b'0' * 8192); f.flush(); m = mmap.mmap(f.fileno(), 0); m[4096:4100] = b'ABCD'; m.flush(); f.seek(4096); print(f.read(4)); print(m.find(b'ABCD')); m.close()
m = mmap.mmap(-1, 4096); pid = os.fork()
if pid == 0: m[0] = 65; os._exit(0)
os.waitpid(pid, 0); print(m[0])
db = sqlite3.connect('x.db'); db.execute('create table t(a integer primary key, b text)'); db.executemany('insert into t(b) values(?)', [(str(i),) for i in range(1000)]); db.commit()
print(db.execute('select count(*), sum(a), max(b) from t').fetchone()); db.execute('pragma journal_mode=wal'); db.execute('update t set b = b || "x" where a % 2'); db.commit()
other = sqlite3.connect('x.db'); print(other.execute('select count(*) from t where b like "%x"').fetchone()); db.rollback(); db.close(); other.close(); print(sorted(x for x in os.listdir('.') if not x.startswith('tmp')))
a, b = socket.socketpair(); a.send(b'x'); print(select.select([b], [], [], 1)[0] == [b]); print(b.recv(10)); p = select.poll(); p.register(a, select.POLLIN); print(p.poll(10))
e = select.epoll(); e.register(b.fileno(), select.EPOLLOUT); print(len(e.poll(1)))`,
  },
  {
    name: 'gcc and make -j2 build and run a program of several files',
    needs: ['gcc', 'make'],
    timeoutMs: 60_000,
    script: `
cat > main.c <<'END'
#include <stdio.h>
int add(int, int); int mul(int, int);
int main(int c, char **v) { printf("%d %d %d\\n", add(2, 3), mul(4, 5), c); return 0; }
END
echo 'int add(int a, int b) { return a + b; }' > add.c; echo 'int mul(int a, int b) { return a * b; }' > mul.c
printf 'OBJS = main.o add.o mul.o\\nprog: $(OBJS)\\n\\t@gcc -o $@ $(OBJS)\\n%%.o: %%.c\\n\\t@gcc -O2 -c -o $@ $<\\nclean:\\n\\t@rm -f prog *.o\\n' > Makefile
make -s -j2 && ./prog one two; touch -d '+1 hour' add.c 2>/dev/null; make -s -j2 2>/dev/null && ./prog; make -s clean; ls
gcc -static -O1 -o static main.c add.c mul.c && ./static; echo 'int x = ;' > bad.c; gcc -c bad.c 2>/dev/null; echo "bad $?"; echo '#include <stdio.h>
int main() { puts("from stdin"); }' | gcc -x c - -o s && ./s`,
  },
  {
    name: 'git: init, add, commit, branch, merge, log, clone of a local repository',
    needs: ['git'],
    timeoutMs: 60_000,
    script: `
export HOME=$PWD GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
git init -q -b main r && cd r; for i in 1 2 3; do echo $i > f$i; git add .; git commit -qm "commit $i"; done
git log --format='%h %s'; git status --short; echo x >> f1; git diff --stat; git stash -q; git stash pop -q; git checkout -q -- f1
git checkout -q -b side; echo side > s; git add s; git commit -qm side; git checkout -q main; git merge -q --no-edit --no-ff side; git log --oneline | wc -l; git ls-files | tr '\\n' ' '; echo
cd ..; git clone -q r c 2>&1; cd c; git log -1 --format='%h %s'; git fsck 2>&1 | grep -v notice; git gc -q; git log --oneline | wc -l; git rev-parse HEAD; git grep -n 2; git blame -s f2`,
  },
  {
    name: 'Go programs start: docker and runc',
    needs: ['docker', 'runc'],
    script: 'docker --version; runc --version; runc spec && wc -l < config.json; docker --help | head -3',
  },
  {
    name: 'node: worker threads, child processes, files, timers, streams',
    needs: ['node'],
    timeoutMs: 40_000,
    script: `
cat > n.js <<'END'
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
if (!isMainThread) { let s = 0; for (let i = 0; i < workerData; i++) s += i; parentPort.postMessage(s); return; }
const cp = require('child_process'), fs = require('fs'), net = require('net'), zlib = require('zlib');
const worker = (n) => new Promise((ok, no) => { const w = new Worker(__filename, { workerData: n }); w.on('message', ok); w.on('error', no); });
(async () => {
  console.log(await Promise.all([worker(1000), worker(100000)]));
  console.log(cp.execFileSync('sh', ['-c', 'echo child; exit 0']).toString().trim(), cp.spawnSync('sh', ['-c', 'exit 4']).status);
  console.log(await new Promise((ok) => { const c = cp.spawn('cat'); let o = ''; c.stdout.on('data', (d) => (o += d)); c.on('close', (code) => ok([o, code])); c.stdin.end('piped'); }));
  const f = cp.fork(process.argv[1], ['child'], { execArgv: ['-e', 'process.send({ pong: 1 })'] }); console.log(await new Promise((ok) => f.on('message', ok))); 
  fs.writeFileSync('a', 'x'.repeat(1e5)); console.log(fs.statSync('a').size, (await fs.promises.readFile('a')).length, fs.readdirSync('.').sort());
  console.log(zlib.gunzipSync(zlib.gzipSync('compressed')).toString(), require('crypto').createHash('sha256').update('x').digest('hex').slice(0, 8));
  const s = net.createServer((c) => c.end('bye')).listen('sock'); console.log(await new Promise((ok) => { let o = ''; net.connect('sock').on('data', (d) => (o += d)).on('end', () => ok(o)); })); s.close();
  const t = Date.now(); await new Promise((ok) => setTimeout(ok, 50)); console.log(Date.now() - t >= 49); process.on('SIGUSR2', () => { console.log('signal'); process.exit(6); }); process.kill(process.pid, 'SIGUSR2'); setTimeout(() => {}, 5000);
})();
END
sed -i 's/^  const f = cp.fork.*$/  fs.writeFileSync("k.js", "process.send({ pong: 1 })"); console.log(await new Promise((ok) => cp.fork(".\\/k.js").on("message", ok)));/' n.js
node n.js; echo "status $?"`,
  },
];

/** All of them, in the order they are reported. */
export const programScripts: ProgramScript[] = [...shell, ...tools, ...languages];
