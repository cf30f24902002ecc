"""Rows of cells as aligned text or as HTML: how traces, summaries and differences are shown.

A column in which every cell is empty is left out, so a caller fills in what it has and says nothing of what it
has not.
"""

from collections.abc import Sequence
from html import escape

from attrs import frozen

from mmio.records.printable import printable

GAP = "  "


@frozen(slots=True)
class Column:
    """A heading, and whether the cells stand to the right (numbers) or to the left (words)."""

    title: str
    right: bool = False

    def padded(self, cell: str, width: int) -> str:
        """Return the cell filled up to `width`."""
        return cell.rjust(width) if self.right else cell.ljust(width)


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Return a heading and one line for each row, columns aligned, without trailing spaces."""
    rows = [list(map(printable, row)) for row in rows]
    used = _used(columns, rows)
    widths = {i: max(len(columns[i].title), *(len(row[i]) for row in rows)) for i in used}
    lines = [[column.title for column in columns], *rows]
    return "\n".join(GAP.join(columns[i].padded(line[i], widths[i]) for i in used).rstrip() for line in lines)


def html(columns: Sequence[Column], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Return an HTML table for a notebook."""
    used = _used(columns, rows)

    def line(tag: str, cells: Sequence[str]) -> str:
        return "".join(
            f'<{tag} style="text-align:{"right" if columns[i].right else "left"}">{escape(printable(cells[i]))}</{tag}>'
            for i in used
        )

    head = line("th", [column.title for column in columns])
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    style = "font-family:monospace;white-space:pre"
    return (
        f'<table style="{style}"><caption>{escape(printable(caption))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _used(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [i for i in range(len(columns)) if any(row[i] for row in rows)]
