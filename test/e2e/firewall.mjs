// SPDX-License-Identifier: Apache-2.0

/** The rules and chains that a dockerd makes in the machine's packet filter, and does not remove when it ends. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';

const BRIDGE = /\be2e\d+\b/;

/** All rules, as text. */
export const firewall = () => spawnSync('iptables-save', [], { encoding: 'utf8' }).stdout ?? '';

function drop(isLeft) {
  const lines = firewall().split('\n');
  const kept = lines.filter((line) => !isLeft(line));
  if (kept.length < lines.length) spawnSync('iptables-restore', [], { input: kept.join('\n') });
}

function isDockerd(pid) {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1').trim() === 'dockerd';
  } catch {
    return false;
  }
}

/** Removes the rules of a bridge, and Docker's chains when they are nobody's: no dockerd runs, and before (`before`) the machine had none of its own. */
export function removeRules(bridge, before) {
  const isMachines = before.includes(':DOCKER') && !BRIDGE.test(before);
  const isOthers = readdirSync('/proc').some((name) => /^\d+$/.test(name) && isDockerd(name));
  drop((line) => line.split(' ').includes(bridge) || (!isMachines && !isOthers && line.includes('DOCKER')));
}

/** Removes the rules of bridges of tests that are gone. */
export function sweepRules() {
  drop((line) => {
    const bridge = BRIDGE.exec(line)?.[0];
    return bridge !== undefined && !existsSync(`/sys/class/net/${bridge}`);
  });
}
