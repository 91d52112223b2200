# SPDX-License-Identifier: Apache-2.0
# needs: git /usr/sbin/sshd ssh ssh-keygen /usr/bin/python3
# packages: git openssh-server openssh-client python3-minimal
# ci
# git clone, fetch and push over ssh and clone over http, both servers on loopback.
export HOME=$PWD GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@x GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
here=$PWD; chmod 700 .; mkdir -p /run/sshd
git init -q -b main r; (cd r; for i in $(seq 20); do seq $i $((i * 500)) > n$i; git add .; git commit -qm "c$i"; done); git clone -q --bare r r.git; git -C r.git update-server-info; git config --global --add safe.directory '*'
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f id; cp id.pub keys
printf 'Port 2297\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/keys\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n' "$here" "$here" > conf
/usr/sbin/sshd -D -f "$here/conf" -E log & sshd=$!
/usr/bin/python3 -m http.server 8297 --bind 127.0.0.1 --directory "$here" >/dev/null 2>&1 & web=$!
export GIT_SSH_COMMAND="ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=$here/known -o LogLevel=ERROR -i $here/id -p 2297"
for port in 2297 8297; do for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null && break; sleep 0.1; done; done
git clone -q "root@127.0.0.1:$here/r.git" by-ssh; echo "ssh clone $?"; git -C by-ssh rev-parse HEAD; git -C by-ssh log --oneline | wc -l
(cd by-ssh; echo more > more; git add more; git commit -qm more; git push -q origin main; echo "push $?"; git fetch -q; echo "fetch $?"); git -C r.git log -1 --format=%s main; git -C r.git update-server-info
git clone -q http://127.0.0.1:8297/r.git by-http; echo "http clone $?"; git -C by-http rev-parse HEAD; git -C by-http fsck 2>/dev/null; diff -r by-ssh by-http --exclude=.git && echo equal
git clone -q http://127.0.0.1:8297/absent.git no 2>/dev/null; echo "absent $?"
kill $sshd $web; wait $sshd $web 2>/dev/null; echo ended
