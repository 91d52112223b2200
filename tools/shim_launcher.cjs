#!/usr/bin/env -S node @FLAGS@
// SPDX-License-Identifier: Apache-2.0
'use strict';
/* Plain old JavaScript: an old Node must get as far as the message. */
if (parseInt(process.versions.node, 10) < 20) {
  process.stderr.write('containerd-shim-runsc-ts-v1: Node.js 20 or newer is needed, this is ' + process.version + '\n');
  process.exit(1);
}
require('./shim.cjs').main(process.argv.slice(2));
