"""A trace as a table in a notebook: who made each access, function and source line apart, and colours.

Styles are attributes, for notebooks keep no style sheet of an output. The colours are those of the timelines, which can
be read on white and on black.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from mmio.pictures.columns import html
from mmio.pictures.table import seconds
from mmio.pictures.widths import Column
from mmio.pictures.writing import READS, WRITES
from mmio.records.access import Access
from mmio.records.symbols import Location

COLUMNS: Final = (
    Column("#", right=True),
    Column("time", right=True),
    Column("thread", right=True),
    Column("R/W", tinted=True),
    Column("width", right=True),
    Column("register"),
    Column("value", tinted=True),
    Column("fields"),
    Column("notes"),
    Column("function"),
    Column("source"),
    Column("instruction"),
)
_TINTS: Final = {"R": READS, "W": WRITES, "RW": "#9467bd"}


def notebook(accesses: Sequence[Access], located: Mapping[int, Location], limit: int) -> str:
    """Return the first accesses as an HTML table.

    Args:
        accesses: of a trace.
        located: where instructions are.
        limit: how many rows at most; the caption says how many accesses there are.
    """
    shown = list(islice(accesses, limit))
    threads = len({access.thread for access in shown}) > 1
    rows = [_cells(access, located.get(access.ip), thread=threads) for access in shown]
    count = f"{len(accesses):,} accesses"
    more = f"{count}, the first {len(shown)}; report() shows all of them" if len(shown) < len(accesses) else count
    return html(COLUMNS, rows, more, [_TINTS[access.letter] for access in shown])


def _cells(access: Access, location: Location | None, *, thread: bool) -> tuple[str, ...]:
    function = source = ""
    if location is not None:
        function = (
            f"{location.symbol}+{location.into:#x}" if location.symbol else f"{location.module}+{location.offset:#x}"
        )
        source = location.calls or location.line
    elif access.ip:
        function = hex(access.ip)
    return (
        str(access.sequence),
        seconds(access.time),
        str(access.thread) if thread else "",
        access.letter,
        str(access.width),
        access.place,
        access.shown,
        access.fields,
        access.notes,
        function,
        source,
        access.text,
    )
