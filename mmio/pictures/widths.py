"""Widths of the columns of a table that must fit a terminal, and cells cut to them.

Room is given by rank. The first columns, without which a line says nothing, are there at any width, as narrow as they
must be. Each of the others is there if there is room for its least width. What is left goes to the columns that are
cut, a character each in turn. A number is never cut: its column is there as a whole, or not at all.
"""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, Literal, TextIO, TypeAlias

from attrs import frozen

GAP: Final = "  "
ESSENTIAL: Final = 3
"""Ranks below this are those of columns that are always there."""

_NARROWEST: Final = 4  # characters of an essential column that is cut, on the narrowest terminal

Widths: TypeAlias = dict[int, int]
"""Widths of columns by their number; those that are not shown are not there."""


@frozen(slots=True)
class Column:
    """A heading, where the cells stand, and what becomes of them where there is no room.

    Attributes:
        title: the heading.
        right: cells stand to the right (numbers), not to the left (words).
        rank: of the column when room is given, the lowest first.
        least: the width down to which cells may be cut, None where they may not be.
        good: the width that is given, if there is room for it, before a column of a higher rank gets any.
        cut: what goes when a cell is cut: its end, its start, or items of a list that ends with "…" then.
        tinted: in HTML cells have the colour of their row.
    """

    title: str
    right: bool = False
    rank: int = ESSENTIAL
    least: int | None = None
    cut: Literal["end", "start", "items"] = "end"
    tinted: bool = False
    good: int = 0

    def padded(self, cell: str, width: int) -> str:
        """Return the cell filled up to `width`."""
        blank = " " * (width - displayed(cell))
        return blank + cell if self.right else cell + blank


def fitted(columns: Sequence[Column], needed: Mapping[int, int], width: int | None) -> Widths:
    """Return the columns that are shown, and how wide each is.

    Args:
        columns: all of them.
        needed: how wide each that has cells would be, by its number.
        width: of the widest line there may be, None for any.
    """
    if width is None or _total(needed) <= width:
        return dict(needed)
    ranked = sorted(needed, key=lambda number: (columns[number].rank, number))
    widths: Widths = {}
    for number in ranked:
        least = columns[number].least
        wanted = needed[number] if least is None else min(least, needed[number])
        widths[number] = wanted
        good = max(wanted, min(columns[number].good, needed[number]))
        if _total(widths) + good - wanted <= width:
            widths[number] = good
        if columns[number].rank < ESSENTIAL:
            _shrink(columns, widths, width)
        if _total(widths) > width:
            del widths[number]
    if not widths:
        return {ranked[0]: width}
    left = width - _total(widths)
    while left and (narrow := [number for number in ranked if number in widths and widths[number] < needed[number]]):
        for number in narrow[:left]:
            widths[number] += 1
        left -= min(left, len(narrow))
    return widths


def _shrink(columns: Sequence[Column], widths: Widths, width: int) -> None:
    """Make those columns narrower that may be cut, the widest first, until they fit or cannot be narrower."""
    while _total(widths) > width:
        soft = [(w, number) for number, w in widths.items() if columns[number].least is not None and w > _NARROWEST]
        if not soft:
            return
        widths[max(soft)[1]] -= 1


def _total(widths: Mapping[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def cut(text: str, width: int, what: Literal["end", "start", "items"] = "end", mark: str = "…") -> str:
    """Return text that is no wider than `width`, with a mark where something is missing.

    Args:
        text: what may be too wide.
        width: in characters of a terminal.
        what: is left out: as of `Column`.
        mark: stands for it.
    """
    if displayed(text) <= width:
        return text
    room = width - len(mark)
    if room <= 0:
        return _beginning(text, width)
    if what == "start":
        return mark + _beginning(text[::-1], room)[::-1]
    kept = _beginning(text, room)
    if what == "items" and ", " in kept:
        kept = kept[: kept.rindex(", ") + 2]
    return kept + mark


def _beginning(text: str, width: int) -> str:
    used = 0
    for number, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[:number]
    return text


def displayed(text: str) -> int:
    """Return how many columns of a terminal text takes: two for wide characters (UAX 11), none for combining ones."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def terminal_width(stream: TextIO) -> int | None:
    """Return how many columns the terminal of a stream has, None where there is none, or it does not say.

    COLUMNS goes first, as for `shutil.get_terminal_size`.
    """
    try:
        if not stream.isatty():
            return None
        named = os.environ.get("COLUMNS", "")
        return int(named) if named.isdecimal() and int(named) else os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError, AttributeError):  # closed, or not of the system
        return None
