// SPDX-License-Identifier: Apache-2.0

/** Docker as a client: every scenario with runc and with this runtime, compared. */
import { playAll } from './scenario.mjs';
import { check } from './report.mjs';
import { dockerBuild } from './docker/build.mjs';
import { dockerCrowd } from './docker/crowd.mjs';
import { dockerInstall } from './docker/install.mjs';
import { dockerKills } from './docker/kills.mjs';
import { fileScenarios } from './docker/files.mjs';
import { lifecycleScenarios } from './docker/lifecycle.mjs';
import { networkScenarios } from './docker/network.mjs';
import { processScenarios } from './docker/process.mjs';
import { resourceScenarios } from './docker/resources.mjs';
import { terminalScenarios } from './docker/terminals.mjs';

/** Plays the scenarios whose names contain `filter`; without one also what is not a scenario. */
export async function dockerList(daemon, runtime, { filter, isLong }) {
  const all = [...processScenarios, ...lifecycleScenarios, ...terminalScenarios, ...fileScenarios, ...resourceScenarios, ...networkScenarios];
  await playAll('docker', () => daemon, all.filter(([name]) => name.includes(filter)), 2);
  const rest = { build: () => dockerBuild(daemon), crowd: () => dockerCrowd(daemon, isLong), install: () => dockerInstall(daemon, runtime), kills: () => dockerKills(daemon, runtime) };
  for (const [name, act] of Object.entries(rest)) if (name.includes(filter)) await act();
  await daemon.removeAll();
  const left = await daemon.leftovers();
  check(left.length === 0, 'docker: after all of it, nothing is left', left.join('\n'));
}
