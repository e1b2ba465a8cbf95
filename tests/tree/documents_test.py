"""What documents.py finds, in a tree made for it."""

import pathlib
import tempfile
import unittest

import documents


class Documents(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def faults(self):
        return list(documents.faults(self.root))

    def test_links(self):
        self.write("docs/a.md", "# What it is, in short\n\n## The `file`\n")
        self.write("README.md", "[a](docs/a.md) [b](docs/b.md)\n[c](docs/a.md#what-it-is-in-short) [d](docs/a.md#the-file)\n"
                                "[e](docs/a.md#nothing) [f](https://example.org/x) [g](#here)\n\n## Here\n\n```\n[h](nothing.md)\n```\n")
        self.assertEqual(self.faults(), ["README.md:1: docs/b.md does not exist", "README.md:3: docs/a.md has no heading for #nothing"])

    def test_width(self):
        long_link = "[" + "b" * 60 + "](a.md#" + "b" * 60 + ")"
        self.write("docs/a.md", f"{'word ' * 30}\n| {'word ' * 30}|\n{long_link}\n\n# {'b' * 60}\n\n```\n{'word ' * 30}\n```\n")
        self.assertEqual(self.faults(), ["docs/a.md:1: has 150 columns; prose is wrapped at 120"])

    def test_sources(self):
        self.write("docs/a.md", "")
        self.write("src/a.cpp", "// docs/a.md\n// (docs/decisions/0001-b.md).\n// other/docs/c.md\n")
        self.assertEqual(self.faults(), ["src/a.cpp:2: docs/decisions/0001-b.md does not exist"])


if __name__ == "__main__":
    unittest.main()
