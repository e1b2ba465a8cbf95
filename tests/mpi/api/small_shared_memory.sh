#!/usr/bin/env bash
# small_shared_memory.sh two|one|waves SIZE MPIEXEC PROGRAM: the test of that name where /dev/shm is a tmpfs of SIZE, in a mount
# namespace of its own. Exits 77 (skipped) where it cannot be had.
set -euo pipefail
case=$1 size=$2 mpiexec=$3 program=$4

unshare --mount mount -t tmpfs -o size="$size" tmpfs /dev/shm || { echo "skipped: mounting a small /dev/shm takes root"; exit 77; }
exec unshare --mount sh -c 'mount -t tmpfs -o size="$1" tmpfs /dev/shm && exec "$2" --oversubscribe -n 2 "$3" "$4"' sh \
  "$size" "$mpiexec" "$program" --gtest_filter="*RoomFor${case^}"
