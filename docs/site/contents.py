"""Order of the pages at the side of the manual: that of the lists in docs/README.md.

A section of that page is a heading at the side. An entry that is indented stands below the one before it that is not,
and is shown when that one is opened. A page that is in no list stands below the README.md of its folder, or else under
"Further pages".
"""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from sphinx.application import Sphinx

ROOT = "docs/README"
OTHERS = "Further pages"

_SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^( *)- \[([^\]]+)\]\(([^)#]+)\.md\)(?:: )?(.*)", re.MULTILINE)


class Entry(NamedTuple):
    """A page in a list: its label there, its name as Sphinx has it, what is said of it, and whether it is indented."""

    label: str
    page: str
    text: str
    nested: bool


class Section(NamedTuple):
    """A list of pages: its heading, the first paragraph below that, and the entries."""

    heading: str
    text: str
    entries: list[Entry]


class Toctree(NamedTuple):
    """A table of contents that is added to a page: its caption, and label and name of each page."""

    caption: str
    pages: list[tuple[str, str]]


def sections(top: Path) -> list[Section]:
    """Return the lists of docs/README.md."""
    text = (top / f"{ROOT}.md").read_text()
    return [
        Section(heading, body.strip().partition("\n- ")[0].strip(), list(_entries(body)))
        for heading, body in _SECTION.findall(text)
    ]


def _entries(body: str) -> Iterator[Entry]:
    for indent, label, page, text in _ENTRY.findall(body):
        yield Entry(label, _resolved(page), text, bool(indent))


def _resolved(page: str) -> str:
    """Return the name, from the top of the repository, of a page that docs/README.md links to."""
    parts: list[str] = []
    for part in (PurePosixPath(ROOT).parent / page).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def toctrees(lists: list[Section], pages: set[str]) -> dict[str, list[Toctree]]:
    """Return what is added to each page so that every one of `pages` has a place."""
    found: dict[str, list[Toctree]] = {ROOT: []}
    for heading, _, entries in lists:
        at_the_side = Toctree(heading, [])
        for entry in entries:
            if entry.nested:
                parent = at_the_side.pages[-1][1]
                found.setdefault(parent, [Toctree("", [])])[0].pages.append((entry.label, entry.page))
            else:
                at_the_side.pages.append((entry.label, entry.page))
        found[ROOT].append(at_the_side)
    listed = {entry.page for section in lists for entry in section.entries}
    others = Toctree(OTHERS, [])
    for page in sorted(pages - listed - {ROOT}):
        parent = str(PurePosixPath(page).parent / "README")
        if parent in listed:
            found.setdefault(parent, [Toctree("", [])])[0].pages.append(("", page))
        else:
            others.pages.append(("", page))
    if others.pages:
        found[ROOT].insert(-1, others)  # in front of what is for contributors
    return found


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Add its tables of contents to a page, hidden there and shown at the side."""
    top = Path(app.srcdir)
    for caption, pages in toctrees(sections(top), app.env.found_docs).get(name, ()):
        lines = [f"{label} </{page}>" if label else f"/{page}" for label, page in pages]
        option = [f":caption: {caption}"] if caption else []
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", *option, "", *lines, "```", ""])
        app.env.note_dependency(str(top / f"{ROOT}.md"))


def setup(app: Sphinx) -> None:
    """Hook into the build."""
    app.connect("source-read", add_contents)
