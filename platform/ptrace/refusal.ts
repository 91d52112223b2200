// SPDX-License-Identifier: Apache-2.0

/**
 * How the platform says, at creation, that this host will not do: an exception for the CLI to print. The one place that throws.
 */

/** Why the platform cannot be used: one line that names what forbids it. */
export class PlatformError extends Error {}

/** Gives up creating the platform. Never called once it runs. */
export function refuse(message: string): never {
  throw new PlatformError(message);
}
