#!/usr/bin/env bash
# rank_death.sh MPIRUN SAVE_AND_DIE HOLDFAST OPTION…: a rank dies under mpirun with the option that lets the others live, which would
# wait for it for ever.
# What all had staged is committed, what not is dropped, and the job ends with a message and a status that is not 0.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
fail() { echo "FAILED: $*"; cat "$directory/output"; exit 1; }

run() { # CASE: leaves its output in the file
  local status=0
  timeout 60 "$mpirun" "${options[@]}" --oversubscribe -n 3 "$save_and_die" "$directory/$1" "$1" >"$directory/output" 2>&1 || status=$?
  [[ $status -ne 124 ]] || fail "$1: the job hangs"
  [[ $status -ne 0 ]] || fail "$1: mpirun returned 0"
  grep -q 'rank 1 has died (host .*, pid [0-9]*.*the other ranks are ended' "$directory/output" || fail "$1: no message"
  "$holdfast" verify "$directory/$1/step-000000000001.h5"
}
committed() { [[ -e "$directory/$1/step-000000000002.h5" ]]; }

mpirun="$1" save_and_die="$2" holdfast="$3" options=("${@:4}")
run staged
"$holdfast" verify "$directory/staged/step-000000000002.h5" || fail "staged: the save is lost"
run copying
! committed copying || fail "copying: a save that not all had staged is visible"
told="$(grep -c '"event":"save_failed".*"step":2,"code":"invalid_state".*"rank":1,' "$directory/copying/events.jsonl" || true)"
[[ "$told" -eq 1 ]] || fail "copying: $told lines in events.jsonl about the save that was dropped"
