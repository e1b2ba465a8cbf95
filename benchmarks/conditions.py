"""What a measurement ran on, for the reports."""

import os
import pathlib
import platform


def caches():
    """Those of the first core, such as ["L1d 32 KiB", "L1i 32 KiB", "L2 512 KiB", "L3 32768 KiB"]."""
    def text(file):
        return file.read_text(encoding="utf-8").strip()

    def name(cache):
        return "L" + text(cache / "level") + {"Data": "d", "Instruction": "i"}.get(text(cache / "type"), "")

    folders = sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    return [f"{name(cache)} {text(cache / 'size').removesuffix('K')} KiB" for cache in folders]


def setup():
    def first(path, key):
        try:
            with open(path, encoding="utf-8") as file:
                return next(line.split(":", 1)[1].strip() for line in file if line.split(":", 1)[0].strip() == key)
        except (OSError, StopIteration):
            return "unknown"

    def cpu(key):
        return first("/proc/cpuinfo", key)

    # Two generations may have the same name.
    return {"cpu": f"{cpu('model name')} (family {cpu('cpu family')}, model {cpu('model')})", "cores": len(os.sched_getaffinity(0)), "caches": caches(),
            "memory": first("/proc/meminfo", "MemTotal"), "kernel": platform.release(), "load_before": os.getloadavg()}
