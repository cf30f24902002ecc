"""The pages of docs/models: each model has one, and its example runs as printed."""

import re
from pathlib import Path

import pytest

import mmio.models
from tests.documents import TOP, Page, assert_runs

FOLDER = TOP / "docs" / "models"
PAGES = sorted(path.name for path in FOLDER.glob("*.md") if path.name != "README.md")


@pytest.mark.parametrize("name", PAGES)
def test_the_example_runs_as_printed(name: str, tmp_path: Path) -> None:
    """Every block of the page does what the page says, and it has one that prints something."""
    page = Page(f"docs/models/{name}")
    assert any(block.language == "python" and block.output for block in page.blocks)
    assert_runs(page.blocks, tmp_path)


@pytest.mark.parametrize("model", mmio.models.__all__)
def test_each_name_is_in_a_page(model: str) -> None:
    """Whatever the package passes on is explained in one of the pages, and imported there from `mmio.models`."""
    assert any(re.search(rf"\b{model}\b", (FOLDER / name).read_text()) for name in PAGES)


def test_the_list_is_complete() -> None:
    """README.md has a link to each page."""
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (FOLDER / "README.md").read_text()))
    assert set(PAGES) <= linked
    assert len(PAGES) > 0
