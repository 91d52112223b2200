# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: runs a command on a pty and does a list of steps.

stdin: {"argv": [...], "size": [rows, columns], "limit": seconds, "steps": [["expect", text], ["send", text], ["resize", rows, columns]]}
stdout: {"status": n, "output": text, "missing": text that never came or null}
"""
import fcntl, json, os, pty, select, signal, struct, sys, termios, time

job = json.load(sys.stdin)
end = time.monotonic() + job.get("limit", 40)
master, slave = pty.openpty()


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


resize(*job.get("size", [24, 80]))
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in range(3):
        os.dup2(slave, fd)
    os.close(master)
    os.execvp(job["argv"][0], job["argv"])
os.close(slave)


output, seen = b"", 0


def read_some():
    """Reads what is there, at most 0.2 s; False at the end."""
    global output
    if not select.select([master], [], [], 0.2)[0]:
        return True
    try:
        data = os.read(master, 65536)
    except OSError:
        return False
    output += data
    return data != b""


missing = None
for kind, *what in job["steps"]:
    if kind == "send":
        os.write(master, what[0].encode())
    elif kind == "resize":
        resize(*what)
    else:
        text = what[0].encode()
        more = True
        while text not in output[seen:] and more and time.monotonic() < end:
            more = read_some()
        if text not in output[seen:]:
            missing = what[0]
            break
        seen = output.index(text, seen) + len(text)
while missing is None and time.monotonic() < end and read_some():
    pass
status = None
while time.monotonic() < end + 2:
    done, raw = os.waitpid(pid, os.WNOHANG)
    if done:
        status = os.waitstatus_to_exitcode(raw)
        break
    if missing is not None or time.monotonic() > end:
        os.kill(pid, signal.SIGKILL)
    time.sleep(0.02)
json.dump({"status": status, "output": output.decode(errors="replace"), "missing": missing}, sys.stdout)
