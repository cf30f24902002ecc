"""A trace as a table for the terminal, whole or batch by batch as it is read.

One function turns an access into cells; everything that shows accesses starts there. Polling, which would drown
the rest, can be folded: a loop that makes the same few accesses again and again becomes these few rows, each
saying how often it happened and what came last.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from mmio.pictures.columns import Growing, aligned
from mmio.pictures.folding import Run, alone, folded
from mmio.pictures.widths import Column, cut
from mmio.records.access import Access
from mmio.records.printable import encodable

Resolver = Callable[[int], str]
"""Names an instruction pointer: "driver_init+0x12"."""

COLUMNS: Final = (
    Column("time", right=True, rank=6),
    Column("thread", right=True, rank=9),
    Column("R/W", rank=0),
    Column("width", right=True, rank=7),
    Column("address", right=True, rank=11),
    Column("register", rank=1, least=12, cut="start"),
    Column("times", rank=3, least=12),
    Column("value", rank=2, least=18),
    Column("fields", rank=4, least=10),
    Column("notes", rank=8, least=10),
    Column("ip", rank=5, least=14),
    Column("instruction", rank=10, least=16),
)

BATCH: Final = 1000  # rows that are aligned together when a table is printed as it is read


def seconds(time: int) -> str:
    """Return nanoseconds as seconds with six digits: "12.000345"."""
    microseconds = time // 1000
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06d}"


def cells(access: Access, resolve: Resolver = hex, *, thread: bool = False, times: str = "") -> tuple[str, ...]:
    """Return one access as the cells of `COLUMNS`."""
    return (
        seconds(access.time),
        str(access.thread) if thread else "",
        access.letter,
        str(access.width),
        f"{'port ' * (access.space == 'port')}{access.address:#x}",
        access.place if access.region is not None else "",
        times,
        access.shown,
        access.fields,
        access.notes,
        resolve(access.ip) if access.ip else "",
        access.text,
    )


def table(
    accesses: Sequence[Access],
    *,
    limit: int | None = None,
    fold: bool = False,
    resolve: Resolver = hex,
    width: int | None = None,
) -> str:
    """Return the accesses as aligned text.

    `limit`: how many rows at most; how many accesses were left out is said below. `fold`: poll loops become one
    row for each of their accesses. `resolve` names instruction pointers. `width`: of the widest line there may be.
    """
    shown: list[tuple[Access, str]] = []
    left = len(accesses)
    for run in folded(accesses) if fold else alone(accesses):
        if limit is not None and len(shown) + len(run.last) > limit:
            break
        shown += run.rows()
        left -= run.count
    threads = len({access.thread for access, _ in shown}) > 1
    rows = [cells(access, resolve, thread=threads, times=times) for access, times in shown]
    more = cut(encodable(f"… {left:,} more"), width or sys.maxsize) if left else ""
    return "\n".join(filter(None, (aligned(COLUMNS, rows, width=width) if rows else "", more))) or "no accesses"


def lines(
    accesses: Iterable[Access],
    resolve: Resolver = hex,
    *,
    fold: bool = False,
    batch: int = BATCH,
    width: int | None = None,
) -> Iterator[str]:
    """Return the lines of `table` one by one, of any number of accesses, holding a batch of them at a time.

    Of more than a batch columns may grow on the way. `resolve` is asked when a line is made, and may have learnt since.
    """
    runs = folded(accesses) if fold else alone(accesses)
    table, threads = Growing(COLUMNS, width=width), set[int]()
    for held in _batches(runs, batch):
        threads |= {access.thread for access, _ in held}
        many = len(threads) > 1
        yield from table.lines([cells(access, resolve, thread=many, times=times) for access, times in held])


def _batches(runs: Iterable[Run], batch: int) -> Iterator[list[tuple[Access, str]]]:
    """Put the rows of runs together until they stand for so many accesses: a row of a long loop is not held back."""
    held: list[tuple[Access, str]] = []
    count = 0
    for run in runs:
        held += run.rows()
        count += run.count
        if count >= batch:
            yield held
            held, count = [], 0
    if held:
        yield held
