"""The reference of the API, made from the docstrings.

A block `{api} PACKAGE` in a page names classes, functions and data, one a line, and becomes a table of them followed by
their entries. A block `{errors} PACKAGE` becomes a table of all exceptions and warnings that the package exports.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import cast

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.ext import napoleon
from sphinx.ext.napoleon.docstring import GoogleDocstring

_BLOCK = re.compile(r"^```\{(api|errors)\} ([\w.]+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The attributes of an exception are a list in its cell, no entries of their own.
_STYLE = cast(Config, napoleon.Config(napoleon_use_ivar=True))
_FIELD = re.compile(r":(\w+) ([^:]+):\s*(.*)")
_DIRECTIVES = {"class": "autoclass", "function": "autofunction", "data": "autodata"}


def expand(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace the blocks of a page that Sphinx has read."""
    text = expanded(source[0])
    if text != source[0]:
        app.env.note_dependency(__file__)
    source[0] = text


def expanded(text: str) -> str:
    """Return the text of a page with its blocks replaced."""
    return _BLOCK.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    kind, package, text = match.groups()
    lines = _entries(package, text.split()) if kind == "api" else _errors(package)
    return "\n".join(["```{eval-rst}", *lines, "```"])


def _entries(package: str, names: list[str]) -> Iterator[str]:
    """Yield a table of some names of a package, and the entry of each."""
    yield from ("", f".. currentmodule:: {package}", "")
    yield from (".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names), "")
    for name in names:
        yield from (f".. {_DIRECTIVES[_kind(package, name)]}:: {package}.{name}", "")


def _kind(package: str, name: str) -> str:
    value = getattr(importlib.import_module(package), name)
    return "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"


def _errors(package: str) -> Iterator[str]:
    """Yield a table of the exceptions of a package: the name, what it is besides, and its docstring."""
    module = importlib.import_module(package)
    yield from (
        "",
        f".. currentmodule:: {package}",
        "",
        ".. list-table::",
        "   :class: errors",
        "   :header-rows: 1",
        "   :widths: 3 2 6",
        "",
    )
    yield from ("   * - exception", "     - is a", "     - meaning")
    for name in sorted(module.__all__):
        error = getattr(module, name)
        if inspect.isclass(error) and issubclass(error, BaseException):
            bases = [f"`{base.__name__}`" for base in error.__bases__]
            yield f"   * - .. py:exception:: {name}"
            yield from ("          :no-contents-entry:", "", f"     - {', '.join(bases)}")
            first, *rest = _meaning(error)
            yield from (f"     - {first}", *(f"       {line}".rstrip() for line in rest))


def _meaning(error: type) -> list[str]:
    """Return the docstring of an exception, its attributes as a list; what its constructor takes is left out."""
    lines: list[str] = []
    kept = True
    for line in GoogleDocstring(inspect.getdoc(error) or "", _STYLE, what="exception").lines():
        if entry := _FIELD.match(line):
            kept = entry[1] == "ivar"
            lines += [f"* ``{entry[2]}``: {entry[3]}"] if kept else []
        elif not line.startswith(" "):
            lines.append(line)
        elif kept:  # the entry continues, or a block of code does
            lines[-1:] = [f"{lines[-1]} {line.strip()}"] if lines[-1].startswith("* ") else [lines[-1], line]
    return lines


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
    app.connect("source-read", expand)
    app.connect("autodoc-skip-member", skip_attribute)
    app.connect("autodoc-process-docstring", show_code, priority=400)  # before napoleon takes the sections
