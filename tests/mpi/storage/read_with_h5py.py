"""Runs a program that saves a sample checkpoint, and reads it with h5py, h5dump and h5ls.

What every dataset has to contain is computed here, from the rule that sample_save.hpp states, not by any code of the library.
Usage: read_with_h5py.py --h5dump PATH --h5ls PATH -- COMMAND... (the directory is appended to the command)
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

# name: bytes of an element, the NumPy dtype that h5py has to offer (None: h5py has no exact one)
DTYPES = {
    "f64": (8, "<f8"), "f32": (4, "<f4"), "f16": (2, "<f2"), "bf16": (2, None), "f8e4m3": (1, None), "f8e5m2": (1, None),
    "i8": (1, "|i1"), "i16": (2, "<i2"), "i32": (4, "<i4"), "i64": (8, "<i8"),
    "u8": (1, "|u1"), "u16": (2, "<u2"), "u32": (4, "<u4"), "u64": (8, "<u8"),
    "bool": (1, "|b1"), "c64": (8, "<c8"), "c128": (16, "<c16"),
}


def pattern(salt, count, is_bool=False):
    position = np.arange(count, dtype=np.uint64)
    eight = np.uint64(8)
    value = (position * np.uint64(37) + np.uint64(salt * 101) + (position >> eight) * np.uint64(11)).astype(np.uint8)
    return (value & np.uint8(1) if is_bool else value).tobytes()


def small_float(bits, exponent_bits, mantissa_bits):
    """The value of a small float by its definition; infinity and NaN are left to the reader."""
    bias = 2 ** (exponent_bits - 1) - 1
    sign = -1.0 if bits >> (exponent_bits + mantissa_bits) else 1.0
    exponent = (bits >> mantissa_bits) & (2**exponent_bits - 1)
    mantissa = bits & (2**mantissa_bits - 1)
    if exponent == 2**exponent_bits - 1:
        return None
    if exponent == 0:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * (1 + mantissa / 2**mantissa_bits) * 2.0 ** (exponent - bias)


def stored_bytes(dataset):
    """The bytes as they stand in the file: read in the file's own type, which converts nothing."""
    file_type = dataset.id.get_type()
    raw = np.zeros(dataset.shape, dtype=f"V{file_type.get_size()}")
    if dataset.size:
        dataset.id.read(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=file_type)
    return raw.tobytes()


def expected_datasets(writers):
    """Every dataset in the order in which it was given: path, shape, dtype name."""
    for name in DTYPES:
        yield f"/state/dtypes/{name}", (7, 5), name
    yield "/state/model/rows", (601, 700), "f32"
    yield "/state/model/deep/cube", (3, 111, 513), "f64"
    yield "/state/model/columns", (300, 1001), "f32"
    yield "/state/model/one writer", (1 << 20,), "bf16"
    yield "/state/scalar", (), "c128"
    yield "/state/empty", (0, 4), "f32"
    yield "/state/epoch", (), "i64"
    yield "/state/losses", (11,), "f64"
    yield "/state/nothing", (0,), "u8"
    yield "/state/text/title", 40, "string"
    yield "/state/text/long", 5000, "string"
    yield "/state/text/empty", 0, "string"
    own = sum(range(writers))
    yield "/holdfast/per_rank/rng", (own,), "u32"
    yield "/holdfast/per_rank/names", (own,), "u8"


def check_floats(dataset, raw, name):
    layout = {"f16": (5, 10), "bf16": (8, 7), "f8e4m3": (4, 3), "f8e5m2": (5, 2)}.get(name)
    if layout is None or not dataset.size:
        return
    bits = np.frombuffer(raw, dtype=np.uint8 if sum(layout) < 8 else np.uint16)
    values = dataset.astype(np.float64)[...].ravel()
    for i in range(min(len(bits), 5000)):
        value = small_float(int(bits[i]), *layout)
        assert value is None or value == values[i], f"{dataset.name}[{i}]: bits {bits[i]:#x} read as {values[i]}, not {value}"


def check_file(path, writers):
    with h5py.File(path, "r") as file:
        attributes = dict(file.attrs)
        assert attributes["format"].decode() == "holdfast", attributes
        assert (attributes["format_version"], attributes["step"], attributes["world_size"]) == (3, 12, writers), attributes
        assert (attributes["sequence"], attributes["parent"]) == (1, 0), attributes
        assert attributes["abandoned"].shape == (0,) and attributes["abandoned"].dtype == np.dtype("<i8"), attributes
        found = []
        file.visititems(lambda name, item: found.append("/" + name) if isinstance(item, h5py.Dataset) else None)
        tables = [f"/holdfast/{name}" for name in ("datasets", "shapes", "chunks", "boxes", "parts")]
        assert sorted(found) == sorted([name for name, _, _ in expected_datasets(writers)] + tables), found
        for salt, (name, shape, dtype) in enumerate(expected_datasets(writers)):
            check_dataset(file[name], salt, shape, dtype)
        check_tables(file, writers)


def check_tables(file, writers):
    """The tables say of each dataset what HDF5 says, and their chunks cover it."""
    rows, shapes = file["/holdfast/datasets"], file["/holdfast/shapes"][...]
    kinds, dtypes = (h5py.check_enum_dtype(rows.dtype[column]) for column in ("kind", "dtype"))
    assert kinds["tensor"] == 0 and kinds["per_rank_string"] == 4, kinds
    assert list(dtypes) == list(DTYPES), dtypes
    covered = np.zeros(len(rows), dtype=np.uint64)
    boxes = file["/holdfast/boxes"][...]
    for chunk in file["/holdfast/chunks"][...]:
        dimensions = int(rows[chunk["dataset"]]["dimensions"])
        extent = boxes[int(chunk["first"]) + dimensions:int(chunk["first"]) + 2 * dimensions]
        covered[chunk["dataset"]] += np.prod(extent, dtype=np.uint64)
    for number, (row, (name, shape, dtype)) in enumerate(zip(rows[...], expected_datasets(writers), strict=True)):
        is_string = dtype == "string"
        assert name in (f"/state/{row['name'].decode()}", f"/holdfast/per_rank/{row['name'].decode()}"), row
        first = int(row["shape"])
        assert tuple(shapes[first:first + int(row["dimensions"])]) == ((shape,) if is_string else shape), row
        assert row["dtype"] == dtypes["u8" if is_string else dtype] and (row["kind"] == kinds["string"]) == is_string, row
        assert row["address"] == (file[name].id.get_offset() or 0), row
        assert covered[number] == np.prod(shape, dtype=np.uint64), row
    parts = file["/holdfast/parts"][...]
    assert len(parts) == writers + 1, parts
    for column, table in (("chunks", "/holdfast/chunks"), ("boxes", "/holdfast/boxes")):
        assert parts[:-1][column].sum() == parts[-1][column] == len(file[table]), parts


def check_dataset(dataset, salt, shape, dtype):
    raw = stored_bytes(dataset)
    if dtype == "string":
        assert h5py.check_string_dtype(dataset.dtype).length == shape + 1, dataset.dtype
        assert raw == pattern(salt, shape) + b"\0", dataset.name
        return
    element_bytes, numpy_dtype = DTYPES[dtype]
    assert dataset.shape == shape, (dataset.name, dataset.shape)
    assert raw == pattern(salt, int(np.prod(shape)) * element_bytes, dtype == "bool"), dataset.name
    if numpy_dtype is not None:
        assert dataset.dtype == np.dtype(numpy_dtype), (dataset.name, dataset.dtype)
        assert dataset[...].tobytes() == raw, dataset.name
    check_floats(dataset, raw, dtype)


def check_tools(path, h5dump, h5ls, writers):
    dumped = subprocess.run([h5dump, "-d", "/state/dtypes/i16", "-y", "-w", "0", path], check=True, capture_output=True, text=True).stdout
    numbers = [int(word) for word in dumped.split("DATA {")[1].split("}")[0].replace(",", " ").split()]
    assert numbers == np.frombuffer(pattern(list(DTYPES).index("i16"), 70), "<i2").tolist(), dumped
    whole = subprocess.run([h5dump, path], check=True, capture_output=True, text=True)
    assert whole.stderr == "", whole.stderr
    listed = subprocess.run([h5ls, "-r", path], check=True, capture_output=True, text=True).stdout
    for name, _, _ in expected_datasets(writers):
        assert name in listed.replace("\\ ", " "), f"h5ls does not show {name}:\n{listed}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--h5dump", required=True)
    parser.add_argument("--h5ls", required=True)
    parser.add_argument("command", nargs="+")
    arguments = parser.parse_args()
    writers = int(arguments.command[arguments.command.index("-n") + 1])
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([*arguments.command, directory], check=True)
        path = pathlib.Path(directory) / "step-000000000012.h5"
        assert (pathlib.Path(directory) / "latest").resolve() == path.resolve()
        check_file(path, writers)
        check_tools(str(path), arguments.h5dump, arguments.h5ls, writers)
    print("all datasets read back bit for bit")


if __name__ == "__main__":
    sys.exit(main())
