#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs larger programs natively and in the sandbox and compares what they print. Not part of npm test: it takes minutes and
# wants programs that are not everywhere; a script whose programs are missing is skipped.
# usage: test/apps/run.sh [NAME...]     status: the number of scripts that differ
here=$(cd "$(dirname "$0")" && pwd)
runsc=$here/../../dist/runsc-ts.cjs
limit=${LIMIT:-180}
export PATH=$PATH:/usr/sbin:/sbin
scratch=$(mktemp -d /tmp/runsc-apps.XXXXXX)
chmod 711 "$scratch"
trap 'rm -rf "$scratch"' EXIT

missing() {
  for program in $(sed -n 's/^# needs: //p' "$1"); do
    [ "${program#/}" = "$program" ] && { command -v "$program" >/dev/null || echo "$program"; continue; }
    compgen -G "$program" >/dev/null || echo "$program"
  done
}

failed=0
[ $# -gt 0 ] && names=("$@") || mapfile -t names < <(cd "$here" && ls -1 -- *.sh | grep -v '^run.sh$' | sed 's/\.sh$//')
for name in "${names[@]}"; do
  script=$here/$name.sh
  absent=$(missing "$script")
  [ -n "$absent" ] && { echo "skip  $name: no" $absent; continue; }
  mkdir "$scratch/$name"
  (cd "$scratch/$name" && timeout -k 5 "$limit" bash "$script" >"$scratch/$name.native" 2>&1 </dev/null; echo "status $?" >>"$scratch/$name.native")
  rm -rf "${scratch:?}/$name"
  mkdir "$scratch/$name"
  (cd "$scratch/$name" && timeout -k 5 "$limit" "$runsc" do -- bash "$script" >"$scratch/$name.sandbox" 2>&1 </dev/null; echo "status $?" >>"$scratch/$name.sandbox")
  if diff "$scratch/$name.native" "$scratch/$name.sandbox" >"$scratch/$name.diff"; then
    echo "same  $name"
  else
    failed=$((failed + 1))
    echo "DIFF  $name"
    head -40 "$scratch/$name.diff"
  fi
  rm -rf "${scratch:?}/$name"
done
exit $failed
