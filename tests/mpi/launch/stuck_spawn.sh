#!/usr/bin/env bash
# stuck_spawn.sh MPIRUN LAUNCHERS HELPER: a helper that passes the probe and then never begins MPI holds its parents inside MPI, where
# nobody can time them out. The program says so after launch_timeout_s.
set -euo pipefail
directory=$(mktemp -d)
mpirun=
# mpirun ends the ranks, but may then wait for the process that it takes to be still starting.
clean_up() {
  if [[ -n "$mpirun" ]]; then
    kill "$mpirun" 2>/dev/null || true
    for ((tries = 0; tries < 50; ++tries)); do kill -0 "$mpirun" 2>/dev/null && sleep 0.1; done
    kill -KILL "$mpirun" 2>/dev/null || true
  fi
  rm -rf "$directory"
}
trap clean_up EXIT

cat >"$directory/helper" <<END
#!/bin/sh
if [ "\$1" = --probe ]; then exec $3 --probe; fi
exec sleep 1000
END
chmod +x "$directory/helper"
HOLDFAST_LAUNCHER=spawn HOLDFAST_HELPER="$directory/helper" "$1" --oversubscribe -n 2 "$2" \
  --gtest_filter=Launchers.StartSaveLoadClose >"$directory/output" 2>&1 &
mpirun=$!
for ((tries = 0; tries < 600; ++tries)); do
  if grep -q 'MPI_Comm_spawn_multiple has not started the helpers .*Launcher::reserved_ranks' "$directory/output"; then exit 0; fi
  sleep 0.1
done
echo "the program said nothing of it:"
cat "$directory/output"
exit 1
