"""Whole runs of the trainer: disturbed ones must end with exactly the parameters of an undisturbed one.

Environment: TRAIN, HOLDFAST and MPIEXEC are the programs to use.
"""

import json
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
from contextlib import contextmanager
from unittest import mock

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


def wait_until(condition):
    deadline = time.monotonic() + RUN_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not happen within {RUN_TIMEOUT_S} s")
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


@contextmanager
def watched(process, limit_s=RUN_TIMEOUT_S):
    """Whatever happens, and at the latest after limit_s, nothing of the run is left when this ends."""
    watchdog = threading.Timer(limit_s, kill_session, [process.pid])
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        kill_session(process.pid)
        process.stdout.close()
        process.wait(RUN_TIMEOUT_S)
        wait_until_session_is_empty(process.pid)


def read_until(process, beginning):
    """What the run prints up to the line that begins so."""
    output = ""
    for line in process.stdout:
        output += line
        if line.startswith(beginning):
            return output
    raise AssertionError(f"the line '{beginning}…' never came:\n{output}")


def run_and_kill(ranks, directory, *options, after_epoch):
    """Kills every process of the run with SIGKILL as soon as the line of `after_epoch` is there."""
    with watched(start(ranks, directory, *options)) as process:
        read_until(process, f"epoch {after_epoch} ")


def run_and_ask(ranks, directory, *options, after_epoch, ask, status):
    """Calls `ask` with mpirun's pid as soon as the line of `after_epoch` is there; returns what the run printed to its end."""
    with watched(start(ranks, directory, *options)) as process:
        output = read_until(process, f"epoch {after_epoch} ")
        ask(process.pid)
        output += process.stdout.read()
        process.wait(RUN_TIMEOUT_S)
        wait_until_session_is_empty(process.pid)
        if process.returncode != status:
            raise AssertionError(f"exit status {process.returncode} instead of {status}:\n{output}")
        return output


def ranks_of(mpirun):
    """Pids of the training processes below an mpirun."""
    train = pathlib.Path(os.environ["TRAIN"]).resolve()
    return sorted(pid for pid in processes_of_session(mpirun) if pathlib.Path(f"/proc/{pid}/exe").resolve() == train)


def epochs(output):
    """The epochs that were printed, in that order."""
    return [int(epoch) for epoch in re.findall(r"^epoch (\d+) loss", output, re.MULTILINE)]


def losses(output):
    """Epoch -> loss as it was printed; the last line of an epoch counts, as a reload brings epochs back."""
    return dict(re.findall(r"^epoch (\d+) loss (\S+)$", output, re.MULTILINE))


def checkpoint(directory, step):
    return directory / f"step-{step:012d}.h5"


def steps_in(directory):
    """The steps of the checkpoints there, ascending."""
    return sorted(int(file.stem.removeprefix("step-")) for file in directory.glob("step-*.h5"))


def events_in(directory):
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


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

    def assert_preempted_and_resumed(self, ask):
        """A run that is asked to end by a signal and one that goes on from there are together an undisturbed one."""
        options = [*LAYERS, "--epochs", "20"]
        calm_output = run(2, self.calm, *options)
        first = run_and_ask(2, self.rough, *options, "--epoch-seconds", "0.5", after_epoch=3, ask=ask, status=75)
        last = epochs(first)[-1]
        self.assertLess(last, 20)
        self.assertIn(f"preempted: epoch {last} is committed; start again with --resume", first)
        self.assertEqual(steps_in(self.rough)[-1], last)
        second = run(2, self.rough, *options, "--resume")
        self.assertIn(f"resumed from step {last}, saved by 2 ranks, on 2 ranks: epoch {last + 1} is next", second)
        self.assertEqual(epochs(first) + epochs(second), list(range(1, 21)))
        self.assertEqual(losses(first) | losses(second), losses(calm_output))
        self.assert_same_end(calm_output, second, 20)

    def test_signal_to_mpirun(self):
        self.assert_preempted_and_resumed(lambda mpirun: os.kill(mpirun, signal.SIGUSR1))

    def test_signal_to_one_rank(self):
        self.assert_preempted_and_resumed(lambda mpirun: os.kill(ranks_of(mpirun)[-1], signal.SIGTERM))

    def test_signal_where_nothing_is_left_to_do(self):
        """A run that is asked to end in its last epoch is finished; no exit status tells to come again."""
        options = [*LAYERS, "--epochs", "3", "--save-every", "1", "--keep", "1", "--epoch-seconds", "1"]

        def ask(mpirun):
            wait_until(checkpoint(self.calm, 2).exists)  # only now it is sure that the signal meets the last epoch
            os.kill(mpirun, signal.SIGUSR1)

        output = run_and_ask(2, self.calm, *options, after_epoch=2, ask=ask, status=0)
        self.assertEqual(epochs(output), [1, 2, 3])
        self.assertEqual(steps_in(self.calm), [3])

    def test_signal_as_an_epoch_is_saved(self):
        """The epoch that the schedule has saved is not saved again."""
        options = [*LAYERS, "--epochs", "9", "--save-every", "1", "--keep", "0", "--epoch-seconds", "0.5"]
        output = run_and_ask(2, self.calm, *options, after_epoch=2, ask=lambda mpirun: os.kill(mpirun, signal.SIGUSR1), status=75)
        self.assertEqual(steps_in(self.calm), epochs(output))
        saves = [event for event in events_in(self.calm) if event["event"] == "save"]
        self.assertEqual([event["step"] for event in saves], epochs(output))

    def test_save_now(self):
        options = [*LAYERS, "--epochs", "10", "--save-every", "100", "--epoch-seconds", "0.5"]
        output = run_and_ask(2, self.calm, *options, after_epoch=2, ask=lambda _: (self.calm / "save-now").touch(), status=0)
        asked = [int(epoch) for epoch in re.findall(r"^saved on request: epoch (\d+)$", output, re.MULTILINE)]
        self.assertEqual(len(asked), 1, "asked for once")
        self.assertIn(asked[0], range(2, 10))
        self.assertEqual(steps_in(self.calm), [*asked, 10])
        self.assertFalse((self.calm / "save-now").exists())

    def test_halt(self):
        options = [*LAYERS, "--epochs", "50", "--save-every", "100", "--epoch-seconds", "0.5"]
        halt = self.calm / "halt"
        output = run_and_ask(2, self.calm, *options, after_epoch=2, ask=lambda _: halt.touch(), status=0)
        last = epochs(output)[-1]
        self.assertLess(last, 50)
        self.assertIn(f"halted on request: epoch {last} is committed; remove {halt} before the next start", output)
        self.assertEqual(steps_in(self.calm), [last])
        again = run(2, self.calm, *options, "--resume")
        self.assertEqual(epochs(again), [], "halted until the file is removed")
        self.assertIn("halted on request", again)
        halt.unlink()
        self.assertEqual(epochs(run(2, self.calm, *LAYERS, "--epochs", str(last + 2), "--resume")), [last + 1, last + 2])

    def test_says_what_is_there(self):
        output = run(2, self.calm, "--epochs", "10", "--save-every", "5", "--epoch-seconds", "0.5")
        self.assertIn(f"starting from nothing: there is no checkpoint in {self.calm}", output)
        self.assertEqual(re.findall(r"^committed: epoch (\d+)$", output, re.MULTILINE), ["5", "10"])
        committed, trained_on = output.index("committed: epoch 5\n"), output.index("epoch 10 loss")
        self.assertLess(committed, trained_on, "it is said when it is so, not at the next save")
        self.assertNotIn("blocked / memcpy", output)  # of microseconds

    def test_terminal(self):
        options = ["--epochs", "4", "--save-every", "2", "--terminal", "--summary", str(self.root / "summary")]
        with mock.patch.dict(os.environ):
            os.environ.pop("NO_COLOR", None)
            colourful = run(2, self.calm, *options)
            os.environ["NO_COLOR"] = "1"
            plain = run(2, self.rough, *options)
        self.assertIn("] epoch 4 of 4, loss ", colourful)
        self.assertIn("\033[32mcommitted: epoch 4\033[0m", colourful)
        self.assertEqual(epochs(plain), [1, 2, 3, 4])
        self.assertNotIn("\033", plain)
        self.assertNotIn("Saves:", plain)
        self.assertIn("Saves: 2 on 2 ranks", (self.root / "summary").read_text())

    def test_in_use(self):
        options = ["--epochs", "100000", "--save-every", "1", "--epoch-seconds", "0.5"]
        with watched(start(2, self.calm, *options), limit_s=150) as first:  # two runs one after the other, and a lock that is waited for
            read_until(first, "committed: epoch 1")
            self.assertIn("in_use", run(2, self.calm, "--resume", status=69))

    def test_wrong_use(self):
        run(2, self.calm, "--epochs", "2")
        run(2, self.calm, "--epochs", "3", "--resume", "--hidden", "16", status=2)  # the checkpoint has other layers
        again = run(2, self.calm, "--epochs", "3", status=2)
        self.assertIn("holds checkpoints up to epoch 2: say --resume", again)
        run(2, self.calm, "--epochs", "many", status=2)
        help_text = run(1, self.calm, "--help")
        self.assertIn("--fault-every", help_text)
        self.assertIn("75 a signal asked for the end", help_text)
        self.assertIn("69 another run holds the directory", help_text)


if __name__ == "__main__":
    unittest.main()
