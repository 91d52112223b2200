# SPDX-License-Identifier: Apache-2.0
# needs: node
# packages: nodejs
# ci
# node's http server and client with keep-alive, 200 requests, a 4 MB body both ways, a WebSocket-like upgrade.
cat > s.js <<'END'
const http = require('http'), crypto = require('crypto');
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
const hash = (b) => crypto.createHash('md5').update(b).digest('hex');
const server = http.createServer((q, s) => { const parts = []; q.on('data', (d) => parts.push(d)); q.on('end', () => { const b = Buffer.concat(parts); s.setHeader('x-md5', hash(b)); s.end(q.method === 'POST' ? b : 'path ' + q.url); }); });
server.on('upgrade', (q, socket) => { socket.write('HTTP/1.1 101 Switching\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n'); socket.on('data', (d) => socket.end(d.toString().toUpperCase())); });
const ask = (options, body) => new Promise((ok, no) => { const q = http.request({ host: '127.0.0.1', port: server.address().port, agent, ...options }, (s) => { const parts = []; s.on('data', (d) => parts.push(d)); s.on('end', () => ok([s.statusCode, Buffer.concat(parts), s.headers])); }); q.on('error', no); q.end(body); });
server.listen(0, '127.0.0.1', async () => {
  const all = await Promise.all(Array.from({ length: 200 }, (_, i) => ask({ path: '/' + i })));
  console.log(all.length, all.every(([c, b], i) => c === 200 && b.toString() === 'path /' + i));
  const big = Buffer.alloc(4 << 20, 'abcdefg'); const [code, body, headers] = await ask({ method: 'POST', path: '/' }, big); console.log(code, body.equals(big), headers['x-md5'] === hash(big));
  console.log(await new Promise((ok) => { const q = http.request({ host: '127.0.0.1', port: server.address().port, headers: { Connection: 'Upgrade', Upgrade: 'echo' } }); q.on('upgrade', (r, socket) => { socket.write('shout'); socket.on('data', (d) => ok(d.toString())); }); q.end(); }));
  agent.destroy(); server.close(); server.closeAllConnections();
});
END
node s.js; echo "status $?"
