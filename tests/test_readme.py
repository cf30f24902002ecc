"""The README keeps its promises: its examples run as printed, its tables and figures are those of the project today."""

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.readme import PAGES, RESULTS, refreshed
from emulate.coverage import coverage
from tests.documents import TOP, Page, assert_runs
from tests.needs import need

PAGE = Page("README.md")
README = PAGE.text
MARKER = "<!-- from benchmarks/RESULTS.md -->"
DOORS = ("Test a driver", "Test firmware", "Watch a program or a kernel driver", "Find who overwrites a byte")


def test_the_examples_run_as_printed(tmp_path: Path) -> None:
    """The four examples, typed one after the other, print what the README shows below each."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    need(shutil.which("memtool"), "memtool (apt-get install memtool)")
    (tmp_path / "examples").symlink_to(TOP / "examples")
    assert_runs(PAGE.blocks, tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_each_use_has_an_example_with_its_output(door: str) -> None:
    """Each of the four uses has a block that prints something, and a link to its tutorial."""
    chapter = README.partition(f"**{door}.**")[2].partition("\n**")[0]
    assert "](docs/" in chapter
    assert "```\n\n```\n" in chapter or "```console\n$ pagetrap" in chapter
    assert sum(f"```{block.language}" in chapter for block in PAGE.blocks if block.output) >= 1


def test_it_can_be_read_in_one_sitting() -> None:
    """It has at most 150 lines, none of them long, and one picture."""
    lines = README.splitlines()
    assert len(lines) <= 150
    assert max(map(len, lines)) <= 140
    assert README.count("![") == 1


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_are_copied_from_the_results(page: Path) -> None:
    """Each table below the marker is one of RESULTS.md as it is now; `python -m benchmarks.readme` renews them."""
    text = page.read_text()
    assert text.count(f"{MARKER}\n|") == text.count(MARKER) >= 1
    assert refreshed(text, RESULTS.read_text()) == text


def test_no_page_with_figures_is_forgotten() -> None:
    """Every page that has the marker is renewed with the results."""
    pages = [TOP / "README.md", *(TOP / "docs").rglob("*.md"), *(TOP / "examples").rglob("*.md")]
    assert {page for page in pages if MARKER in page.read_text()} == set(PAGES)


def test_a_table_without_results_is_refused() -> None:
    """A table whose first line is not in the results is an error and stays as it is."""
    with pytest.raises(LookupError, match=r"no table of RESULTS.md begins with \| a \| b \|"):
        refreshed(f"{MARKER}\n| a | b |\n|---|---|\n| 1 | 2 |\n", "| c | d |\n")


def test_the_counts_of_instruction_forms_are_those_of_the_code() -> None:
    """The README counts the forms that are emulated, native, refused and unread as `emulate.coverage` does."""
    fates = [entry.fate for entry in coverage()]
    counts = [f"{fates.count(fate):,}" for fate in ("emulated", "native", "refused", "unread")]
    assert re.findall(r"^\| ([\d,]+) \| ", README, re.MULTILINE) == counts
