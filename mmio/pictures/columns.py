"""Rows of cells as aligned text or as HTML: how traces, summaries and differences are shown.

A column in which every cell is empty is left out, so a caller fills in what it has and says nothing of what it
has not. Where a width is given no line is wider: `mmio.pictures.widths` says which columns go and which are narrower.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import zip_longest
from typing import TextIO

from mmio.pictures.widths import GAP, Column, Widths, cut, displayed, fitted
from mmio.records.printable import encodable, printable

__all__ = ["GAP", "Column", "Growing", "aligned", "html"]


def aligned(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], *, width: int | None = None, stream: TextIO | None = None
) -> str:
    """Return a heading and one line for each row, columns aligned, without trailing spaces.

    Args:
        columns: what the cells of a row are.
        rows: the cells.
        width: of the widest line there may be, None for any.
        stream: where it is going to be written, standard output when left out: its encoding counts.
    """
    return "\n".join(Growing(columns, width=width, stream=stream).lines(rows))


class Growing:
    """Lines of a table whose rows come batch by batch, so that no more than a batch is ever held.

    A column is as wide as its widest cell so far, as far as there is room. The heading comes first, and again where a
    column that was left out has its first cell.

    Args:
        columns: what the cells of a row are.
        width: as of `aligned`.
        stream: as of `aligned`.
    """

    def __init__(self, columns: Sequence[Column], *, width: int | None = None, stream: TextIO | None = None) -> None:
        self._columns = columns
        self._width = width
        self._stream = stream
        self._widths: Widths = {}
        self._shown: list[int] = []

    def lines(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Return the lines of the next rows."""
        rows = [[encodable(printable(cell), self._stream) for cell in row] for row in rows]
        titles = [encodable(column.title, self._stream) for column in self._columns]
        for i in _used(self._columns, rows):
            widest = max(displayed(row[i]) for row in rows)
            self._widths[i] = max(self._widths.get(i, displayed(titles[i])), widest)
        widths = fitted(self._columns, self._widths, self._width)
        shown = sorted(widths)
        headed, self._shown = bool(shown) and shown == self._shown, shown
        mark = encodable("…", self._stream)
        for line in rows if headed else [titles, *rows]:
            cells = (
                self._columns[i].padded(cut(line[i], widths[i], self._columns[i].cut, mark), widths[i]) for i in shown
            )
            yield GAP.join(cells).rstrip()


def html(columns: Sequence[Column], rows: Sequence[Sequence[str]], caption: str, tints: Sequence[str] = ()) -> str:
    """Return an HTML table for a notebook.

    Args:
        columns: the headings.
        rows: the cells.
        caption: a line above.
        tints: a CSS colour for each row.
    """
    used = _used(columns, rows)

    def line(tag: str, cells: Sequence[str], tint: str) -> str:
        styles = [
            f"text-align:{'right' if column.right else 'left'}{f';color:{tint}' if tint and column.tinted else ''}"
            for column in columns
        ]
        return "".join(f'<{tag} style="{styles[i]}">{escape(printable(cells[i]))}</{tag}>' for i in used)

    head = line("th", [column.title for column in columns], "")
    body = "".join(f"<tr>{line('td', row, tint)}</tr>" for row, tint in zip_longest(rows, tints, fillvalue=""))
    style = "font-family:monospace;white-space:pre"
    return (
        f'<table style="{style}"><caption>{escape(printable(caption))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _used(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    return [i for i in range(len(columns)) if any(row[i] for row in rows)]
