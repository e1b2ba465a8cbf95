#!/usr/bin/env bash
# forgetful.sh MPIRUN RANKS FORGETFUL HOLDFAST: what was saved and forgotten is complete once mpirun has returned.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$1" --oversubscribe -n "$2" "$3" "$directory"
for file in dropped/step-000000000001.h5 kept/step-000000000002.h5 kept/step-000000000003.h5; do
  "$4" verify "$directory/$file"
done
