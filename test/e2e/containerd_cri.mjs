// SPDX-License-Identifier: Apache-2.0

/**
 * A client of the CRI, as much of it as a pod needs: unary gRPC over HTTP/2 on containerd's socket. Source: cri-api's runtime/v1/api.proto.
 */
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import protobuf from 'protobufjs/light.js';

/** message: field: [number, type, repeated|map]. */
const MESSAGES = {
  PodSandboxMetadata: { name: [1, 'string'], uid: [2, 'string'], namespace: [3, 'string'], attempt: [4, 'uint32'] },
  NamespaceOption: { network: [1, 'int32'], pid: [2, 'int32'], ipc: [3, 'int32'] },
  SandboxSecurity: { namespaceOptions: [1, 'NamespaceOption'] },
  LinuxPodSandbox: { cgroupParent: [1, 'string'], securityContext: [2, 'SandboxSecurity'] },
  PodSandboxConfig: {
    metadata: [1, 'PodSandboxMetadata'], hostname: [2, 'string'], logDirectory: [3, 'string'], labels: [6, 'string', 'map'], annotations: [7, 'string', 'map'], linux: [8, 'LinuxPodSandbox'],
  },
  RunPodSandboxRequest: { config: [1, 'PodSandboxConfig'], runtimeHandler: [2, 'string'] },
  PodSandboxId: { podSandboxId: [1, 'string'] },
  ContainerMetadata: { name: [1, 'string'], attempt: [2, 'uint32'] },
  ImageSpec: { image: [1, 'string'] },
  KeyValue: { key: [1, 'string'], value: [2, 'string'] },
  LinuxResources: { cpuPeriod: [1, 'int64'], cpuQuota: [2, 'int64'], cpuShares: [3, 'int64'], memoryLimitInBytes: [4, 'int64'] },
  ContainerSecurity: { namespaceOptions: [3, 'NamespaceOption'] },
  LinuxContainer: { resources: [1, 'LinuxResources'], securityContext: [2, 'ContainerSecurity'] },
  ContainerConfig: {
    metadata: [1, 'ContainerMetadata'], image: [2, 'ImageSpec'], command: [3, 'string', 'repeated'], args: [4, 'string', 'repeated'], envs: [6, 'KeyValue', 'repeated'],
    logPath: [11, 'string'], linux: [15, 'LinuxContainer'],
  },
  CreateContainerRequest: { podSandboxId: [1, 'string'], config: [2, 'ContainerConfig'], sandboxConfig: [3, 'PodSandboxConfig'] },
  ContainerId: { containerId: [1, 'string'] },
  StopContainerRequest: { containerId: [1, 'string'], timeout: [2, 'int64'] },
  ContainerStatus: { id: [1, 'string'], state: [3, 'int32'], exitCode: [7, 'int32'], reason: [10, 'string'], message: [11, 'string'] },
  ContainerStatusResponse: { status: [1, 'ContainerStatus'] },
  ExecSyncRequest: { containerId: [1, 'string'], cmd: [2, 'string', 'repeated'], timeout: [3, 'int64'] },
  ExecSyncResponse: { stdout: [1, 'bytes'], stderr: [2, 'bytes'], exitCode: [3, 'int32'] },
  UpdateContainerResourcesRequest: { containerId: [1, 'string'], linux: [2, 'LinuxResources'] },
  UInt64Value: { value: [1, 'uint64'] },
  CpuUsage: { timestamp: [1, 'int64'], usageCoreNanoSeconds: [2, 'UInt64Value'] },
  MemoryUsage: { timestamp: [1, 'int64'], workingSetBytes: [2, 'UInt64Value'] },
  ContainerStats: { cpu: [2, 'CpuUsage'], memory: [3, 'MemoryUsage'] },
  ContainerStatsResponse: { stats: [1, 'ContainerStats'] },
  Empty: {},
};

/** method: [request, response] */
const METHODS = {
  RunPodSandbox: ['RunPodSandboxRequest', 'PodSandboxId'],
  StopPodSandbox: ['PodSandboxId', 'Empty'],
  RemovePodSandbox: ['PodSandboxId', 'Empty'],
  CreateContainer: ['CreateContainerRequest', 'ContainerId'],
  StartContainer: ['ContainerId', 'Empty'],
  StopContainer: ['StopContainerRequest', 'Empty'],
  RemoveContainer: ['ContainerId', 'Empty'],
  ContainerStatus: ['ContainerId', 'ContainerStatusResponse'],
  ExecSync: ['ExecSyncRequest', 'ExecSyncResponse'],
  UpdateContainerResources: ['UpdateContainerResourcesRequest', 'Empty'],
  ContainerStats: ['ContainerId', 'ContainerStatsResponse'],
};

const root = new protobuf.Root();
for (const [name, fields] of Object.entries(MESSAGES)) {
  const type = new protobuf.Type(name);
  for (const [field, [id, kind, rule]] of Object.entries(fields)) type.add(rule === 'map' ? new protobuf.MapField(field, id, 'string', kind) : new protobuf.Field(field, id, kind, rule));
  root.add(type);
}

export class CriClient {
  constructor(socketPath) {
    this.session = connectHttp2('http://localhost', { createConnection: () => connect(socketPath) });
    this.session.on('error', () => {});
  }

  /** Calls a method. Rejects with containerd's words. */
  call(method, request = {}) {
    const [input, output] = METHODS[method].map((name) => root.lookupType(name));
    const body = input.encode(input.fromObject(request)).finish();
    const head = Buffer.alloc(5);
    head.writeUInt32BE(body.length, 1);
    return new Promise((resolve, reject) => {
      const stream = this.session.request({ ':method': 'POST', ':path': `/runtime.v1.RuntimeService/${method}`, 'content-type': 'application/grpc', te: 'trailers' });
      const chunks = [];
      let status = {};
      stream.setTimeout(60_000, () => stream.destroy(new Error(`${method}: no answer`)));
      stream.on('response', (headers) => (status = headers));
      stream.on('trailers', (trailers) => (status = trailers));
      stream.on('data', (chunk) => chunks.push(chunk));
      stream.on('error', reject);
      stream.on('end', () => {
        if (status['grpc-status'] !== '0') reject(new Error(`${method}: ${decodeURIComponent(status['grpc-message'] ?? 'no status')}`));
        else resolve(output.toObject(output.decode(Buffer.concat(chunks).subarray(5)), { longs: Number, defaults: true, bytes: Buffer }));
      });
      stream.end(Buffer.concat([head, body]));
    });
  }

  close() {
    this.session.close();
  }
}
