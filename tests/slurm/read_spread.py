"""Reads a checkpoint that across_nodes has saved with h5py: read_spread.py FILE. The rule of each element is the one that
tests/support/sample_tensor.cpp states, written down again here."""

import sys

import h5py
import numpy as np


def mix(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def content(seed, shape, dtype):
    index = np.arange(np.prod(shape), dtype=np.uint64)
    low = mix(np.uint64(seed * 1000003) + index * np.uint64(2))
    size = np.dtype(dtype).itemsize
    return low.view(np.uint8).reshape(-1, 8)[:, :size].tobytes()


wanted = {  # name: seed, shape, dtype
    "large/rows": (0, (1500, 400), "<f4"),
    "large/columns": (1, (300, 500), "<f8"),
    "large/replica": (3, (3, 1 << 19), "|u1"),
    "small/replica": (4, (7, 5), "<i8"),
    "small/layer29": (34, (3, 33), "<f2"),
}

with h5py.File(sys.argv[1], "r") as file:
    for name, (seed, shape, dtype) in wanted.items():
        dataset = file["state/" + name]
        assert dataset.shape == shape and dataset.dtype == dtype, (name, dataset)
        assert dataset[...].tobytes() == content(seed, shape, dtype), name + " has other bytes"
    assert file["state/epoch"][()] == 42
