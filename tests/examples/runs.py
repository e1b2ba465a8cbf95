"""Whole runs of the examples.

Environment: STENCIL, PRETRAINED, HOLDFAST and MPIEXEC are the programs to use.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

WEIGHTS = pathlib.Path(__file__).parents[1] / "data" / "safetensors"
RUN_TIMEOUT_S = 60


def run(program, ranks, *words):
    return subprocess.run([os.environ["MPIEXEC"], "--oversubscribe", "-n", str(ranks), os.environ[program], *map(str, words)],
                          capture_output=True, text=True, timeout=RUN_TIMEOUT_S)


class Runs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="holdfast-test-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def last_line(self, ended):
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout.splitlines()[-1]

    def steps(self, directory):
        listed = subprocess.run([os.environ["HOLDFAST"], "ls", "--json", directory], capture_output=True, text=True, check=True)
        return [entry["step"] for entry in json.loads(listed.stdout)]

    def test_stencil_killed_and_resumed(self):
        """Killed on 3 ranks, resumed on 4 and then on 1: the same bits as a run of 2 that nothing disturbed."""
        undisturbed = self.last_line(run("STENCIL", 2, self.folder / "whole", 40, 24))
        self.assertRegex(undisturbed, "step 40: heat [0-9a-f]{16}, patches [0-9a-f]{16}")
        directory = self.folder / "killed"
        self.assertNotEqual(run("STENCIL", 3, directory, 40, 24, 23).returncode, 0)
        self.assertIn(self.steps(directory)[-1], (10, 15, 20))
        half = run("STENCIL", 4, directory, 30, 24)
        self.assertIn("resumed after step", half.stdout)
        self.assertEqual(self.last_line(run("STENCIL", 1, directory, 40, 24)), undisturbed)
        self.assertEqual(self.steps(directory), [30, 35, 40])

    def test_pretrained_weights(self):
        for ranks in (2, 3):
            directory = self.folder / str(ranks)
            self.assertIn("6 tensors", self.last_line(run("PRETRAINED", ranks, WEIGHTS, directory)))
            shown = json.loads(subprocess.run([os.environ["HOLDFAST"], "show", "--json", directory], capture_output=True,
                                              text=True, check=True).stdout)
            self.assertEqual({tensor["name"]: (tensor["type"], tensor["shape"]) for tensor in shown["tensors"]},
                             {"empty": ("i64", [0, 3]), "mask": ("bool", [7]), "model.embed.weight": ("f32", [16, 8]),
                              "model.layers.0.weight": ("bf16", [8, 12]), "model.layers.1.weight": ("f16", [5, 3]),
                              "scale": ("f64", [])})
        same = subprocess.run([os.environ["HOLDFAST"], "diff", self.folder / "2", self.folder / "3"], capture_output=True, text=True)
        self.assertEqual(same.returncode, 0, same.stdout)


if __name__ == "__main__":
    unittest.main()
