# SPDX-License-Identifier: Apache-2.0
"""A service manager: runs the command after "--" with NOTIFY_SOCKET, prints what it is told. Without arguments: the service, which says that it is ready."""
import array
import os
import socket
import subprocess
import sys
import time

if len(sys.argv) == 1:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.sendto(b"STATUS=starting\n", os.environ["NOTIFY_SOCKET"])
        s.sendto(b"READY=1\nSTATUS=up\n", os.environ["NOTIFY_SOCKET"])
    time.sleep(60)

path = sys.argv[1]
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.bind(path)
    s.settimeout(30)
    with open(os.devnull, "r+") as null:
        command = subprocess.Popen(sys.argv[3:], env=dict(os.environ, NOTIFY_SOCKET=path), stdin=null, stdout=null, stderr=null)
        while True:
            message, ancillary, _, _ = s.recvmsg(4096, socket.CMSG_SPACE(4))
            print(message.decode().replace("\n", " "), flush=True)
            for _, _, data in ancillary:
                for fd in array.array("i", data):
                    os.close(fd)
            if message.startswith(b"BARRIER"):
                break
        print("ended with", command.wait(30))
