# SPDX-License-Identifier: Apache-2.0
# needs: redis-server redis-cli redis-benchmark
# packages: redis-server redis-tools
# ci
# redis on TCP and a Unix socket: commands, a fork for BGSAVE and its reload, benchmark.
start() { redis-server --port 6399 --unixsocket $PWD/r.sock --save '' --dir $PWD --daemonize no --logfile log & server=$!; for i in $(seq 100); do redis-cli -p 6399 ping >/dev/null 2>&1 && break; sleep 0.1; done; }
start
redis-cli -p 6399 ping; redis-cli -s r.sock set k v; redis-cli -p 6399 get k
for i in $(seq 500); do echo "rpush list $i"; done | redis-cli -p 6399 | tail -1
redis-cli -p 6399 eval 'return redis.call("llen", KEYS[1]) * 2' 1 list
redis-cli -p 6399 bgsave; for i in $(seq 50); do [ -s dump.rdb ] && break; sleep 0.1; done; sleep 0.3
redis-benchmark -p 6399 -q -n 2000 -c 10 -t set,get,lpush --csv | cut -d, -f1
redis-cli -p 6399 shutdown nosave; wait $server; echo "server $?"
start; redis-cli -p 6399 llen list; redis-cli -s r.sock shutdown nosave; wait $server; echo "server $?"
