"""Random corruptions of a checkpoint against verify and load, in a process that may crash or hang: either counts as a failure, and
the next corruption goes on in a new process. Usage: corruptions.py PROGRAM COUNT [SEED]. Failing ones can be repeated by their seed
and number.
"""

import collections
import pathlib
import random
import selectors
import shutil
import subprocess
import sys
import tempfile

LINE_TIMEOUT_S = 60


def lines_of(process):
    """Yields lines as they come; stops at the end, and kills a process that is silent for too long."""
    selector = selectors.DefaultSelector()
    selector.register(process.stdout, selectors.EVENT_READ)
    while True:
        if not selector.select(LINE_TIMEOUT_S):
            process.kill()
            return
        line = process.stdout.readline()
        if not line:
            return
        yield line.rstrip("\n")


def run(program, directory, seed, first, count, results, failures):
    """Returns the number of the first corruption that was not tried."""
    command = [program, "check", str(directory), str(seed), str(first), str(count)]
    tried = first
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        for line in lines_of(process):
            words = line.split(maxsplit=2)
            if len(words) < 3 or words[2].startswith("WRONG") or not words[0].isdigit():
                failures.append(line)
            else:
                results[words[1], words[2]] += 1
            tried = int(words[0]) + 1 if words[0].isdigit() else tried + 1
        status = process.wait()
    if tried < first + count:
        failures.append(f"{tried}: the process ended with status {status}")
        return tried + 1
    return tried


def main():
    program, count = sys.argv[1], int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    results, failures = collections.Counter(), []
    directory = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    try:
        subprocess.run([program, "make", directory], check=True)
        step = 0
        whole = {path: path.read_bytes() for path in directory.glob("step-*.h5")}
        while step < count:
            for path, content in whole.items():
                path.write_bytes(content)
            step = run(program, directory, seed, step, count - step, results, failures)
    finally:
        shutil.rmtree(directory)
    for kind in sorted({kind for kind, _ in results}):
        print(f"{kind:11} {results[kind, 'noticed']:6} noticed, {results[kind, 'harmless']:6} in bytes that mean nothing")
    print(f"{count} corruptions, {len(failures)} failures", *failures, sep="\n")
    sys.exit(1 if failures or sum(results.values()) < count else 0)


main()
