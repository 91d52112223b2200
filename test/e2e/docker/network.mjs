// SPDX-License-Identifier: Apache-2.0

/** Networks: none, host, bridge, user-defined with names, container:X, published ports, and what programs inside see of them. */
import { connect } from 'node:net';
import { until } from '../command.mjs';

/** What a client on the host gets from a port. */
function fetchFrom(port, request) {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(request));
    socket.setTimeout(5000, () => socket.destroy());
    socket.on('data', (chunk) => (text += chunk));
    socket.on('error', (error) => (text = error.code));
    socket.on('close', () => resolve(text));
  });
}

const SERVE = 'echo page > /tmp/index.html; echo up; exec httpd -f -p 80 -h /tmp';
const answers = (name) => `i=0; until nc -w 1 ${name} 80 2>/dev/null </dev/null || [ $i = 50 ]; do sleep 0.1; i=$((i+1)); done`;

export const networkScenarios = [
  [
    'ip addr, ip route on the default bridge',
    async (d) => {
      await d.run(['--network', 'bridge'], 'ip addr | grep -v valid_lft; ip route; ip link show eth0 | head -1');
      await d.run(['--network', 'bridge'], '/opt/ip -o -4 addr show eth0 | cut -d" " -f7; /opt/ip route; /opt/ip -o link | wc -l; cat /sys/class/net/eth0/mtu; ls /sys/class/net');
      await d.run(['--network', 'bridge', '--mac-address', '02:42:0a:00:00:77'], 'cat /sys/class/net/eth0/address; ifconfig eth0 | grep -c "RX packets"; route -n; netstat -rn | wc -l; nc -l -p 77 & while ! netstat -lnt | grep -o ":77 .*LISTEN"; do :; done; kill $!');
      await d.run(['--network', 'none'], 'ip addr | grep "inet "; ip route; /opt/ip route; nc -w 2 10.213.0.1 80; echo $?');
      const privileged = d.isOurs ? 871 : 872;
      await d.run(['--network', 'host'], `timeout 1 httpd -f -p ${privileged}; echo $?`);
      await d.run(['--network', 'host', '--user', '5', '--cap-drop', 'NET_BIND_SERVICE'], 'timeout 1 nc -l -p 80 2>&1');
      await d.run(['--network', 'host'], 'ip addr | grep -q "inet " && echo some; ip route | grep -c "^default"');
    },
  ],
  [
    'ping',
    async (d) => {
      await d.run(['--network', 'bridge'], 'gw=$(ip route | awk "/default/ { print \\$3 }"); ping -c 2 -W 5 $gw | grep "packets transmitted" | cut -d, -f1,2; /opt/ping -c 1 -W 5 $gw | grep -o "1 received"');
      await d.run(['--network', 'bridge'], 'ping -c 1 -W 2 127.0.0.1 | grep -o "0% packet loss"; /opt/ping -c 1 -W 2 127.0.0.1 | grep -o "1 received"');
      await d.run(['--network', 'none'], '/opt/ping -c 1 -W 2 10.1.2.3; echo $?');
      await d.run(['--network', 'bridge', '--user', '1000'], '/opt/ping -c 1 -W 2 127.0.0.1 | grep -o "1 received"');
      // In one network namespace, with the same pids and so the same identifiers.
      const holder = await d.start('holder', ['--network', 'bridge'], 'sleep 300');
      const joint = [...d.runWords(['--rm', '--network', `container:${holder}`]), 'bb', 'sh', '-c', 'ping -c 3 -W 5 $(ip route | awk "/default/ { print \\$3 }") | grep "packets transmitted" | cut -d, -f1,2'];
      const both = await Promise.all([joint, joint].map((words) => d.daemon.docker(words)));
      // runc's take each other's replies for their own at times.
      d.fact('two at once in one network namespace', d.isOurs ? both.map(({ stdout }) => stdout) : ['', ''].fill('3 packets transmitted, 3 packets received\n'));
      await d.run(['--network', 'bridge', '--cap-drop', 'NET_RAW'], 'ping -c 1 -W 2 127.0.0.1 2>&1 | tail -1');
    },
  ],
  [
    'a user-defined network: names, aliases, getaddrinfo',
    async (d) => {
      const net = d.name('net');
      await d.must('network', 'create', net);
      const c = await d.start('srv', ['--network', net, '--network-alias', 'web'], SERVE);
      await d.logged(c, 'up');
      await d.run(['--network', net], `${answers(c)}; wget -q -O - http://${c}/index.html; wget -q -O - http://web/`);
      await d.run(['--network', net], `nslookup ${c} | tail -n +4 | grep -c "Address"; cat /etc/resolv.conf | grep nameserver; cat /etc/nsswitch.conf`);
      await d.run(['--network', net], `/opt/getent ahosts ${c} | awk '{ print $2 }' | sort; /opt/getent hosts web | wc -l; /opt/getent hosts nosuch.invalid; echo $?; ping -c 1 -W 5 web | grep -o "0% packet loss"`);
      await d.run(['--network', net, '--hostname', 'me'], '/opt/getent hosts me localhost | wc -l; cat /etc/hosts | wc -l');
      await d.run(['--network', `container:${c}`], 'wget -q -O - http://127.0.0.1/; hostname | wc -c; ip -o -4 addr | wc -l');
      await d.docker(['rm', '-f', c]);
      await d.docker(['network', 'rm', net]);
    },
  ],
  [
    'two networks, network connect and disconnect before the start',
    async (d) => {
      const [one, two] = [d.name('one'), d.name('two')];
      for (const net of [one, two]) await d.must('network', 'create', net);
      const c = d.name('both');
      await d.must('create', `--runtime=${d.runtime}`, '--label', d.tag, '--name', c, '--network', one, 'bb', 'sh', '-c', 'ip -o -4 addr | wc -l; ip route | grep -c "^default"; echo up; sleep 300');
      await d.must('network', 'connect', two, c);
      await d.must('start', c);
      await d.logged(c, 'up');
      await d.docker(['logs', c]);
      await d.run(['--network', two], `ping -c 1 -W 5 ${c} | grep -o "0% packet loss"`);
      await d.must('rm', '-f', c);
      for (const net of [one, two]) await d.docker(['network', 'rm', net]);
    },
  ],
  [
    '-p: a published port and a client outside',
    async (d) => {
      const c = await d.start('pub', ['--network', 'bridge', '-p', '127.0.0.1::80', '-p', '127.0.0.1::7/udp'], SERVE);
      const port = Number((await d.must('port', c, '80/tcp')).split(':').pop());
      const page = await until(async () => /page/.test(await fetchFrom(port, 'GET / HTTP/1.0\r\n\r\n')), 20_000);
      d.fact('the page came', page);
      const many = await Promise.all(Array.from({ length: 20 }, () => fetchFrom(port, 'GET / HTTP/1.0\r\n\r\n')));
      d.fact('twenty at once', many.map((text) => /^HTTP.* 200/.test(text) && text.endsWith("page\n")));
      const inside = await d.daemon.docker([...d.runWords(['--rm', '--network', 'host']), 'bb', 'wget', '-q', '-O', '-', `http://127.0.0.1:${port}/index.html`]);
      d.fact('from a container in the host network', [inside.status, inside.stdout]);
      await d.docker(['restart', '-t', '1', c]);
      const again = Number((await d.must('port', c, '80/tcp')).split(':').pop());
      d.fact('after a restart', await until(async () => /page/.test(await fetchFrom(again, 'GET / HTTP/1.0\r\n\r\n')), 20_000));
    },
  ],
  [
    'a port of the container, by TCP and UDP, between two containers',
    async (d) => {
      const net = d.name('pair');
      await d.must('network', 'create', net);
      const c = await d.start('echo', ['--network', net], 'nc -lk -p 9000 -e /bin/cat & nc -u -l -p 9001 -e /bin/cat & echo up; wait');
      await d.logged(c, 'up');
      await d.run(['--network', net, '-i'], `i=0; until nc -w 1 ${c} 9000 2>/dev/null </dev/null || [ $i = 50 ]; do sleep 0.1; i=$((i+1)); done; nc -w 3 ${c} 9000`, { input: 'through tcp\n' });
      await d.run(['--network', net], `echo through udp | timeout 3 nc -u -w 1 ${c} 9001`);
      await d.must('rm', '-f', c);
      await d.must('network', 'rm', net);
    },
  ],
];
