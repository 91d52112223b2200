# SPDX-License-Identifier: Apache-2.0
# needs: memcached bash
# packages: memcached
# ci
# memcached (epoll threads, libevent) by its text protocol.
memcached -u root -l 127.0.0.1 -p 11299 -t 4 & server=$!
for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/11299) 2>/dev/null && break; sleep 0.1; done
exec 3<>/dev/tcp/127.0.0.1/11299
printf 'set a 0 0 5\r\nhello\r\nget a\r\nincr n 1\r\nset n 0 0 1\r\n7\r\nincr n 5\r\ndelete a\r\nget a\r\nquit\r\n' >&3; cat <&3 | tr -d '\r'; exec 3>&-
kill $server; wait $server 2>/dev/null; echo "server $?"
