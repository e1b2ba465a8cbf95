#!/usr/bin/env python3
"""documents.py ROOT: the documents' links lead somewhere, as do the paths of documents in the sources' comments; prose is wrapped.

Prints one line per fault, FILE:LINE: what it is, and ends with 1 if there are any.
"""

import pathlib
import re
import sys

WIDTH = 120
SOURCES = ("include", "src", "apps", "tests", "benchmarks", "cmake", "scripts", "slurm")
LINK = re.compile(r"!?\[[^\]]*\]\(([^()\s]+)\)")
DOCUMENT = re.compile(r"(?<![\w./-])(?:docs|slurm)/[\w./-]+\.md")


def documents(root):
    patterns = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**/*.md", "slurm/*.md", "benchmarks/*.md", "tests/**/*.md")
    return sorted(path for pattern in patterns for path in root.glob(pattern))


def prose(text):
    """(number, line) of all lines outside of code blocks."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(text):
    """What links may name after #, as GitHub makes it of the headings: small letters, hyphens for spaces, no punctuation."""
    found = set()
    for _, line in prose(text):
        if heading := re.match(r"#+ +(.*)", line):
            words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).strip().lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            repeats = sum(1 for other in found if re.fullmatch(re.escape(anchor) + r"(-\d+)?", other))
            found.add(f"{anchor}-{repeats}" if repeats else anchor)
        found.update(re.findall(r'<a (?:id|name)="([^"]+)"', line))
    return found


def link_fault(path, target):
    """Why a link in the document at `path` leads nowhere; None if it does lead somewhere, or out of the tree."""
    if re.match(r"[a-z]+:", target):
        return None
    name, _, anchor = target.partition("#")
    to = path.parent / name if name else path
    if not to.exists():
        return f"{target} does not exist"
    if anchor and anchor not in anchors(to.read_text(encoding="utf-8")):
        return f"{name} has no heading for #{anchor}"
    return None


def may_be_wide(line):
    """Tables, HTML, headings, and what is one word, such as an address."""
    return line.lstrip().startswith(("|", "<", "#")) or len(LINK.sub("", line)) <= WIDTH


def document_faults(path):
    for number, line in prose(path.read_text(encoding="utf-8")):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if fault := link_fault(path, target):
                yield number, fault
        if len(line) > WIDTH and not may_be_wide(line):
            yield number, f"has {len(line)} columns; prose is wrapped at {WIDTH}"


def source_faults(root, path):
    """Documents that a source names, from the root of the tree."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for name in DOCUMENT.findall(line):
            if not (root / name).exists():
                yield number, f"{name} does not exist"


def is_text(path):
    return path.is_file() and b"\0" not in path.read_bytes()[:4096] and "__pycache__" not in path.parts


def faults(root):
    for path in documents(root):
        for number, fault in document_faults(path):
            yield f"{path.relative_to(root)}:{number}: {fault}"
    for folder in SOURCES:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".md", ".py", ".json") or path.parts[-2] == "corpus" or not is_text(path):
                continue
            for number, fault in source_faults(root, path):
                yield f"{path.relative_to(root)}:{number}: {fault}"


if __name__ == "__main__":
    found = list(faults(pathlib.Path(sys.argv[1]).resolve()))
    print("\n".join(found) or "all links lead somewhere, and prose is wrapped")
    sys.exit(1 if found else 0)
