#!/usr/bin/env -S RUNSC_TS_PWD=${PWD} RUNSC_TS_SHLVL=${SHLVL} /bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# dist/runsc-ts: the command line. Everything is done by Node (runsc-ts.cjs); but Node takes longer to begin than three of the things that
# daemons ask of every container take, so these are done here, in exactly the words that daemons use:
#
#   [FLAGS] start ID              of a container that was created, asked of its Sentry (runsc-cli/boot/start_requests.ts)
#   [FLAGS] delete [--force] ID   of a container that has ended
#   [FLAGS] delete --force ID     of a container that is not there
#
# where FLAGS are --root (not needed by root), --log, --log-format, --systemd-cgroup. Whatever is not as expected, an error above all, is left to Node, which does it
# again from the beginning: nothing here prints.
#
# Invariants: a container is changed only under its lock (flock(1)), and only when it has nothing special about it (the file `plain`,
#             runsc-cli/container/front.ts). Variables are local: the environment goes on to Node as it came. (Shells set PWD and SHLVL, which is
#             why the first line keeps them for runsc-ts.cjs; variables whose names are no identifiers they drop.) No process is started that
#             need not be.

# Is it a path that means here what it means to Node?
runsc_ts_is_path() {
  case $1 in
    *..* | *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/.:@=,+-]*) return 1 ;;
    /?*) return 0 ;;
  esac
  return 1
}

runsc_ts_is_id() {
  case $1 in
    '' | . | .. | -* | *[!ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+.-]*) return 1 ;;
  esac
  [ ${#1} -le 1024 ]
}

# Is there no process $1, or nothing but its status, for its parent to read?
runsc_ts_is_over() {
  local stat=
  read -r stat 2>/dev/null <"/proc/$1/stat" || [ ! -e "/proc/$1" ] || return 1
  case ${stat##*)} in
    '' | ' Z '* | ' X '*) return 0 ;;
  esac
  return 1
}

# Takes the lock of the container in $1, without waiting, as descriptor 9 of the caller.
runsc_ts_lock() {
  flock -n 9 && [ "$1/lock" -ef /proc/self/fd/9 ]
}

# Reads the first line of the file `plain` on standard input: $boot, $sentry, $gofer. Fails when it is of an earlier boot.
runsc_ts_facts() {
  local now=
  read -r boot sentry gofer && read -r now </proc/sys/kernel/random/boot_id || return 1
  case $boot.$now in
    ????????."$boot"*) return 0 ;;
  esac
  return 1
}

# Is there the log $1, if one was asked for? One that is not there would have to be made with the right mode.
runsc_ts_has_log() {
  [ -z "$1" ] || { [ -f "$1" ] && { :; } >>"$1"; }
}

runsc_ts_start() {
  local boot= sentry= gofer= stat= answer=
  runsc_ts_lock "$1" && [ ! -s "$1/status" ] && [ -p "$1/start.request" ] && [ -p "$1/start.answer" ] && runsc_ts_facts <"$1/plain" && read -r stat <"/proc/$sentry/stat" || return 1
  # One that is stopped or frozen would not answer.
  case ${stat##*)} in
    ' S '* | ' R '*) ;;
    *) return 1 ;;
  esac
  # The FIFO of answers is opened so that opening it does not wait, and kept so that its end is seen when the Sentry, who has the other, dies.
  {
    echo >&6
    read -r answer <&5
  } 4<>"$1/start.answer" 5<"$1/start.answer" 4>&- 6<>"$1/start.request"
  [ "$answer" = ok ]
}

runsc_ts_delete() {
  local boot= sentry= gofer= cgroup=
  runsc_ts_lock "$1" || return 1
  {
    runsc_ts_facts && runsc_ts_is_over "$sentry" && runsc_ts_is_over "$gofer" || return 1
    set -- "$1"
    while IFS= read -r cgroup; do set -- "$@" "$cgroup"; done
  } <"$1/plain"
  runsc_ts_remove "$@"
}

# Removes the state directory $1, and the cgroups that follow. The lock is the last of the files: whoever comes after a kill in the middle goes on.
runsc_ts_remove() {
  local directory="$1"
  shift
  [ $# -eq 0 ] || rmdir -- "$@" || return 1
  rm -rf -- "$directory"/[!l]* "$directory/lock" && rmdir -- "$directory"
}

# Are we root, and not of a user namespace? Then the state directory is /run/runsc-ts when none is named (runsc-cli/cmd/global_flags.ts).
runsc_ts_is_root() {
  local first= second= count= key= user= effective= rest=
  read -r first second count </proc/self/uid_map && [ "$first $second $count" = '0 0 4294967295' ] || return 1
  while [ "$key" != Uid: ]; do
    read -r key user effective rest || return 1
  done </proc/self/status
  [ "$effective" = 0 ]
}

# Does what is asked and ends, or returns.
runsc_ts_quickly() {
  local root= log= verb=
  while :; do
    case $1 in
      --root) runsc_ts_is_path "$2" && root=$2 || return ;;
      --log) runsc_ts_is_path "$2" && log=$2 || return ;;
      --log-format) [ "$2" = json ] || [ "$2" = text ] || return ;;
      --systemd-cgroup) shift && continue ;;
      start | delete) break ;;
      *) return ;;
    esac
    shift 2
  done
  [ -n "$root" ] || { runsc_ts_is_root && root=/run/runsc-ts; } || return
  verb=$1
  if [ $# -eq 3 ] && [ "$1 $2" = 'delete --force' ]; then
    shift
    runsc_ts_is_id "$2" || return
    [ -d "$root/$2" ] || { runsc_ts_has_log "$log" && exit 0; }
  fi
  [ $# -eq 2 ] && runsc_ts_is_id "$2" && [ -f "$root/$2/plain" ] && command -v flock >/dev/null && runsc_ts_has_log "$log" || return
  { "runsc_ts_$verb" "$root/$2"; } 9<"$root/$2/lock" && exit 0
}

{ runsc_ts_quickly "$@"; } 2>/dev/null

# A launcher that `install` wrote (runsc-cli/cmd/install.ts) says where Node and this file are.
if [ -z "$runsc_ts_home" ]; then
  runsc_ts_node=node
  runsc_ts_home=$0
  [ ! -h "$0" ] || runsc_ts_home=$(readlink -f -- "$0")
  case $runsc_ts_home in
    */*) runsc_ts_home=${runsc_ts_home%/*} ;;
    *) runsc_ts_home=. ;;
  esac
fi
# Hidden from Node, which would read that file before anything else, for longer than the rest of a start takes; runsc-ts.cjs brings it back.
if [ -n "$NODE_EXTRA_CA_CERTS" ]; then
  export RUNSC_TS_EXTRA_CA_CERTS="$NODE_EXTRA_CA_CERTS"
  unset NODE_EXTRA_CA_CERTS
fi
exec "$runsc_ts_node" @FLAGS@ "$runsc_ts_home/runsc-ts.cjs" "$@"
