"""The README keeps its promises: its examples run as printed, its tables stand in the pages they were copied from."""

import re
from pathlib import Path

import pytest

from tests.documents import TOP, Block, Page, assert_runs

PAGE = Page("README.md")
README = PAGE.text
EXAMPLES = [block for block in PAGE.blocks if block.language == "python"]
TABLES = re.findall(r"<!-- from (\S+) -->\n((?:\|.*\n)+)", README)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.place)
def test_an_example_prints_what_stands_below_it(example: Block, tmp_path: Path) -> None:
    """Each example is a whole program and prints what the README shows below it (… stands for anything)."""
    assert_runs([example], tmp_path)


def test_there_are_examples_and_tables() -> None:
    """The patterns above still find something."""
    assert len(EXAMPLES) >= 3
    assert all(example.output for example in EXAMPLES)
    assert len(TABLES) >= 2


@pytest.mark.parametrize(("page", "table"), TABLES, ids=[page for page, _ in TABLES])
def test_a_table_is_copied_from_where_it_says(page: str, table: str) -> None:
    """Every row of a table stands in the generated page it names."""
    assert set(table.splitlines()) <= set((TOP / page).read_text().splitlines())
