#!/usr/bin/env python3
"""check_example.py README SOURCE: the code block of README is what stands between the [readme] lines of the compiled example."""
import sys

readme, source = (open(path, encoding="utf-8").read() for path in sys.argv[1:3])
example = source.split("// [readme]\n")[1].strip()
if f"```cpp\n{example}\n```" not in readme:
    sys.exit(f"the example in {sys.argv[1]} is not the one in {sys.argv[2]}; it should be:\n{example}")
