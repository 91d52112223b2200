// SPDX-License-Identifier: Apache-2.0

/** Many containers: at once, and one after the other. */
import { check } from '../report.mjs';

const words = (name, command) => ['run', '--rm', '--runtime=runsc-ts', '--network', 'none', '--name', name, 'bb', 'sh', '-c', command];

export async function dockerCrowd(daemon, isLong) {
  const limitMs = 120_000;
  const many = await Promise.all(Array.from({ length: 20 }, (_, i) => daemon.docker(words(`crowd${i}`, `echo ${i}; exit ${i % 3}`), { limitMs })));
  const wrong = many.filter(({ status, stdout }, i) => status !== i % 3 || stdout !== `${i}\n`);
  check(wrong.length === 0, 'docker: 20 containers at once', JSON.stringify(wrong));
  const count = isLong ? 200 : 10;
  const failed = [];
  for (let i = 0; i < count; i++) {
    const result = await daemon.docker(words(`row${i}`, `echo ${i}`));
    if (result.status !== 0 || result.stdout !== `${i}\n`) failed.push(result);
  }
  check(failed.length === 0, `docker: ${count} containers, one after the other`, JSON.stringify(failed.slice(0, 3)));
}
