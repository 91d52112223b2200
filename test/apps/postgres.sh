# SPDX-License-Identifier: Apache-2.0
# needs: /usr/lib/postgresql/*/bin/postgres
# packages: postgresql
# PostgreSQL: initdb, a cluster on a Unix socket, SQL, pgbench, a crash and its recovery, clean stop. Run by a user made for it: it refuses root.
bin=$(echo /usr/lib/postgresql/*/bin | awk '{print $NF}'); chmod 777 . ; here=$PWD; p=$PWD; while [ "$p" != / ] && [ "$p" != /tmp ]; do chmod a+x "$p"; p=$(dirname "$p"); done
as() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$here PGHOST=$here/sock PGDATABASE=postgres PGUSER=u "$@"; }
as mkdir sock
as $bin/initdb -D db -U u -A trust -E UTF8 --locale=C >init.log 2>&1; echo "initdb $?"
start() { as $bin/pg_ctl -D db -l log -w -t 60 -o "-k $here/sock -c listen_addresses='' -c fsync=on" start >/dev/null 2>&1; echo "start $?"; }
start
as $bin/psql -At -c 'create table t as select i, md5(i::text) m from generate_series(1,20000) i; create index on t(m);' -c 'select count(*), min(m) from t' -c 'select i from t where m = md5($$777$$)'
as $bin/pgbench -i -s 1 -q >/dev/null 2>&1; echo "init $?"
as $bin/pgbench -c 4 -j 2 -t 50 2>/dev/null | grep -E 'actually|failed'
as $bin/psql -At -c 'select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts'
as $bin/pg_ctl -D db -m immediate stop >/dev/null; start
as $bin/psql -At -c 'select count(*) from pgbench_history'; as $bin/pg_dump -t pgbench_branches | grep -c COPY
as $bin/pg_ctl -D db -m fast stop >/dev/null; echo "stop $?"
