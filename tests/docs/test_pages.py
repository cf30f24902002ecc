"""The pages whose blocks run: each as one session, from its first block to its last."""

import re
import shutil
from pathlib import Path

import pytest

from tests.documents import TOP, Page, assert_runs
from tests.needs import need

# Pieces of the source, a page about files of the repository, one that boots guests, one about failures: each has a
# test of its own.
SHOWN_ELSEWHERE = {"adding-an-instruction.md", "descriptions.md", "kernel-drivers.md", "mistakes.md"}
PAGES = [
    f"docs/{page.name}"
    for page in sorted((TOP / "docs").glob("*.md"))
    if "```python" in page.read_text() and page.name not in SHOWN_ELSEWHERE
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_as_printed(path: str, tmp_path: Path) -> None:
    """Every block of Python, every command and every file does what the page says."""
    page = Page(path)
    if "\n```c\n" in page.text:
        need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    if "$ pagetrap run" in page.text:
        need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    assert_runs(page.blocks, tmp_path)


def test_there_are_pages() -> None:
    """The pages with Python are still found, and their blocks."""
    assert {"docs/model-a-device.md", "docs/trace-to-test.md"} <= set(PAGES)
    for path in PAGES:
        page = Page(path)
        assert sum(block.language == "python" for block in page.blocks) + sum(
            block.language == "file" and block.code.split("\n")[0].endswith(".py") for block in page.blocks
        ) == page.text.count("\n```python\n")


NAMED = re.compile(r"`((?:decode|emulate|mmio|pagetrap|tests|examples|benchmarks|docs|\.ci)/[\w/.-]+)(?:::\w+)?`")
PAPERS = [
    path.relative_to(TOP) for folder in ("", "docs", "docs/design") for path in sorted((TOP / folder).glob("*.md"))
]


@pytest.mark.parametrize("path", PAPERS, ids=str)
def test_the_files_it_names_are_there(path: Path) -> None:
    """A file or folder of the repository that stands in the text is where the text says, by its full path."""
    named = set(NAMED.findall((TOP / path).read_text()))
    assert {name for name in named if not (TOP / name).exists()} == set()
