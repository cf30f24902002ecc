"""Coverage of devices as one self-contained HTML page without scripts."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from mmio.coverage.counted import Covered, FieldCoverage, RegisterCoverage, Share
from mmio.coverage.text import alike, folded, together
from mmio.records.printable import printable

_STYLE: Final = """
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.5em}h2{font-size:1.25em;margin-top:2em}
table{border-collapse:collapse;width:100%;margin:.8em 0}
th,td{text-align:left;padding:.25em .6em;border-bottom:1px solid #ddd;vertical-align:top}
th{background:#f3f4f6}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
code,td.c{font-family:ui-monospace,monospace}
meter{width:10em}
.no{color:#b3261e}.yes{color:#1d6b41}.na{color:#999}
tr.f{background:#fafafa;color:#444}
tr.f td:nth-child(2){padding-left:2em}
"""


def page(coverages: Sequence[Covered]) -> str:
    """Return the page."""
    names = ", ".join(coverage.name for coverage in coverages)
    body = "".join(map(section, coverages))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Device coverage: {_text(names)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>Device coverage</h1>{body}</body></html>\n"
    )


def section(coverage: Covered) -> str:
    """Return what the page says of one device."""
    return "".join(_section(coverage))


def _section(coverage: Covered) -> Iterator[str]:
    yield f"<h2>{_text(coverage.name)}</h2><table><tr><th>points</th><th>covered</th><th></th></tr>"
    for kind, share in {"all": coverage.total, **coverage.shares}.items():
        if share.total:
            yield f"<tr><td>{kind}</td><td>{_text(str(share))}</td><td>{_bar(share)}</td></tr>"
    yield "</table>"
    for title, names in (
        ("Never read", coverage.never_read),
        ("Never written", coverage.never_written),
        ("Written, never read back", coverage.never_read_back),
    ):
        if names:
            yield f"<p>{title}: {', '.join(f'<code>{_text(name)}</code>' for name in folded(names))}</p>"
    yield (
        '<table><tr><th class="n">offset</th><th>register, field</th><th class="n">reads</th><th class="n">writes</th>'
        "<th>bytes: times</th><th>values</th><th>rose</th><th>fell</th><th>declared</th></tr>"
    )
    for group in alike(coverage.registers):
        yield from _register(group[0], together(group))
    yield "</table>"
    if coverage.paths:
        yield '<table><tr><th>error path</th><th>access</th><th class="n">times</th></tr>'
        for (path, letter, place, width), times in sorted(coverage.paths.items()):
            access = f"{letter}{width} {_text(place)}"
            yield f'<tr><td>{_text(path)}</td><td class="c">{access}</td><td class="n">{times:,}</td></tr>'
        yield "</table>"


def _register(register: RegisterCoverage, name: str) -> Iterator[str]:
    widths = ", ".join(f"{width}: {times:,}" for width, times in sorted(register.widths.items()))
    label = f"{name} (omitted)" if register.omitted else name
    where = f"{register.file.rpartition('/')[2]}:{register.line}" if register.line else ""
    yield (
        f'<tr><td class="n c">{register.offset:#x}</td><td class="c">{_text(label)}</td>'
        f"{_count(register.reads, register.readable)}{_count(register.writes, register.writable)}"
        f'<td>{widths}</td><td></td><td></td><td></td><td class="c">{_text(where)}</td></tr>'
    )
    for field in register.fields:
        yield _field(field)


def _field(field: FieldCoverage) -> str:
    values = ", ".join(
        f'<span class="{"yes" if field.values[value] else "no"}">{_text(name)}</span>'
        for value, name in field.enum.items()
    )
    usable = field.readable or field.writable
    return (
        f'<tr class="f"><td></td><td class="c">{_text(field.name)} [{field.place}]</td>'
        f"{_count(field.read, field.readable)}{_count(field.written, field.writable)}"
        f"<td></td><td>{values}</td>{_bits(field, field.rose, usable)}{_bits(field, field.fell, usable)}<td></td></tr>"
    )


def _count(count: int, possible: bool) -> str:
    if not possible and not count:
        return '<td class="n na">-</td>'
    return f'<td class="n {"yes" if count else "no"}">{count:,}</td>'


def _bits(field: FieldCoverage, mask: int, usable: bool) -> str:
    if not usable:
        return '<td class="na">-</td>'
    if field.msb == field.lsb:
        return f'<td class="{"yes" if mask else "no"}">{"yes" if mask else "no"}</td>'
    width = field.msb - field.lsb + 1
    return f'<td class="{"yes" if mask else "no"}">{mask.bit_count()} of {width} bits</td>'


def _bar(share: Share) -> str:
    return f'<meter max="100" value="{share.percent:.1f}"></meter>'


def _text(text: str) -> str:
    return escape(printable(text))
