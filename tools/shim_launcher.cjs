#!/usr/bin/env -S-uNODE_EXTRA_CA_CERTS node @FLAGS@
// SPDX-License-Identifier: Apache-2.0
'use strict';
/* Plain old JavaScript: an old Node must get as far as the message. Loads the parts of the shim through V8's code cache. */
if (parseInt(process.versions.node, 10) < 20) {
  process.stderr.write('containerd-shim-runsc-ts-v1: Node.js 20 or newer is needed, this is ' + process.version + '\n');
  process.exit(1);
}
/* The first line hides NODE_EXTRA_CA_CERTS: Node would read that file before anything else, and nothing here speaks TLS. */
const fs = require('fs');
const vm = require('vm');
const scripts = {};
const parts = {};
function load(name) {
  if (parts[name] !== undefined) return parts[name];
  const base = __dirname + '/' + name;
  let cachedData;
  try {
    cachedData = fs.readFileSync(base + '.cache');
  } catch {}
  scripts[name] = new vm.Script(fs.readFileSync(base + '.cjs', 'latin1'), { filename: base + '.cjs', cachedData, importModuleDynamically: undefined });
  const entry = { exports: {} };
  scripts[name].runInThisContext().call(entry.exports, entry.exports, require, entry, base + '.cjs', __dirname);
  return (parts[name] = entry.exports);
}
if (process.env.RUNSC_TS_MAKE_CACHE !== 'shim') load('shim').main(process.argv.slice(2), () => load('shim_serving'));
else {
  /* Only in the build. */
  load('shim');
  load('shim_serving').warmUp();
  for (const name of Object.keys(parts)) fs.writeFileSync(__dirname + '/' + name + '.cache', scripts[name].createCachedData());
}
