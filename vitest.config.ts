// SPDX-License-Identifier: Apache-2.0

/** How the tests run: in forked processes (never worker threads, koffi and fork need a process), two at a time. */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // A machine that CI shares can hold a sandbox up for seconds: what fails there is tried once more, and shown as such.
    retry: process.env['CI'] === undefined ? 0 : 1,
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    include: [
      '{platform,sentry,syscalls,gofer,runsc-cli,conformance}/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    exclude: ['**/node_modules/**', 'dist/**'],
    reporters: ['default'],
  },
});
