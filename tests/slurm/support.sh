# Sourced by the tests of this folder: short names for the shared cluster, and waits that have an end.

# Runs a command on node n1, or on another: on_cluster -n n2 hostname
on_cluster() { "$HOLDFAST_CLUSTER" run "$HOLDFAST_CLUSTER_DIR" "$@"; }

# Prints the processes on the nodes that are not Slurm's.
processes_left() { "$HOLDFAST_CLUSTER" ps "$HOLDFAST_CLUSTER_DIR" || true; }
no_process_left() { [[ -z "$(processes_left)" ]]; }

# job_is JOB STATE: such as PENDING, RUNNING, COMPLETED, CANCELLED. Finished jobs can be asked for ten minutes.
job_is() { [[ "$(on_cluster scontrol show job --oneliner "$1")" == *" JobState=$2 "* ]]; }

# wait_for SECONDS WHAT COMMAND…: polls; fails with a line that says what did not happen
wait_for() {
  local end=$((SECONDS + $1)) seconds="$1" what="$2"
  shift 2
  until "$@"; do
    if ((SECONDS >= end)); then
      echo "not after $seconds s: $what" >&2
      return 1
    fi
    sleep 0.1
  done
}
