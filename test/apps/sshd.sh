# SPDX-License-Identifier: Apache-2.0
# needs: /usr/sbin/sshd ssh ssh-keygen
# packages: openssh-server openssh-client
# OpenSSH over loopback: key exchange, privilege separation, a command, a pty, a 5 MB copy.
mkdir -p /run/sshd; here=$PWD; chmod 700 .
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f id; cp id.pub keys
cat > conf <<END
Port 2299
ListenAddress 127.0.0.1
HostKey $here/host
AuthorizedKeysFile $here/keys
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile $here/pid
END
/usr/sbin/sshd -D -f $here/conf -E log & server=$!
s() { ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=$here/known -o LogLevel=ERROR -i id -p 2299 "$@"; }
for i in $(seq 50); do (exec 3<>/dev/tcp/127.0.0.1/2299) 2>/dev/null && break; sleep 0.1; done
s root@127.0.0.1 'echo over ssh; exit 5'; echo "status $?"
head -c 5000000 /dev/zero | s root@127.0.0.1 'wc -c; md5sum </dev/null'
s -tt root@127.0.0.1 'tty | sed s/[0-9]*$/N/; stty size | wc -w' | tr -d '\r'
kill $server; wait $server 2>/dev/null; echo "server $?"
