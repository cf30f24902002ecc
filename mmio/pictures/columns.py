"""Rows of cells as aligned text or as HTML: how traces, summaries and differences are shown.

A column in which every cell is empty is left out, so a caller fills in what it has and says nothing of what it
has not.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import zip_longest

from attrs import frozen

from mmio.records.printable import encodable, printable

GAP = "  "


@frozen(slots=True)
class Column:
    """A heading, and how the cells stand.

    `right`: to the right (numbers) and not to the left (words). `tinted`: in HTML in the colour of their row.
    """

    title: str
    right: bool = False
    tinted: bool = False

    def padded(self, cell: str, width: int) -> str:
        """Return the cell filled up to `width`."""
        return cell.rjust(width) if self.right else cell.ljust(width)


def aligned(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Return a heading and one line for each row, columns aligned, without trailing spaces."""
    return "\n".join(Growing(columns).lines(rows))


class Growing:
    """Lines of a table whose rows come batch by batch, so that no more than a batch is ever held.

    A column is as wide as its widest cell so far. The heading comes first, and again where a column that was left out
    has its first cell.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths: dict[int, int] = {}

    def lines(self, rows: Sequence[Sequence[str]]) -> Iterator[str]:
        """Return the lines of the next rows."""
        rows = [[encodable(printable(cell)) for cell in row] for row in rows]
        used = _used(self._columns, rows)
        titles = [encodable(column.title) for column in self._columns]
        headed = all(i in self._widths for i in used) and bool(self._widths)
        for i in used:
            self._widths[i] = max(self._widths.get(i, len(titles[i])), *(len(row[i]) for row in rows))
        shown = sorted(self._widths)
        for line in rows if headed else [titles, *rows]:
            yield GAP.join(self._columns[i].padded(line[i], self._widths[i]) for i in shown).rstrip()


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
