#!/usr/bin/env bash
# in_a_directory.sh COMMAND …: runs it with a temporary directory as its last argument.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
"$@" "$directory"
