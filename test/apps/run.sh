#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs larger programs natively and in the sandbox and compares what they print; what a run leaves behind (a process, a mount, a
# container's state) is a failure too. A script's head says what it takes:
#   # needs: programs or file patterns without which it is skipped
#   # packages: Debian packages they are in, installed when one is missing (--install, --ci)
#   # ci: it is in the selection of --ci, which takes a few minutes
#   # where: host: it runs on the host, once with RUN empty and once with RUN being the sandbox to put before its servers
# usage: test/apps/run.sh [--ci | --long] [--install] [NAME...]     status: 0 when nothing failed
here=$(cd "$(dirname "$0")" && pwd)
runsc=$here/../../dist/runsc-ts.cjs
limit=${LIMIT:-180}
export PATH=$PATH:/usr/sbin:/sbin DEBIAN_FRONTEND=noninteractive
export STRESS_SECONDS=3
selection=all install=no
while [ "${1#--}" != "${1:-}" ]; do
  case $1 in
    --ci) selection=ci install=yes ;;
    --long) export STRESS_SECONDS=30; limit=${LIMIT:-600} ;;
    --install) install=yes ;;
    *) echo "$0: no option $1" >&2; exit 2 ;;
  esac
  shift
done
scratch=$(mktemp -d /tmp/runsc-apps.XXXXXX)
chmod 711 "$scratch"
export RUNSC_APPS_MARK=$scratch
trap 'rm -rf "$scratch"' EXIT

head_of() { sed -n "s/^# $2: *//p" "$here/$1.sh" | head -1; }
missing() {
  local program
  for program in $(head_of "$1" needs); do
    [ "${program#/}" = "$program" ] && { command -v "$program" >/dev/null || echo "$program"; continue; }
    compgen -G "$program" >/dev/null || echo "$program"
  done
}

# Processes of a run (they inherit RUNSC_APPS_MARK) besides this script's own.
left_processes() {
  local dir pid
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] && continue
    grep -qzxF "RUNSC_APPS_MARK=$scratch" "$dir/environ" 2>/dev/null || continue
    [ "$(awk '{print $4}' "$dir/stat" 2>/dev/null)" = "$BASHPID" ] && continue
    echo "$pid"
  done
}
# Mounts of this run's directory or of a sandbox's state, as everybody sees them.
mounts() { grep -cE "$scratch|/run/runsc-ts" /proc/self/mounts; }
# Says what is left, and ends it. Waits a moment first: what was killed takes time to go.
leftovers() {
  local pids try now
  for try in $(seq 50); do
    pids=$(left_processes)
    now=$(mounts)
    [ -z "$pids" ] && [ "$now" -le "$1" ] && return 0
    sleep 0.1
  done
  local pid
  for pid in $pids; do
    echo "left behind: process $pid: $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-120)"
    kill -9 "$pid"
  done
  [ "$now" -le "$1" ] || echo "left behind: $((now - $1)) mounts"
}

# once KIND NAME: runs a script natively or in the sandbox, in a directory of its own, output to $scratch/NAME.KIND.
once() {
  local name=$2 out=$scratch/$2.$1 before
  local command=(bash "$here/$name.sh") run=""
  if [ "$1" = sandbox ]; then
    if [ "$(head_of "$name" where)" = host ]; then run="$runsc --network=host do --"; else command=("$runsc" do -- "${command[@]}"); fi
  fi
  before=$(mounts)
  mkdir "$scratch/$name"
  (cd "$scratch/$name" && RUN=$run timeout -k 5 "$limit" "${command[@]}" >"$out" 2>&1 </dev/null; echo "status $?" >>"$out")
  leftovers "$before" >"$scratch/left"
  [ "$1" = sandbox ] && cat "$scratch/left" >>"$out"
  rm -rf "${scratch:?}/$name"
}

if [ $# -gt 0 ]; then names=("$@"); else mapfile -t names < <(cd "$here" && ls -1 -- *.sh | grep -v '^run.sh$' | sed 's/\.sh$//'); fi
[ "$selection" = ci ] && mapfile -t names < <(for name in "${names[@]}"; do grep -q '^# ci' "$here/$name.sh" && echo "$name"; done)
if [ "$install" = yes ]; then
  wanted=()
  for name in "${names[@]}"; do [ -n "$(missing "$name")" ] && wanted+=($(head_of "$name" packages)); done
  if [ ${#wanted[@]} -gt 0 ]; then
    echo "installing ${wanted[*]}"
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    { $as_root apt-get update -qq; $as_root apt-get install -y -qq --no-install-recommends "${wanted[@]}"; } >"$scratch/apt" 2>&1 || tail -3 "$scratch/apt"
  fi
fi

passed=0 failed=0 skipped=0
for name in "${names[@]}"; do
  absent=$(missing "$name")
  if [ -n "$absent" ]; then
    echo "skip  $name: no" $absent
    skipped=$((skipped + 1))
    continue
  fi
  started=$SECONDS
  if [ -e "$here/$name.expected" ]; then cp "$here/$name.expected" "$scratch/$name.native"; else once native "$name"; fi
  between=$SECONDS
  once sandbox "$name"
  took="$((between - started)) s, $((SECONDS - between)) s"
  if diff "$scratch/$name.native" "$scratch/$name.sandbox" >"$scratch/$name.diff"; then
    passed=$((passed + 1))
    echo "same  $name ($took)"
  else
    failed=$((failed + 1))
    echo "DIFF  $name ($took)"
    head -40 "$scratch/$name.diff"
  fi
done
[ $skipped = 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
