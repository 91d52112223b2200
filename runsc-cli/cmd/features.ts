// SPDX-License-Identifier: Apache-2.0

/**
 * `runsc-ts features`: what of the OCI runtime specification this runtime knows, as JSON.
 */
import { hierarchies } from '../cgroup/hierarchies.ts';
import { CAPABILITIES } from '../spec/capability_names.ts';
import { OCI_VERSION } from '../spec/default_spec.ts';
import { HOOK_KINDS } from '../spec/hooks.ts';
import { MOUNT_OPTIONS } from '../spec/mount_options.ts';
import { SECCOMP_ACTIONS, SECCOMP_ARCHS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from '../spec/seccomp.ts';
import { containerVerb, print } from './container_verb.ts';

export const featuresVerb = containerVerb({
  name: 'features',
  summary: 'print the enabled features',
  operands: '',
  text: 'Prints the enabled features as JSON.',
  options: [],
  min: 0,
  max: 0,
  run: () => {
    const found = hierarchies();
    return print(
      `${JSON.stringify(
        {
          ociVersionMin: '1.0.0',
          ociVersionMax: OCI_VERSION,
          hooks: HOOK_KINDS,
          mountOptions: MOUNT_OPTIONS,
          linux: {
            namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'],
            capabilities: CAPABILITIES,
            cgroup: { v1: found.some((h) => h.version === 1), v2: found.some((h) => h.version === 2), systemd: true, systemdUser: true, rdma: false },
            seccomp: { enabled: true, actions: SECCOMP_ACTIONS, operators: SECCOMP_OPERATORS, archs: SECCOMP_ARCHS, knownFlags: SECCOMP_FLAGS, supportedFlags: SECCOMP_FLAGS },
            apparmor: { enabled: false },
            selinux: { enabled: false },
            intelRdt: { enabled: false },
            mountExtensions: { idmap: { enabled: false } },
          },
          annotations: { 'org.opencontainers.runc.checkpoint.enabled': 'false' },
        },
        null,
        2,
      )}\n`,
    );
  },
});
