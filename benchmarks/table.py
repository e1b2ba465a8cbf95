"""Prints the counters of the JSON reports of blocked_bench, or of gpu_stage_bench, as one table."""

import json
import sys

BLOCKED = [  # heading, width, what a run says
    ("ranks", 5, lambda run: f"{run['ranks']:.0f}"),
    ("per rank", 8, lambda run: run["name"].split("/")[2]),
    ("save", 22, lambda run: run["name"].split("/")[1]),
    ("ratio", 6, lambda run: f"{run['ratio']:.2f}"),
    ("copy 1st", 8, lambda run: f"{run['ratio_copy_first']:.2f}"),
    ("save 1st", 8, lambda run: f"{run['ratio_save_first']:.2f}"),
    ("blocked ms", 10, lambda run: f"{run['blocked_ms']:.1f}"),
    ("memcpy ms", 9, lambda run: f"{run['memcpy_ms']:.1f}"),
    ("first ms", 8, lambda run: f"{run['first_blocked_ms']:.0f}"),
    ("commit s", 8, lambda run: f"{run['commit_s']:.2f}"),
    ("commit GB/s", 11, lambda run: f"{run['commit_bytes_per_s'] / 1e9:.2f}"),
]

GPU = [
    ("size", 6, lambda run: run["name"].split("/")[2]),
    ("state", 12, lambda run: run["name"].split("/")[1]),
    ("ratio", 6, lambda run: f"{run['ratio']:.3f}"),
    ("blocked ms", 10, lambda run: f"{run['blocked_ms']:.2f}"),
    ("memcpy ms", 9, lambda run: f"{run['memcpy_ms']:.2f}"),
    ("memcpy GB/s", 11, lambda run: f"{run['memcpy_bytes_per_s'] / 1e9:.1f}"),
    ("overlap ms", 10, lambda run: f"{run['overlap_ms']:.2f}"),
    ("lost ms", 8, lambda run: f"{run['lost_ms']:.2f}"),
    ("lost/memcpy", 11, lambda run: f"{run['lost']:.3f}"),
    ("first ms", 8, lambda run: f"{run['first_blocked_ms']:.0f}"),
    ("commit s", 8, lambda run: f"{run['commit_s']:.2f}"),
]


def print_table(columns, runs):
    print("  ".join(heading.rjust(width) for heading, width, _ in columns))
    for run in runs:
        if run.get("error_occurred"):
            print(f"{run['name']}: {run['error_message']}")
        else:
            print("  ".join(text(run).rjust(width) for _, width, text in columns))


def main(paths):
    runs = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            runs += json.load(file)["benchmarks"]
    print_table(GPU if runs[0]["name"].startswith("gpu_stage/") else BLOCKED, runs)


main(sys.argv[1:])
