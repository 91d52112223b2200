#!/usr/bin/env -S node @FLAGS@
// SPDX-License-Identifier: Apache-2.0
'use strict';
/* Plain old JavaScript: an old Node must get as far as the message. Loads main.cjs through V8's code cache. */
if (parseInt(process.versions.node, 10) < 20) {
  process.stderr.write('runsc-ts: Node.js 20 or newer is needed, this is ' + process.version + '\n');
  process.exit(128);
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
