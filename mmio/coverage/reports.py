"""Reports of coverage by format, and writing them to files."""

import json
from collections.abc import Callable, Sequence
from os import PathLike
from os.path import splitext
from typing import Final

from mmio.arguments import path as path_of
from mmio.arguments import shortened, text
from mmio.coverage.ci import cobertura, lcov
from mmio.coverage.counted import Covered
from mmio.coverage.html import page
from mmio.coverage.text import report


def _term(coverages: Sequence[Covered]) -> str:
    return "\n\n".join(map(report, coverages)) + "\n"


def _json(coverages: Sequence[Covered]) -> str:
    return json.dumps({"devices": [coverage.to_dict() for coverage in coverages]}, indent=1) + "\n"


REPORTS: Final[dict[str, Callable[[Sequence[Covered]], str]]] = {
    "term": _term,
    "html": page,
    "json": _json,
    "cobertura": cobertura,
    "lcov": lcov,
}
"""What makes the text of each format."""

_SUFFIXES: Final = {".txt": "term", ".html": "html", ".json": "json", ".xml": "cobertura", ".info": "lcov"}


def parse(text: str) -> tuple[str, str | None]:
    """Return format and path of a wish for a report: "term", "html:PATH", "lcov:PATH".

    Raises:
        ValueError: it is none.
    """
    form, colon, path = text.partition(":")
    if form not in REPORTS or (bool(path) != (form != "term")) or (colon and not path):
        known = ", ".join(["term", *(f"{name}:PATH" for name in REPORTS if name != "term")])
        raise ValueError(f"expected a report, one of {known}, got {text!r}")
    return form, path or None


def save(coverages: Sequence[Covered], path: str | PathLike[str], format: str | None = None) -> None:
    """Write a report of coverages to a file.

    Args:
        coverages: of one or several devices.
        path: the file.
        format: one of `REPORTS`; by the suffix when left out.

    Raises:
        ValueError: there is no such format.
        OSError: the file cannot be written.
    """
    path = path_of("path", path)
    chosen = _SUFFIXES.get(splitext(path)[1].lower()) if format is None else text("format", format)
    if chosen not in REPORTS:
        known = ", ".join(f"{name} ({suffix})" for suffix, name in _SUFFIXES.items())
        what = f"{path}: no report has this suffix" if format is None else f"there is no report {shortened(format)}"
        raise ValueError(f"{what}; expected one of {known}")
    written = REPORTS[chosen](coverages)
    with open(path, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(written)
