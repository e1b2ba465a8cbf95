"""What a measurement ran on, for the reports."""

import os
import platform


def setup():
    def first(path, key):
        try:
            with open(path, encoding="utf-8") as file:
                return next(line.split(":", 1)[1].strip() for line in file if line.startswith(key))
        except (OSError, StopIteration):
            return "unknown"

    return {"cpu": first("/proc/cpuinfo", "model name"), "cores": len(os.sched_getaffinity(0)),
            "memory": first("/proc/meminfo", "MemTotal"), "kernel": platform.release(), "load_before": os.getloadavg()}
