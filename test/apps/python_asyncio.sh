# SPDX-License-Identifier: Apache-2.0
# needs: /usr/bin/python3
# packages: python3-minimal
# ci
# Python's asyncio: an echo server with 100 clients at once, a datagram endpoint, a Unix server, subprocesses, signals, a cancelled connect.
cat > a.py <<'END'
import asyncio, os, signal, socket
async def echo(r, w):
    while data := await r.read(65536):
        w.write(data.upper()); await w.drain()
    w.close()
async def client(port, i):
    r, w = await asyncio.open_connection('127.0.0.1', port)
    body = (b'client %d ' % i) * 2000
    w.write(body); w.write_eof()
    got = await r.read(-1)
    w.close(); await w.wait_closed()
    return got == body.upper()
class Datagrams(asyncio.DatagramProtocol):
    def connection_made(self, t): self.t = t
    def datagram_received(self, data, addr): self.t.sendto(data[::-1], addr)
class Waiter(asyncio.DatagramProtocol):
    def __init__(self): self.got = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, addr): self.got.set_result(data)
async def main():
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, '127.0.0.1', 0, backlog=128)
    port = server.sockets[0].getsockname()[1]
    print('tcp', all(await asyncio.gather(*(client(port, i) for i in range(100)))))
    t, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=('127.0.0.1', 0))
    c, p = await loop.create_datagram_endpoint(Waiter, remote_addr=t.get_extra_info('sockname'))
    c.sendto(b'abc'); print('udp', await asyncio.wait_for(p.got, 5)); c.close(); t.close()
    u = await asyncio.start_unix_server(echo, 'u.sock')
    r, w = await asyncio.open_unix_connection('u.sock'); w.write(b'unix'); w.write_eof(); print(await r.read()); w.close()
    kids = await asyncio.gather(*(asyncio.create_subprocess_exec('/bin/sh', '-c', 'cat; exit %d' % i, stdin=-1, stdout=-1) for i in range(5)))
    print([(await k.communicate(b'x%d' % i), k.returncode) for i, k in enumerate(kids)])
    hit = asyncio.Event(); loop.add_signal_handler(signal.SIGUSR1, hit.set); os.kill(os.getpid(), signal.SIGUSR1); await asyncio.wait_for(hit.wait(), 5); print('signal')
    try: await asyncio.open_connection('127.0.0.1', 1)
    except ConnectionRefusedError: print('refused')
    idle = socket.create_server(('127.0.0.1', 0)); r, w = await asyncio.open_connection(*idle.getsockname())
    try: await asyncio.wait_for(r.read(1), 0.2)
    except asyncio.TimeoutError: print('timeout')
    w.close(); server.close(); await server.wait_closed(); print('closed')
asyncio.run(main())
END
/usr/bin/python3 a.py; echo "status $?"
