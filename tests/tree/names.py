#!/usr/bin/env python3
"""One word for one thing: no type name of src/ and include/ is defined twice outside of anonymous namespaces, and no
identifier has a name that was replaced. usage: names.py [ROOT]"""
import collections
import pathlib
import re
import sys

# What was replaced by what, so that the old word does not come back in its old sense.
REPLACED = {
    "Landing": "PinnedArena", "RequestDesk": "RequestMonitor", "PeerWatch": "HeartbeatMonitor", "Letter": "ControlMessage",
    "Letters": "ControlMessages", "Silence": "LivenessTimer", "longest_hush_s": "ping_check_s", "mourn": "check_rank_death",
    "restless": "needs_polling", "bedtime_ms": "poll_timeout_ms", "linger": "flush_sends", "Outbox": "SendQueue",
    "Parcel": "RankMessage", "Routed": "RoutedMessage", "Tally": "NameSummary", "TallyStop": "SummaryHop",
    "Numbering": "InternTable", "Offer": "ChunkRequest", "Orders": "ReadAssignment", "Stretch": "ByteRange",
    "Treatment": "ReadMode", "Underway": "PendingCopy", "Lane": "DeviceQueue", "FileEngine": "CheckpointFile",
    "DataWriter": "DataEngine", "StorageWriter": "CheckpointStore", "SpareFile": "RecycledFile", "WriteOut": "Writeback",
    "StagedFile": "BufferedFile", "KeptFailures": "SuppressedIoErrors", "Wire": "SharedChannel", "Turns": "SlabSchedule",
    "Fetches": "BoxReaders", "Exchanged": "SharedReadResult", "ErrorWhere": "ErrorContext",
}
SUFFIXES = {".hpp", ".cpp", ".cu"}
# A nested class that its file defines outside of the class that it belongs to, such as Checkpointer::Impl.
DEFINITION = re.compile(r"\s*(?:template\s*<.*>\s*)?(?:struct|class|enum class|enum)\s+(?:\[\[[^\]]*\]\]\s*)?(?:HOLDFAST_API\s+)?"
                        r"(\w+)(?!\w*::)[^;(]*\{")
ALIAS = re.compile(r"\s*(?:template\s*<.*>\s*)?using\s+(\w+)\s*=")
# Every traits class has it, as UniqueHandle wants.
TRAITS = {"type", "Traits"}
# Of C, whose variables are declared with the word struct.
C_TYPES = {"stat", "statvfs", "sigaction"}


def without_comments_and_strings(text):
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', "", text, flags=re.S)


def types_of(path):
    """Names of types that a file defines, and whether that is in an anonymous namespace."""
    stack = []
    for line in without_comments_and_strings(path.read_text(encoding="utf-8")).split("\n"):
        namespace = re.match(r"\s*namespace\s*([\w:]*)\s*\{", line)
        if namespace and "}" not in line:
            stack.append(namespace.group(1) or "anonymous")
            continue
        found = DEFINITION.match(line) or ALIAS.match(line)
        if found:
            yield found.group(1), "anonymous" in stack
        stack += ["block"] * line.count("{")
        del stack[max(0, len(stack) - line.count("}")):]


def sources(root, folders):
    return sorted(p for folder in folders for p in (root / folder).rglob("*") if p.suffix in SUFFIXES)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[2])
    faults = []
    types = collections.defaultdict(set)
    for path in sources(root, ["src", "include"]):
        for name, is_anonymous in types_of(path):
            if not is_anonymous and name not in TRAITS | C_TYPES:
                types[name].add(str(path.relative_to(root)))
    faults += [f"{name} is defined in {', '.join(sorted(files))}" for name, files in sorted(types.items()) if len(files) > 1]
    old = re.compile(r"\b(" + "|".join(REPLACED) + r")\b")
    for path in sources(root, ["src", "include", "apps", "tests", "benchmarks"]):
        code = without_comments_and_strings(path.read_text(encoding="utf-8"))
        faults += [f"{path.relative_to(root)} says {word}; it is {REPLACED[word]} now" for word in sorted(set(old.findall(code)))]
    print("\n".join(faults) or f"{len(types)} types, each with a name of its own")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
