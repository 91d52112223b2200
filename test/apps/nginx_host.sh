# SPDX-License-Identifier: Apache-2.0
# needs: nginx curl wrk
# packages: nginx-light curl wrk
# ci
# where: host
# nginx in the sandbox, asked from the host: pages, a large file, ranges, keep-alive under wrk, many connections, an orderly end.
mkdir -p www tmp; seq 300000 > www/numbers; echo index > www/index.html; chmod -R a+rX .; chmod a+rx "$PWD"
cat > nginx.conf <<END
user root; worker_processes 2; pid /tmp/nginx-$$.pid; error_log stderr; daemon off; master_process on;
events { worker_connections 512; }
http { access_log off; sendfile on; client_body_temp_path /tmp/nb; proxy_temp_path /tmp/np; fastcgi_temp_path /tmp/nf; uwsgi_temp_path /tmp/nu; scgi_temp_path /tmp/ns;
  server { listen 127.0.0.1:8281 backlog=256; root $PWD/www; } }
END
$RUN nginx -p "$PWD" -c "$PWD/nginx.conf" 2>errors & server=$!
for i in $(seq 100); do curl -s -o /dev/null http://127.0.0.1:8281/ && break; sleep 0.1; done
curl -s http://127.0.0.1:8281/; curl -s http://127.0.0.1:8281/numbers | md5sum; curl -s -r 100-120 http://127.0.0.1:8281/numbers | od -c | head -1
wrk -t2 -c32 -d2s http://127.0.0.1:8281/ > wrk.out; grep -E 'Socket errors|Non-2xx' wrk.out; awk '/requests in/ { print ($1 > 100 ? "many requests" : "few requests: " $0) }' wrk.out
for i in $(seq 100); do curl -s http://127.0.0.1:8281/ & done | sort | uniq -c | tr -s ' '
kill -QUIT $server; wait $server; echo "server $?"
curl -s http://127.0.0.1:8281/; echo "curl $?"
grep -c '\[alert\|\[emerg\|\[crit' errors
rm -rf /tmp/n[bpfus] 2>/dev/null
