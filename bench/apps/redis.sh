#!/bin/sh
# Server and client in one place; prints SET and GET requests a second, 10 connections. usage: redis.sh REQUESTS
d=$(mktemp -d /tmp/redis.XXXXXX)
redis-server --port 6399 --save '' --appendonly no --dir "$d" --logfile "$d/log" >/dev/null &
until redis-cli -p 6399 ping >/dev/null 2>&1; do sleep 0.1; done
redis-benchmark -p 6399 -t set,get -n "$1" -c 10 --csv | tr '\r' '\n' | grep -E '^"(SET|GET)"' | cut -d, -f1,2 | tr -d '"' | tr ',' ' '
redis-cli -p 6399 shutdown nosave >/dev/null 2>&1
wait
rm -rf "$d"
