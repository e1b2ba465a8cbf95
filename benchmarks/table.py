"""Prints the counters of blocked_bench's JSON reports as one table."""

import json
import sys

COLUMNS = [  # heading, width, what a run says
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


def main(paths):
    print("  ".join(heading.rjust(width) for heading, width, _ in COLUMNS))
    for path in paths:
        with open(path, encoding="utf-8") as file:
            runs = json.load(file)["benchmarks"]
        for run in runs:
            print("  ".join(text(run).rjust(width) for _, width, text in COLUMNS))


main(sys.argv[1:])
