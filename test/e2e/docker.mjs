// SPDX-License-Identifier: Apache-2.0

/** Docker as a client: every scenario with runc and with this runtime, compared. */
import { playAll } from './scenario.mjs';
import { fileScenarios } from './docker/files.mjs';
import { lifecycleScenarios } from './docker/lifecycle.mjs';
import { networkScenarios } from './docker/network.mjs';
import { processScenarios } from './docker/process.mjs';
import { resourceScenarios } from './docker/resources.mjs';
import { terminalScenarios } from './docker/terminals.mjs';

/** Plays the scenarios whose names contain `filter`. */
export async function dockerList(daemon, filter) {
  const all = [...processScenarios, ...lifecycleScenarios, ...terminalScenarios, ...fileScenarios, ...resourceScenarios, ...networkScenarios];
  await playAll('docker', () => daemon, all.filter(([name]) => name.includes(filter)), 2);
}
