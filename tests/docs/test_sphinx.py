"""The manual: what `make docs` builds."""

import importlib
import re
from pathlib import Path

import pytest

from docs.site import api, contents
from tests.documents import TOP
from tests.test_public_api import PACKAGES

# Built once: in a parallel run (--dist loadgroup) these tests share a process.
pytestmark = [pytest.mark.xdist_group("manual"), pytest.mark.timeout(600)]  # the build is half a minute of CPU

ENTRY = re.compile(r'<dt class="[^"]*" id="([^"]+)"')
REFERENCE = {
    "decode": "decode",
    "emulate": "emulate",
    "emulate.conformance": "emulate",
    "mmio": "mmio",
    "mmio.models": "models",
    "mmio.cortex_m": "cortex-m",
    "mmio.faults": "faults",
    "mmio.strategies": "faults",
    "mmio.pci": "pci",
    "mmio.virtio": "pci",
}


def test_it_builds_without_a_warning(manual: Path) -> None:
    """Every link leads somewhere, every docstring reads as it should."""
    assert (manual / "index.html").exists()
    assert (manual / "docs" / "README.html").exists()


@pytest.mark.parametrize("package", [package.__name__ for package in PACKAGES])
def test_every_public_name_is_explained(manual: Path, package: str) -> None:
    """The API has an entry for each name in `__all__`, and one only."""
    entries = ENTRY.findall((manual / "docs" / "api" / f"{REFERENCE[package]}.html").read_text())
    names = [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    assert {name: entries.count(name) for name in names if entries.count(name) != 1} == {}


@pytest.mark.parametrize("page", sorted(set(REFERENCE.values())))
def test_exceptions_come_last(manual: Path, page: str) -> None:
    """The first entries of a page of the API are what a user starts with; all exceptions are in tables at its end."""
    text = (manual / "docs" / "api" / f"{page}.html").read_text()
    kinds = re.findall(r'<dl class="py (\w+)">', text)
    first = kinds.index("exception")
    assert first > 1
    assert {kind for kind in kinds[first:] if kind in ("class", "function", "data")} == set()
    assert text.index('href="../errors.html"') < text.index('<dl class="py exception">')


def test_it_can_be_searched(manual: Path) -> None:
    """The search index knows the pages and the names."""
    index = (manual / "searchindex.js").read_text()
    assert '"docs/model-a-device"' in index
    assert "ioremap" in index


def test_its_order_is_that_of_the_first_page(manual: Path) -> None:
    """The side of each page lists the pages in the order of docs/README.md, under its headings."""
    lists = contents.sections(TOP)
    text = (manual / "docs" / "README.html").read_text()
    side = text[text.index('<div class="sidebar-tree">') : text.index('<div class="main">')]
    headings = re.findall(r'<span class="caption-text">([^<]+)</span>', side)
    assert [heading for heading in headings if heading != contents.OTHERS] == [section.heading for section in lists]
    at_the_top = re.findall(r'class="toctree-l1[^"]*"><a class="reference internal" href="([^"]+)\.html"', side)
    listed = [entry.page for section in lists for entry in section.entries if not entry.nested]
    assert [page for page in map(_from_the_top, at_the_top) if page in listed] == listed


def _from_the_top(link: str) -> str:
    """Return the page that a link in docs/ leads to."""
    return link.removeprefix("../") if link.startswith("../") else f"docs/{link}"


def test_pages_for_contributors_are_out_of_the_users_way(manual: Path) -> None:
    """Generated pages are at the side only below the page for contributors, but all can be reached from there."""
    *users, contributors = contents.sections(TOP)
    generated = {f"docs/{name}" for name in ("coverage", "verification", "unicorn", "qemu", "modules", "laws")}
    assert generated <= {entry.page for entry in contributors.entries if entry.nested}
    assert not generated & {entry.page for section in users for entry in section.entries}


def test_every_page_has_a_place() -> None:
    """A page that is in no list stands below its folder's README, or under a heading of its own before the last."""
    lists = [
        contents.Section("Learn", "", [contents.Entry("Models", "docs/models/README", "", nested=False)]),
        contents.Section(
            "Change",
            "",
            [
                contents.Entry("How", "HOW", "", nested=False),
                contents.Entry("Laws", "docs/laws", "", nested=True),
            ],
        ),
    ]
    pages = {"docs/README", "docs/models/README", "docs/models/uart", "HOW", "docs/laws", "docs/new"}
    assert contents.toctrees(lists, pages) == {
        "docs/README": [
            ("Learn", [("Models", "docs/models/README")]),
            (contents.OTHERS, [("", "docs/new")]),
            ("Change", [("How", "HOW")]),
        ],
        "docs/models/README": [("", [("", "docs/models/uart")])],
        "HOW": [("", [("Laws", "docs/laws")])],
    }


def test_names_become_a_table_and_entries() -> None:
    """A block of names is a table of them, then the entry of each, as a class, a function or data."""
    text = api.expanded("# mmio\n\n```{api} mmio\nioremap\nMapping\n```\n")
    assert text.startswith("# mmio\n\n```{eval-rst}\n")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert lines[3:] == [
        ".. autosummary::",
        ":nosignatures:",
        "ioremap",
        "Mapping",
        ".. autofunction:: mmio.ioremap",
        ".. autoclass:: mmio.Mapping",
        "```",
    ]


def test_a_table_of_exceptions_has_their_attributes() -> None:
    """The cell of an exception is its docstring: its attributes are a list, the constructor's arguments left out."""
    lines = [line.strip() for line in api.expanded("```{errors} mmio\n```\n").splitlines()]
    start = lines.index("* - .. py:exception:: DmaError")
    cell = lines[start : next(n for n, line in enumerate(lines) if n > start and line.startswith("* - "))]
    assert "* ``length``: of the whole access, in bytes." in cell
    assert not any("verb" in line for line in cell)
