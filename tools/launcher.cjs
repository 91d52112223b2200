#!/usr/bin/env -S-uNODE_EXTRA_CA_CERTS @=${NODE_EXTRA_CA_CERTS} node @FLAGS@
// SPDX-License-Identifier: Apache-2.0
'use strict';
/* Plain old JavaScript: an old Node must get as far as the message. Loads the parts of the program through V8's code cache. */
if (parseInt(process.versions.node, 10) < 20) {
  process.stderr.write('runsc-ts: Node.js 20 or newer is needed, this is ' + process.version + '\n');
  process.exit(128);
}
/* Node reads the file that NODE_EXTRA_CA_CERTS names before anything else, for longer than the rest of a start takes, and nothing here
   speaks TLS: the line above and the front (front.sh) hide the variable from Node, and here it is again. (Linux before 5.1 reads only 127 bytes of it: there, node runsc-ts.cjs.) */
/* The front's shell has set two more. */
const kept = { '@': 'NODE_EXTRA_CA_CERTS', RUNSC_TS_EXTRA_CA_CERTS: 'NODE_EXTRA_CA_CERTS', RUNSC_TS_PWD: 'PWD', RUNSC_TS_SHLVL: 'SHLVL' };
for (const name of Object.keys(kept)) {
  const value = process.env[name];
  if (value === undefined) continue;
  if (value !== '') process.env[kept[name]] = value;
  else delete process.env[kept[name]];
  delete process.env[name];
}
const fs = require('fs');
const vm = require('vm');
const files = {};
const parts = {};
const loader = {
  cached: process.env.RUNSC_TS_MAKE_CACHE || null,
  open(name) {
    if (files[name] !== undefined || parts[name] !== undefined) return;
    const base = __dirname + '/' + name;
    files[name] = [fs.openSync(base + '.cjs'), -1];
    try {
      files[name][1] = fs.openSync(base + '.cache');
    } catch {}
  },
  close(name) {
    for (const fd of files[name] || []) if (fd >= 0) fs.closeSync(fd);
    delete files[name];
  },
  load(name) {
    if (parts[name] !== undefined) return parts[name];
    loader.open(name);
    const [code, cache] = files[name];
    const source = fs.readFileSync(code, 'latin1');
    const cachedData = cache >= 0 ? fs.readFileSync(cache) : undefined;
    loader.close(name);
    const filename = __dirname + '/' + name + '.cjs';
    const script = new vm.Script(source, { filename, cachedData, importModuleDynamically: undefined });
    const entry = { exports: {} };
    script.runInThisContext().call(entry.exports, entry.exports, require, entry, filename, __dirname);
    if (loader.cached === name) entry.exports.setCodeCacheMaker(() => script.createCachedData());
    parts[name] = entry.exports;
    return entry.exports;
  },
};
loader.load('main').main(process.argv.slice(2), loader);
