// SPDX-License-Identifier: Apache-2.0

/**
 * Credentials and limits of the container's process.
 */
import { Credentials } from '../../sentry/auth/credentials.ts';
import type { Kernel } from '../../sentry/kernel/kernel.ts';
import { Rlimits } from '../../sentry/kernel/process/rlimits.ts';
import type { ProcessConfig } from '../sandbox/config.ts';

export function containerCredentials(kernel: Kernel, process: ProcessConfig): Credentials {
  const creds = new Credentials(kernel.userNs);
  const { uid, gid, capabilities } = process;
  creds.ruid = creds.euid = creds.suid = creds.fsuid = uid;
  creds.rgid = creds.egid = creds.sgid = creds.fsgid = gid;
  creds.groups = [...process.groups].sort((a, b) => a - b);
  creds.bounding = capabilities.bounding;
  creds.inheritable = capabilities.inheritable;
  creds.permitted = capabilities.permitted;
  // Those with which its program is looked up and started; execve leaves a user other than root only what is ambient.
  creds.effective = capabilities.effective;
  creds.ambient = capabilities.ambient;
  return creds;
}

export function containerRlimits(process: ProcessConfig): Rlimits {
  const limits = new Rlimits();
  for (const { resource, soft, hard } of process.rlimits) {
    limits.set(resource, soft ?? Number.POSITIVE_INFINITY, hard ?? Number.POSITIVE_INFINITY);
  }
  return limits;
}
