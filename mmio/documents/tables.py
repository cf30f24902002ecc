"""Register tables in Markdown and HTML."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from mmio.device.device import Device
from mmio.documents.outline import FieldRow, RegisterRow, Scope, lines, rows, title
from mmio.records.printable import printable

_STYLE: Final = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:70em;padding:0 1em;color:#222;background:#fff}
table{border-collapse:collapse;margin:.6em 0 1.4em}
th,td{text-align:left;padding:.25em .7em;border:1px solid #ddd;vertical-align:top}
th{background:#f3f4f6}code{font-family:ui-monospace,monospace}
"""
_MARKUP: Final = re.compile(r"[\\`*|<>#\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_OVERVIEW: Final = ("offset", "register", "bytes", "access", "reset", "")
_FIELDS: Final = ("bits", "field", "access", "reset", "")


def markdown(device: type[Device]) -> str:
    """Return a page in Markdown: a table of the registers, and one of the fields of each that has some."""
    return "".join(f"{line}\n" for line in _markdown(device))


def _markdown(device: type[Device]) -> Iterator[str]:
    name, text = title(device)
    found = rows(Scope(device))
    yield f"# {_md(name)}"
    if text:
        yield ""
        yield from (_md(line) if line.strip() else "" for line in _prose(text))
    yield ""
    yield from _md_table(_OVERVIEW, [_overview(row) for row in found])
    for row in found:
        if row.fields:
            yield ""
            yield f"## {_code(row.name)}"
            yield ""
            yield from _md_table(_FIELDS, [_described(field) for field in row.fields])
    if wires := lines(device):
        yield ""
        yield f"Lines: {', '.join(map(_code, wires))}"


def _prose(text: str) -> list[str]:
    """Return the paragraphs of a docstring without examples, which are indented."""
    return [line for line in text.splitlines() if not line.startswith("    ")]


def _md_table(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield f"|{'---|' * len(titles)}"
    for first, second, *words in cells:  # the first two are numbers and names
        yield f"| {' | '.join((_code(first), _code(second), *map(_md, words)))} |"


def _code(text: str) -> str:
    """Return a number or a name as code, or escaped where Markdown has no code of it."""
    shown = printable(text)
    return _md(text) if not shown.strip() or "`" in shown or "|" in shown else f"`{shown}`"


def _md(text: str) -> str:
    """Return text that Markdown shows as it is. An underscore within a word is shown anyway."""
    return _MARKUP.sub(r"\\\g<0>", printable(text))


def html(device: type[Device]) -> str:
    """Return the same as an HTML page that needs nothing else."""
    name, text = title(device)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{_html(name)}</title><style>{_STYLE}</style></head><body>{''.join(_html_body(device, name, text))}"
        "</body></html>\n"
    )


def _html_body(device: type[Device], name: str, text: str) -> Iterator[str]:
    found = rows(Scope(device))
    yield f"<h1>{_html(name)}</h1>"
    for paragraph in "\n".join(_prose(text)).split("\n\n"):
        if paragraph.strip():
            yield f"<p>{_html(paragraph)}</p>"
    yield from _html_table(_OVERVIEW, [_overview(row) for row in found])
    for row in found:
        if row.fields:
            yield f"<h2>{_html(row.name)}</h2>"
            yield from _html_table(_FIELDS, [_described(field) for field in row.fields])
    if wires := lines(device):
        yield f"<p>Lines: {_html(', '.join(wires))}</p>"


def _html_table(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{each}</th>' for each in titles)}</tr>"
    for row in cells:
        yield f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>"
    yield "</table>\n"


def _html(text: str) -> str:
    return escape(printable(text))


def _overview(row: RegisterRow) -> tuple[str, ...]:
    told = [row.text, f"when {row.when}" if row.when else "", *row.effects]
    return row.offset, row.name, str(row.width), row.access, row.reset, "; ".join(filter(None, told))


def _described(field: FieldRow) -> tuple[str, ...]:
    values = ", ".join(f"{value:#x} {name}" for value, name in field.values)
    return field.bits, field.name, field.access, field.reset, "; ".join(filter(None, [values, *field.effects]))
