# SPDX-License-Identifier: Apache-2.0
# needs: /usr/lib/postgresql/*/bin/postgres
# packages: postgresql
# ci
# PostgreSQL killed by SIGKILL with clients at work, twice: after the restart every row a client was told is committed is there.
bin=$(echo /usr/lib/postgresql/*/bin | awk '{print $NF}'); chmod 777 .; here=$PWD; p=$PWD; while [ "$p" != / ] && [ "$p" != /tmp ]; do chmod a+x "$p"; p=$(dirname "$p"); done
as() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$here" PGHOST="$here/sock" PGDATABASE=postgres PGUSER=u "$@"; }
as mkdir sock
as $bin/initdb -D db -U u -A trust -E UTF8 --locale=C >init.log 2>&1; echo "initdb $?"
# The server is a child of this shell, so that the shell reaps what it kills.
start() {
  (exec setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$here" $bin/postgres -D db -k "$here/sock" -c listen_addresses= -c fsync=on) >>log 2>&1 & postmaster=$!
  for i in $(seq 300); do as $bin/psql -At -c 'select 1' >/dev/null 2>&1 && { echo started; return; }; sleep 0.1; done
  echo "not started"; tail -5 log
}
start
as $bin/psql -qc 'create table t (client int, n int, primary key (client, n))'
for round in 1 2; do
  for c in 1 2 3; do
    { for n in $(seq 5000); do echo "insert into t values ($round$c, $n) returning n;"; done; } | as $bin/psql -qAt > told.$round.$c 2>/dev/null &
  done
  for i in $(seq 300); do [ "$(cat told.$round.* 2>/dev/null | wc -l)" -gt 150 ] && break; sleep 0.1; done
  kill -9 $postmaster $(cat /proc/$postmaster/task/$postmaster/children) 2>/dev/null; wait 2>/dev/null
  start
  lost=0; for c in 1 2 3; do while read -r n; do echo "$round$c|$n"; done < told.$round.$c | grep -E '^[0-9]+\|[0-9]+$' | sort > told; as $bin/psql -At -c "select client, n from t where client = $round$c" | sort > there; lost=$((lost + $(comm -23 told there | wc -l))); done
  echo "lost $lost, some were told: $([ "$(cat told.$round.* | wc -l)" -gt 100 ] && echo yes)"
done
as $bin/psql -At -c 'select count(*) > 200 from t'
kill -INT $postmaster; wait $postmaster; echo "stop $?"
