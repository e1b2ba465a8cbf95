#!/usr/bin/env bash
# death_at_start.sh MPIRUN DIE_AT_START HOLDFAST OPTION…: a rank dies while the Checkpointer is made, under mpirun with the option that lets
# the others live. They are ended, by the helper that saw the death or waits in vain, the job ends with a message and a status that is not
# 0, and no process of it remains.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
fail() { echo "FAILED: $*"; cat "$directory/output"; exit 1; }

mpirun="$1" die_at_start="$2" options=("${@:4}")
processes() { # of the job: mpirun hands down its environment
  grep -lsaz "^DEATH_AT_START=$directory\$" /proc/[0-9]*/environ || true
}
run() { # WHEN MESSAGE
  local status=0
  timeout 100 env DEATH_AT_START="$directory" "$mpirun" "${options[@]}" --oversubscribe -n 3 "$die_at_start" "$directory/$1" "$1" >"$directory/output" 2>&1 || status=$?
  [[ $status -ne 124 ]] || fail "$1: the job hangs"
  [[ $status -ne 0 ]] || fail "$1: mpirun returned 0"
  grep -q "$2" "$directory/output" || fail "$1: no message"
  for ((tries = 0; tries < 100; ++tries)); do
    [[ -n "$(processes)" ]] || return 0
    sleep 0.2
  done
  fail "$1: these remain: $(processes)"
}

run starting 'not all ranks have said hello within 15 s'
for when in connected met greeted; do run $when 'rank 1 has died (host .*, pid [0-9]*.*the other ranks are ended'; done
