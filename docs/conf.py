"""The manual: how Sphinx makes it from the pages. `make docs` builds it.

The pages are Markdown and read well where they lie, so nothing in them is for Sphinx only. The whole repository is its
source directory (`sphinx-build -c docs . OUT`): a link between two files leads to the same place here and there, and
one to a source file becomes a download. The order of the pages is that of the lists in docs/README.md; a page that is
not in them comes last.
"""

import inspect
import os
import re
from pathlib import Path

from sphinx.application import Sphinx

project = "pagetrap"
author = "The pagetrap authors"
project_copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]

root_doc = "docs/README"
include_patterns = ["*.md", "docs/**.md", "benchmarks/*.md", "examples/**.md"]
html_theme = "furo"
html_title = "pagetrap"
html_copy_source = False
html_extra_path = ["index.html"]  # leads to the first page

myst_heading_anchors = 3
# Sections may start at any depth, and a word in `backquotes` in a docstring is code.
suppress_warnings = ["myst.header"]
default_role = "code"

autodoc_default_options = {"members": True, "imported-members": True, "undoc-members": True}
autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
# Pages of transcripts and machine code: what no lexer knows stays plain.
highlight_language = "none"
smartquotes = False  # a quoted word is what the code has

_SECTION = re.compile(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", re.MULTILINE)


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Give the first page a table of contents, hidden there and shown at the side: its own lists of links."""
    if name == root_doc:
        contents = [(title, _ENTRY.findall(body)) for title, body in _SECTION.findall(source[0])]
        folder = Path(app.srcdir, root_doc).parent
        listed = {(folder / page).resolve() for _, entries in contents for _, page in entries}
        pages = sorted(Path(app.srcdir, page) for page in app.env.found_docs - {root_doc})
        rest = [page for page in pages if page.resolve() not in listed]
        contents.append(("Further pages", [("", os.path.relpath(page, folder)) for page in rest]))
        for title, entries in contents:
            lines = [f"{label} <{page}>" if label else page for label, page in entries]
            source[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *lines, "```", ""])


def skip_attribute(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the attributes of a class that have no docstring of their own: the class's docstring lists them."""
    documented = inspect.isroutine(obj) or isinstance(obj, property | type)
    return True if what in ("class", "exception") and not documented else None


def show_code(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make indented paragraphs of a docstring code, as in Markdown; a section (`Args:`) has no blank line before."""
    for number in range(len(lines) - 1, 1, -1):
        before = next((line for line in reversed(lines[:number]) if line), "")
        if lines[number].startswith("    ") and not lines[number - 1] and not before.startswith(" "):
            lines[number:number] = ["::", ""]


def setup(app: Sphinx) -> None:
    """Hook into the build."""
    app.connect("source-read", add_contents)
    app.connect("autodoc-skip-member", skip_attribute)
    app.connect("autodoc-process-docstring", show_code, priority=400)  # before napoleon takes the sections
