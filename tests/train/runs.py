"""Whole runs of the trainer: disturbed ones must end with exactly the parameters of an undisturbed one.

Environment: TRAIN, HOLDFAST and MPIEXEC are the programs to use.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

RUN_TIMEOUT_S = 60
GONE_TIMEOUT_S = 20

# 1.5 MB of parameters and moments; the 8 inputs and the 1 output make uneven and empty parts.
LAYERS = ["--hidden", "201", "--layers", "4"]


def processes_of_session(session):
    """Pids of all live processes that belong to a session, which the programs started by mpirun inherit from it."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def kill_session(session):
    for pid in processes_of_session(session):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def wait_until_session_is_empty(session):
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while left := processes_of_session(session):
        if time.monotonic() > deadline:
            raise AssertionError(f"processes {left} of the run are still there {GONE_TIMEOUT_S} s after it ended")
        time.sleep(0.02)


def start(ranks, directory, *options):
    command = [os.environ["MPIEXEC"], "--oversubscribe", "-n", str(ranks), os.environ["TRAIN"], "--dir", str(directory), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def run(ranks, directory, *options, status=0):
    """Runs the trainer to its end and returns what it printed."""
    process = start(ranks, directory, *options)
    try:
        output, _ = process.communicate(timeout=RUN_TIMEOUT_S)
        wait_until_session_is_empty(process.pid)
    finally:
        kill_session(process.pid)
    if process.returncode != status:
        raise AssertionError(f"exit status {process.returncode} instead of {status}:\n{output}")
    return output


def run_and_kill(ranks, directory, *options, after_epoch):
    """Kills every process of the run with SIGKILL as soon as the line of `after_epoch` is there."""
    process = start(ranks, directory, *options)
    watchdog = threading.Timer(RUN_TIMEOUT_S, kill_session, [process.pid])
    watchdog.start()
    try:
        output = ""
        for line in process.stdout:
            output += line
            if line.startswith(f"epoch {after_epoch} "):
                break
        else:
            raise AssertionError(f"epoch {after_epoch} never came:\n{output}")
    finally:
        watchdog.cancel()
        kill_session(process.pid)
        process.stdout.close()
        process.wait(RUN_TIMEOUT_S)
    wait_until_session_is_empty(process.pid)


def losses(output):
    """Epoch -> loss as it was printed; the last line of an epoch counts, as a reload brings epochs back."""
    return dict(re.findall(r"^epoch (\d+) loss (\S+)$", output, re.MULTILINE))


def checkpoint(directory, step):
    return directory / f"step-{step:012d}.h5"


def diff_status(first, second):
    result = subprocess.run([os.environ["HOLDFAST"], "diff", str(first), str(second)], capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
    if result.returncode not in (0, 1):
        raise AssertionError(f"holdfast diff failed: {result.stdout}{result.stderr}")
    return result.returncode


class Runs(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-train-"))
        self.addCleanup(shutil.rmtree, self.root, ignore_errors=True)
        self.calm = self.root / "calm"
        self.rough = self.root / "rough"

    def assert_same_end(self, calm_output, rough_output, epochs):
        self.assertEqual(losses(calm_output)[str(epochs)], losses(rough_output)[str(epochs)])
        self.assertEqual(diff_status(checkpoint(self.calm, epochs), checkpoint(self.rough, epochs)), 0)
        # The comparison has to be able to fail.
        self.assertEqual(diff_status(checkpoint(self.calm, epochs), checkpoint(self.rough, epochs - 10)), 1)

    def test_faults(self):
        options = [*LAYERS, "--epochs", "60", "--save-every", "10"]
        calm_output = run(2, self.calm, *options)
        rough_output = run(2, self.rough, *options, "--fault-every", "7")
        self.assertEqual(rough_output.count("fault injected"), 8)
        self.assertIn("fault survived: nothing was saved yet, epoch 1 is next", rough_output)
        self.assertIn("fault survived: loaded step 50, epoch 51 is next", rough_output)
        self.assertEqual(losses(calm_output), losses(rough_output))
        self.assert_same_end(calm_output, rough_output, 60)

    def test_killed_and_resumed(self):
        options = [*LAYERS, "--epochs", "60", "--save-every", "10"]
        calm_output = run(2, self.calm, *options)
        for after_epoch in (35, 40):  # between saves, and as a save begins
            with self.subTest(after_epoch=after_epoch):
                shutil.rmtree(self.rough, ignore_errors=True)
                run_and_kill(2, self.rough, *options, after_epoch=after_epoch)
                rough_output = run(2, self.rough, *options, "--resume")
                self.assertRegex(rough_output, r"resumed from step [234]0, saved by 2 ranks, on 2 ranks")
                self.assertLessEqual(losses(rough_output).items(), losses(calm_output).items())
                self.assert_same_end(calm_output, rough_output, 60)

    def test_resumes_on_other_ranks(self):
        calm_output = run(2, self.calm, *LAYERS, "--epochs", "40", "--save-every", "20")
        run(2, self.rough, *LAYERS, "--epochs", "20")
        for ranks in (1, 3, 4):
            with self.subTest(ranks=ranks):
                copy = self.root / f"on-{ranks}"
                shutil.copytree(self.rough, copy)
                output = run(ranks, copy, *LAYERS, "--epochs", "40", "--resume")
                self.assertIn(f"resumed from step 20, saved by 2 ranks, on {ranks} ranks: epoch 21 is next", output)
                resumed = losses(output)
                self.assertEqual(list(resumed), [str(epoch) for epoch in range(21, 41)])
                for epoch, loss in resumed.items():  # other ranks add up in another order
                    self.assertAlmostEqual(float(loss), float(losses(calm_output)[epoch]), delta=1e-6)

    def test_wrong_use(self):
        run(2, self.calm, "--epochs", "2")
        again = run(2, self.calm, "--epochs", "3", status=2)
        self.assertIn("holds checkpoints up to epoch 2: say --resume", again)
        run(2, self.calm, "--epochs", "many", status=2)
        self.assertIn("--fault-every", run(1, self.calm, "--help"))


if __name__ == "__main__":
    unittest.main()
