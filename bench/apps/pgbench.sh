#!/bin/sh
# A fresh cluster and pgbench -S and TPC-B with 2 clients over its Unix socket; prints transactions a second. usage: pgbench.sh TRANSACTIONS
for bin in /usr/lib/postgresql/*/bin; do :; done
d=$(mktemp -d /tmp/pg.XXXXXX)
run() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi; }
[ "$(id -u)" != 0 ] || chown postgres "$d"
cd "$d" || exit 1
export PGHOST="$d" PGUSER=bench PGDATABASE=postgres
run "$bin/initdb" -D "$d/data" -U bench -A trust --no-sync >/dev/null 2>&1 || exit 1
run "$bin/pg_ctl" -D "$d/data" -l "$d/log" -w -o "-c listen_addresses= -c unix_socket_directories=$d -c autovacuum=off -c fsync=off" start >/dev/null || exit 1
run "$bin/pgbench" -i -s 1 -q >/dev/null 2>&1
run "$bin/pgbench" -n -S -c 2 -t "$1" | awk '/^tps/ { print "select", $3 }'
run "$bin/pgbench" -n -c 2 -t "$(($1 / 5))" 2>/dev/null | awk '/^tps/ { print "tpcb", $3 }'
run "$bin/pg_ctl" -D "$d/data" -m fast stop >/dev/null
cd / && rm -rf "$d"
