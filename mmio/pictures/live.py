"""Accesses as lines of text while they happen.

The widths of the columns are known before the first access, so that no line moves what stands below the one above. On a
terminal they follow from its width, and cells are cut to them. Elsewhere nothing is cut: what is wider than its column
moves what comes behind it in its own line, as far as the blanks there do not make up for it.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from mmio.pictures.table import Resolver, cells
from mmio.pictures.widths import GAP, Column, Widths, cut, displayed, fitted, terminal_width
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.printable import encodable, printable

COLUMNS: Final = (
    Column("time", right=True, rank=5),
    Column("thread", right=True, rank=8),
    Column("R/W", rank=0),
    Column("width", right=True, rank=6),
    Column("address", right=True, rank=9),
    Column("register", rank=1, least=12, cut="start"),
    Column("times", rank=3, least=10),
    Column("value", rank=2, least=18),
    Column("ip", rank=4, least=18),
    Column("instruction", rank=7, least=26),
)
"""The value has the fields and notes behind it: most accesses have none, and a column of their own would be blank."""

USUAL: Final[Widths] = dict(enumerate((9, 7, 2, 2, 14, 16, 12, 24, 20, 0)))
"""Widths where nothing is cut: what most cells need."""

MOST: Final[Widths] = dict(enumerate((9, 7, 2, 2, 14, 28, 12, 48, 36, 40)))
"""Widths on a terminal that has room for them."""

_TIMES: Final = 6  # number of the column that only folded lines have

Piece = tuple[str, str]
"""A piece of a line: the title of its column, or "" for blanks, and its text."""


class Live:
    """A sink that prints every access as it happens.

    Args:
        stream: where to.
        resolve: names instruction pointers.
        fold: lines say how often an access was made, so that there is a column for it.
    """

    def __init__(self, stream: TextIO, resolve: Resolver = hex, *, fold: bool = False) -> None:
        self._stream = stream
        self._resolve = resolve
        self._without = () if fold else (_TIMES,)
        self._limit: int | None = 0  # that the widths are for; none yet
        self._widths: Widths = {}

    def write(self, record: Record) -> None:
        """Print an access; events are not shown."""
        if isinstance(record, Access):
            self.show(record)

    def show(self, access: Access, times: str = "") -> None:
        """Print an access; `times` says how often it was made."""
        limit = terminal_width(self._stream)
        if limit != self._limit:  # the first access, or a terminal that has been made wider or narrower
            self._limit, self._widths = limit, self._fitted(limit)
        self._print(self._pieces(access, times, cutting=limit is not None))

    def _fitted(self, limit: int | None) -> Widths:
        def wanted(widths: Mapping[int, int]) -> Widths:
            return {number: width for number, width in widths.items() if number not in self._without}

        return wanted(USUAL) if limit is None else fitted(COLUMNS, wanted(MOST), limit)

    def _pieces(self, access: Access, times: str, *, cutting: bool) -> list[Piece]:
        pieces: list[Piece] = []
        mark = encodable("…", self._stream)
        start = behind = 0  # of the column, and where the text so far ends
        for number, cell in enumerate(self._cells(access, times)):
            if number not in self._widths:
                continue
            column, width = COLUMNS[number], self._widths[number]
            text = "".join(cell)
            if cutting:
                text = cut(text, width, column.cut, mark)
            at = start + max(width - displayed(text), 0) * column.right
            at = max(at, behind + len(GAP)) if pieces else at
            pieces += [
                ("", " " * (at - behind)),
                (column.title, text[: len(cell[0])]),
                ("fields", text[len(cell[0]) :]),
            ]
            behind = at + displayed(text)
            start += width + len(GAP)
        return pieces

    def _cells(self, access: Access, times: str) -> list[tuple[str, str]]:
        """Return the cells, each as what it is and what is said of it."""
        *first, value, fields, notes, ip, code = cells(access, self._resolve, thread=bool(access.thread), times=times)
        said = "".join(f"{GAP[1:]}{text}" for text in (fields, notes) if text)
        whole = (*((cell, "") for cell in first), (value, said), (ip, ""), (code, ""))
        return [(self._safe(one), self._safe(other)) for one, other in whole]

    def _safe(self, text: str) -> str:
        return encodable(printable(text), self._stream)

    def _print(self, pieces: Sequence[Piece]) -> None:
        """Print a line."""
        self._stream.write("".join(text for _, text in pieces).rstrip() + "\n")
        self._stream.flush()
