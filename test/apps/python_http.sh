# SPDX-License-Identifier: Apache-2.0
# needs: python3 curl
# packages: python3-minimal curl
# ci
# python's http.server and curl over loopback: listing, ranges of a large file, HEAD, 404, many at once.
mkdir site; seq 200000 > site/numbers; echo hello > site/hello
/usr/bin/python3 -m http.server 8123 --bind 127.0.0.1 --directory site >/dev/null 2>&1 & server=$!
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8123/hello && break; sleep 0.1; done
curl -s http://127.0.0.1:8123/hello
curl -s http://127.0.0.1:8123/numbers | md5sum
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8123/absent
curl -sI http://localhost:8123/numbers | grep -i content-length | tr -d '\r'
for i in $(seq 10); do curl -s http://127.0.0.1:8123/numbers | wc -c & done | sort | uniq -c | tr -s ' '
curl -s http://127.0.0.1:8124/ ; echo "refused $?"
kill $server; wait $server; echo "server $?"
