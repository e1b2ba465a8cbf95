"""Writes the sample files of this folder with the safetensors library (0.5.3 was used): two files with an index, as Hugging
Face has them. usage: make.py DIRECTORY"""
import json
import pathlib
import sys

import numpy as np
import safetensors
from safetensors import serialize_file

folder = pathlib.Path(sys.argv[1])
u16 = lambda first, count: np.arange(first, first + count, dtype="<u2").tobytes()
files = {
    "model-00001-of-00002.safetensors": {
        "model.embed.weight": {"dtype": "float32", "shape": [16, 8], "data": (np.arange(128, dtype="<f4") / 2 - 3).tobytes()},
        "model.layers.0.weight": {"dtype": "bfloat16", "shape": [8, 12], "data": u16(0x3F80, 96)},
    },
    "model-00002-of-00002.safetensors": {
        "model.layers.1.weight": {"dtype": "float16", "shape": [5, 3], "data": u16(0x3C00, 15)},
        "scale": {"dtype": "float64", "shape": [], "data": np.array(0.25, dtype="<f8").tobytes()},
        "mask": {"dtype": "bool", "shape": [7], "data": bytes([1, 0, 1, 1, 0, 0, 1])},
        "empty": {"dtype": "int64", "shape": [0, 3], "data": b""},
    },
}
for name, tensors in files.items():
    serialize_file(tensors, folder / name, {"format": "pt"})
weight_map = {tensor: name for name, tensors in files.items() for tensor in tensors}
(folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 760}, "weight_map": weight_map}, indent=1))
