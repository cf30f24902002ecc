"""docs/descriptions.md keeps its promises."""

import re

import pytest

from mmio.descriptions.report import REGISTERS
from mmio.space.policy import WIDTHS
from tests.documents import TOP, Block, Page, assert_runs

PAGE = Page("docs/descriptions.md")


@pytest.mark.parametrize("example", PAGE.blocks, ids=lambda example: example.place)
def test_an_example_prints_what_stands_below_it(example: Block) -> None:
    """Each example is a whole program, run where the examples it names are, and prints what the page shows below it."""
    assert_runs([example], TOP)


def test_every_python_block_is_an_example() -> None:
    """None of them stands without its output."""
    assert len(PAGE.blocks) == PAGE.text.count("```python") >= 5
    assert all(example.output for example in PAGE.blocks)


def test_numbers_are_those_of_the_code() -> None:
    """The widths a register may have, and how many registers there may be."""
    widths = re.search(r"a register that is not ([\d, or]+) bytes wide", PAGE.text)
    assert widths is not None
    assert {int(number) for number in re.findall(r"\d+", widths[1])} == WIDTHS
    assert f"more than {REGISTERS:,} registers" in PAGE.text
