// SPDX-License-Identifier: Apache-2.0

/**
 * startContainer hooks: run inside the container before its process, as processes of their own in the held sandbox.
 */
import { memfdOf } from '../../platform/ffi/config_memfd.ts';
import { close, open } from '../../platform/ffi/lifecycle.ts';
import { ALL_CAPABILITIES } from '../spec/capability_names.ts';
import { RunscError } from '../errors.ts';
import { ControlClient } from './control_client.ts';
import { hookError, signalWords } from './hooks.ts';
import type { Container } from './state.ts';

const O_RDWR_CLOEXEC = 2 | 0o2000000;
const NONE = [0, 0] as const;

/** Runs them in order. Throws RunscError for the first that fails. */
export function runStartHooks(container: Container): void {
  (container.record.hooks.startContainer ?? []).forEach((hook, i) => {
    const client = ControlClient.connect(container.directory);
    if (client === null) throw new RunscError('container not running');
    const state = memfdOf('state', Buffer.from(JSON.stringify(container.describe())));
    const nowhere = open('/dev/null', O_RDWR_CLOEXEC);
    try {
      const [, ...args] = hook.args;
      const all = ALL_CAPABILITIES;
      const process = {
        args: [hook.path, ...args], env: hook.env ?? [], cwd: '/', uid: 0, gid: 0, groups: [], umask: 0o022, rlimits: [], noNewPrivileges: false, terminal: false, oomScoreAdj: 0,
        capabilities: { bounding: all, effective: all, permitted: all, inheritable: NONE, ambient: NONE },
      };
      client.send({ type: 'exec', process }, [state, nowhere, nowhere]);
      const why = outcome(client, hook.timeout);
      if (why !== '') throw new RunscError(hookError('startContainer', i, why));
    } finally {
      client.close();
      close(state);
      close(nowhere);
    }
  });
}

function outcome(client: ControlClient, timeout: number | null): string {
  const started = client.receive();
  if (started?.type === 'failed') return started.message;
  const end = client.receive(timeout === null ? -1 : timeout * 1000);
  if (end === null) return timeout === null ? 'the sandbox ended' : `hook ran past specified timeout of ${timeout}.0s`;
  if (end.type !== 'exit') return 'the sandbox answered with nonsense';
  if (end.signo !== 0) return `${signalWords(end.signo)}, stdout: , stderr: `;
  return end.status === 0 ? '' : `exit status ${end.status}, stdout: , stderr: `;
}
