// SPDX-License-Identifier: Apache-2.0

/** A Gofer process of its own, for tests: serves argv[2] on descriptor 3. */
import { exitNow, openat } from '../../platform/ffi/gofer_calls.ts';
import { runGofer } from '../../gofer/server/server.ts';

const root = openat(-100, process.argv[2] as string, 0o12000000, 0);
const status = runGofer({
  socketFd: 3,
  roots: [{ fd: root, readonly: false, hostUds: false }],
  procFdDir: -1,
  log: (line) => process.stderr.write(`${line}\n`),
});
exitNow(status);
