#!/usr/bin/env -S-uNODE_EXTRA_CA_CERTS @=${NODE_EXTRA_CA_CERTS} node @FLAGS@
// SPDX-License-Identifier: Apache-2.0
'use strict';
/* Plain old JavaScript: an old Node must get as far as the message. Loads main.cjs through V8's code cache. */
if (parseInt(process.versions.node, 10) < 20) {
  process.stderr.write('runsc-ts: Node.js 20 or newer is needed, this is ' + process.version + '\n');
  process.exit(128);
}
/* Node reads the file that NODE_EXTRA_CA_CERTS names before anything else, for longer than the rest of a start takes, and nothing here
   speaks TLS: the line above hides the variable from Node, and here it is again. (Linux before 5.1 reads only 127 bytes of it: there, node runsc-ts.cjs.) */
if (process.env['@'] !== undefined) {
  if (process.env['@'] !== '') process.env.NODE_EXTRA_CA_CERTS = process.env['@'];
  delete process.env['@'];
}
const fs = require('fs');
const path = require('path');
const vm = require('vm');
const main = path.join(__dirname, 'main.cjs');
const cacheFile = path.join(__dirname, 'main.cache');
const source = fs.readFileSync(main, 'latin1');
let cachedData;
try {
  cachedData = fs.readFileSync(cacheFile);
} catch {}
const script = new vm.Script(source, { filename: main, cachedData, importModuleDynamically: undefined });
const entry = { exports: {} };
script.runInThisContext().call(entry.exports, entry.exports, require, entry, main, __dirname);
const makeCache = process.env.RUNSC_TS_MAKE_CACHE === '1' ? () => script.createCachedData() : null;
entry.exports.main(process.argv.slice(2), makeCache);
