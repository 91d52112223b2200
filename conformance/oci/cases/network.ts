// SPDX-License-Identifier: Apache-2.0

/**
 * A network namespace that somebody else made: what root and others may do in it.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Case, Config, World } from '../world.ts';

/** A namespace with the address 10.77.0.1, kept by a process that ends by itself if need be. Returns that. */
function makeNamespace(w: World): ChildProcess {
  const up = 'ip link set lo up && ip link add va type veth peer name vb && ip addr add 10.77.0.1/24 dev va && ip link set va up && touch "$0" && exec sleep 100';
  const keeper = spawn('unshare', ['--net', 'sh', '-c', up, `${w.directory}/up`], { stdio: 'ignore' });
  // Its end must not be an event of ours: everything here is synchronous.
  keeper.unref();
  w.until(() => spawnSync('test', ['-e', `${w.directory}/up`]).status === 0);
  return keeper;
}

function joins(keeper: ChildProcess, capabilities: readonly string[], uid = 0): (config: Config) => void {
  return (c) => {
    c.linux.namespaces = c.linux.namespaces.map((one: { type: string }) => (one.type === 'network' ? { ...one, path: `/proc/${keeper.pid}/ns/net` } : one));
    for (const kind of ['bounding', 'effective', 'permitted']) c.process.capabilities[kind] = [...capabilities];
    c.process.user = { uid, gid: uid };
  };
}

const SERVE = 'nc -l -p 80 2>&1 & i=0; until nc 127.0.0.1 80 2>/dev/null </dev/null || [ $i = 100 ] || ! [ -e /proc/$! ]; do i=$((i+1)); sleep 0.05; done; wait; [ $i -lt 100 ] && echo done';
const PING = 'for to in 127.0.0.1 10.77.0.1; do ping -c 1 -W 5 $to 2>&1 | grep -o -e "0% packet loss" -e "permission denied"; done';

export const networkCases: readonly Case[] = [
  {
    name: 'a network namespace by path: privileged ports and ping, for who may',
    needsRoot: true,
    run: (w) => {
      const keeper = makeNamespace(w);
      try {
        w.script(`${SERVE}; ${PING}`, joins(keeper, ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW']));
        w.runAndNote();
        w.script(`${SERVE}; ${PING}`, joins(keeper, [], 5));
        w.runAndNote();
      } finally {
        keeper.kill('SIGKILL');
      }
    },
    expect: ['done', '0% packet loss', '0% packet loss', 'nc: bind: Permission denied', 'done', 'permission denied', 'permission denied'],
  },
];
