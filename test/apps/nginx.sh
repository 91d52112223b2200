# SPDX-License-Identifier: Apache-2.0
# needs: nginx curl
# packages: nginx-light curl
# ci
# nginx: master and two workers, sendfile of a large file, ranges, reload by SIGHUP, graceful quit.
mkdir -p www tmp; seq 300000 > www/numbers; echo index > www/index.html; chmod -R a+rX . ; chmod a+rx "$PWD"
cat > nginx.conf <<END
user root; worker_processes 2; pid $PWD/pid; error_log $PWD/error; daemon on;
events { worker_connections 64; }
http { access_log off; sendfile on; client_body_temp_path tmp/a; proxy_temp_path tmp/b; fastcgi_temp_path tmp/c; uwsgi_temp_path tmp/d; scgi_temp_path tmp/e;
  server { listen 127.0.0.1:8181; root $PWD/www; location /proxy/ { proxy_pass http://unix:$PWD/up.sock:/; } }
  server { listen unix:$PWD/up.sock; location / { return 200 "from upstream\n"; } } }
END
nginx -p $PWD -c $PWD/nginx.conf; echo "started $?"
curl -s http://127.0.0.1:8181/; curl -s http://127.0.0.1:8181/numbers | md5sum; curl -s -r 100-120 http://127.0.0.1:8181/numbers | od -c | head -2
curl -s http://127.0.0.1:8181/proxy/x; curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8181/absent
for i in $(seq 20); do curl -s http://127.0.0.1:8181/numbers | wc -c & done | sort | uniq -c | tr -s ' '; wait
nginx -p $PWD -c $PWD/nginx.conf -s reload 2>/dev/null; echo "reload $?"; sleep 0.5; curl -s http://127.0.0.1:8181/
p=$(cat pid); nginx -p $PWD -c $PWD/nginx.conf -s quit 2>/dev/null; for i in $(seq 50); do kill -0 $p 2>/dev/null || break; sleep 0.1; done; kill -0 $p 2>/dev/null || echo gone; grep -c '\[alert\|\[emerg\|\[crit' error
