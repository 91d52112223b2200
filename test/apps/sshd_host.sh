# SPDX-License-Identifier: Apache-2.0
# needs: /usr/sbin/sshd ssh ssh-keygen script
# packages: openssh-server openssh-client bsdutils
# ci
# where: host
# A login over ssh from the host to an sshd in the sandbox: a command, a pty with its size and echo, Ctrl-C, forwarding, a copy both ways.
mkdir -p /run/sshd; here=$PWD; chmod 700 .
ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f id; cp id.pub keys
cat > conf <<END
Port 2298
ListenAddress 127.0.0.1
HostKey $here/host
AuthorizedKeysFile $here/keys
StrictModes no
UsePAM no
PermitRootLogin yes
PidFile none
END
$RUN /usr/sbin/sshd -D -e -f "$here/conf" 2>log & server=$!
s() { ssh -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile="$here/known" -o LogLevel=ERROR -o ConnectTimeout=10 -i id -p 2298 "$@"; }
for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/2298) 2>/dev/null && break; sleep 0.1; done
s root@127.0.0.1 'echo over ssh; exit 5'; echo "status $?"
head -c 3000000 /dev/zero | s root@127.0.0.1 'wc -c; md5sum </dev/null'
s root@127.0.0.1 'head -c 3000000 /dev/zero' | md5sum
s -tt root@127.0.0.1 'tty | sed s/[0-9]*$/N/; test -t 0 && echo terminal; stty -a | grep -o "isig icanon"; read -r line; echo "got $line"' <<< 'typed in' | tr -d '\r'
printf 'trap "echo interrupted; exit 7" INT; echo ready; sleep 20 & wait\n' > trap.sh
script -qec "stty rows 33 cols 111; ssh -tt -F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=$here/known -o LogLevel=ERROR -i id -p 2298 root@127.0.0.1 'stty size'" /dev/null </dev/null | tr -d '\r'
touch out; { for i in $(seq 100); do grep -q ready out && break; sleep 0.1; done; printf '\003'; sleep 1; } | s -tt root@127.0.0.1 "sh $here/trap.sh" > out 2>&1; echo "status $?"; grep -o 'ready\|interrupted' out
kill $server; wait $server 2>/dev/null; echo "server $?"
