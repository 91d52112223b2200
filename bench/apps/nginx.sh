#!/bin/sh
# Server and wrk in one place, 10 connections; prints requests a second of a small page. usage: nginx.sh SECONDS
d=$(mktemp -d /tmp/nginx.XXXXXX)
mkdir "$d/www" && echo hello > "$d/www/index.html"
chmod -R a+rX "$d"
cat > "$d/conf" <<END
worker_processes 1; daemon off; pid $d/pid; error_log $d/error.log;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path $d/b; proxy_temp_path $d/p; fastcgi_temp_path $d/f; uwsgi_temp_path $d/u; scgi_temp_path $d/s;
  server { listen 127.0.0.1:8099; root $d/www; }
}
END
nginx -e "$d/error.log" -p "$d" -c "$d/conf" >/dev/null 2>&1 &
until [ -s "$d/pid" ]; do sleep 0.1; done
wrk -t1 -c10 -d"$1" http://127.0.0.1:8099/ | awk '/Requests\/sec/ { print "requests", $2 }'
kill %1 2>/dev/null || kill "$(cat "$d/pid")"
wait
rm -rf "$d"
