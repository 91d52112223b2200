// SPDX-License-Identifier: Apache-2.0

/** Terminals: run -it, exec -it, resize, job control, attach and the keys that detach. */

import { onTerminal } from '../terminal.mjs';

/** Waits for a size: Docker sets it only after the start. */
const SIZE = 'size() { until [ "$(stty size 2>/dev/null)" = "$1" ]; do sleep 0.05; done; echo "it is $1"; }; ';
/** A shell that does no editing of its own: what it prints does not depend on when keys arrive. It has job control. */
const PLAIN = `${SIZE}set -m; printf "ready> "; while read -r l; do eval "$l"; printf "ready> "; done`;
/** An interactive one, whose output is not compared. */
const PROMPT = 'PS1="ready> "; export PS1; exec sh';

export const terminalScenarios = [
  [
    'run -it',
    async (d) => {
      const words = (shell) => [...d.runWords(['--rm', '-it']), 'bb', 'sh', '-c', shell];
      await d.terminal(words(PLAIN), [['expect', 'ready> '], ['send', 'tty; size "24 80"; echo "pid $$"; ls /dev/pts\n'], ['expect', 'pid 1'], ['expect', 'ready> '], ['send', 'exit 7\n']]);
      const sleeper = `sh -c 'echo begun; exec sleep 300'; echo "status $?"\n`;
      await d.terminal(words(PLAIN), [['expect', 'ready> '], ['send', sleeper], ['expect', 'begun\r'], ['send', '\x03'], ['expect', 'status 130'], ['expect', 'ready> '], ['send', 'exit\n']]);
      await d.terminal(words(PLAIN), [['expect', 'ready> '], ['send', 'cat\n'], ['expect', 'cat'], ['send', 'line\n'], ['expect', 'line\r\nline'], ['send', '\x04'], ['expect', 'ready> '], ['send', '\x04']]);
      const typed = await onTerminal([...d.daemon.program, ...words(PROMPT)], [['expect', 'ready> '], ['send', 'echo $((40+2))\n'], ['expect', '42\r'], ['expect', 'ready> '], ['send', 'exit 9\n']], { env: d.daemon.env });
      d.fact('an interactive shell', [typed.status, typed.missing]);
    },
  ],
  [
    'resize',
    async (d) => {
      const words = [...d.runWords(['--rm', '-it']), 'bb', 'sh', '-c', `${SIZE}trap "echo x > /told" WINCH; size "24 80"; rm -f /told; echo ready; size "33 101"; until [ -e /told ]; do sleep 0.05; done; echo first; size "20 60"; echo second; sleep 300`];
      await d.terminal(words, [['expect', 'ready'], ['resize', 33, 101], ['expect', 'first'], ['resize', 20, 60], ['expect', 'second'], ['send', '\x03']]);
    },
  ],
  [
    'exec -it with resize',
    async (d) => {
      const c = await d.start('term', [], 'echo started; while :; do sleep 0.1; done');
      await d.logged(c, 'started');
      const steps = [['expect', 'ready> '], ['send', 'size "24 80"; tty\n'], ['expect', '/dev/pts/'], ['expect', 'ready> '], ['resize', 44, 99]];
      const wait = 'size "44 99"; echo resized\n';
      await d.terminal(['exec', '-it', c, 'sh', '-c', PLAIN], [...steps, ['send', wait], ['expect', 'resized\r'], ['expect', 'ready> '], ['send', 'exit 5\n']]);
      const jobs = 'until ps -o args | grep -q "^sleep 299"; do :; done; { kill %1; wait %1; } 2>/dev/null; echo "over $?"\n';
      await d.terminal(['exec', '-it', c, 'sh', '-c', PLAIN], [['expect', 'ready> '], ['send', 'sleep 299 &\n'], ['expect', 'ready> '], ['send', jobs], ['expect', 'over 143'], ['expect', 'ready> '], ['send', 'exit\n']]);
      await d.terminal(['exec', '-t', c, 'echo', 'only a terminal'], []);
    },
  ],
  [
    'attach, and the keys that detach',
    async (d) => {
      const c = d.name('att');
      const words = [...d.runWords(['-it', '--name', c]), 'bb', 'sh', '-c', PLAIN];
      await d.terminal(words, [['expect', 'ready> '], ['send', 'x=kept\n'], ['expect', 'ready> '], ['send', '\x10\x11']]);
      await d.docker(['inspect', '-f', '{{.State.Status}}', c]);
      await d.terminal(['attach', '--detach-keys', 'ctrl-a,x', c], [['send', 'echo "$x"\n'], ['expect', 'kept\r'], ['expect', 'ready> '], ['send', '\x01x']]);
      await d.docker(['inspect', '-f', '{{.State.Status}}', c]);
      await d.terminal(['attach', c], [['send', 'exit 3\n']]);
      await d.exited(c);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', c]);
      const plain = await d.start('plain', ['-i'], 'while read x; do echo "got $x"; [ "$x" = end ] && break; done; sleep 2; exit 4');
      // Docker itself loses what a container prints just before it ends, when the machine is busy: hence the sleep.
      await d.docker(['attach', plain], { input: 'one\nend\n' });
      await d.exited(plain);
      await d.docker(['logs', plain]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', plain]);
    },
  ],
  [
    'run -t, and detached',
    async (d) => {
      await d.run(['-t'], 'test -t 0 && test -t 1 && echo terminal; ls -l /dev/console | cut -c1');
      const c = await d.start('dt', ['-t'], 'echo on a terminal; tty; sleep 300');
      await d.logged(c, 'pts');
      await d.docker(['logs', c]);
      await d.docker(['stop', '-t', '1', c]);
      await d.docker(['inspect', '-f', '{{.State.ExitCode}}', c]);
    },
  ],
];
