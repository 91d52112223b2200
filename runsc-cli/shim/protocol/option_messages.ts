// SPDX-License-Identifier: Apache-2.0

/**
 * What containerd says about the runtime, and we about ourselves. Sources: containerd's api/types/runc/options, runtimeoptions/v1,
 * runtime/bootstrap/v1 and introspection.
 */
import { message } from './message.ts';
import { Any } from './well_known.ts';

/** containerd.runc.v1.Options */
export const RuncOptions = message('RuncOptions', {
  noPivotRoot: [1, 'bool'], noNewKeyring: [2, 'bool'], shimCgroup: [3, 'string'], ioUid: [4, 'uint32'], ioGid: [5, 'uint32'], binaryName: [6, 'string'], root: [7, 'string'],
  systemdCgroup: [9, 'bool'],
});
/** containerd.linux.runc.CreateOptions, which ctr sends to shims that it does not know. */
export const LinuxCreateOptions = message('LinuxCreateOptions', { noPivotRoot: [1, 'bool'], shimCgroup: [9, 'string'], ioUid: [10, 'uint32'], ioGid: [11, 'uint32'] });
/** runtimeoptions.v1.Options */
export const RuntimeOptions = message('RuntimeOptions', { typeUrl: [1, 'string'], configPath: [2, 'string'], configBody: [3, 'bytes'] });

const Extension = message('Extension', { value: [1, Any] });
export const BootstrapParams = message('BootstrapParams', {
  instanceId: [1, 'string'], namespace: [2, 'string'], logLevel: [3, 'int32'], containerdVersion: [4, 'string'], containerdTtrpcAddress: [5, 'string'],
  containerdGrpcAddress: [6, 'string'], containerdBinary: [7, 'string'], extensions: [8, 'repeated', Extension],
});

const RuntimeVersion = message('RuntimeVersion', { version: [1, 'string'], revision: [2, 'string'] });
export const RuntimeInfo = message('RuntimeInfo', { name: [1, 'string'], version: [2, RuntimeVersion], options: [3, Any], features: [4, Any] });
