#!/usr/bin/env bash
# irreplaceable.sh MPIRUN IRREPLACEABLE HOLDFAST OPTION…: what a user sees of a stopped helper under plain mpirun, without the option
# that would let the job live.
set -euo pipefail
option="${*:4}"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
status=0
timeout 60 "$1" --oversubscribe -n 2 "$2" "$directory/ckpt" >"$directory/output" 2>&1 || status=$?
expect() { grep -q -e "$1" "$directory/output" || { echo "not said: $1"; cat "$directory/output"; exit 1; }; }
expect "^wait: helper_lost: .*no sign of life.*is started with $option"
expect "^the next save: helper_lost: .*is started with $option"
expect 'the program went on'
[[ $status -ne 0 && $status -ne 124 ]] || { echo "mpirun's exit status is $status"; cat "$directory/output"; exit 1; }
"$3" verify "$directory/ckpt/step-000000000001.h5"
