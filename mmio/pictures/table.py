"""A trace as a table for the terminal, whole or line by line as it is recorded.

One function turns an access into cells; everything that shows accesses starts there. Polling, which would drown
the rest, can be folded: a loop that makes the same few accesses again and again becomes these few rows, each
saying how often it happened and what came last.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TextIO

from mmio.pictures.columns import GAP, Column, Growing, aligned
from mmio.pictures.folding import Run, alone, folded
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.printable import encodable, printable

Resolver = Callable[[int], str]
"""Names an instruction pointer: "driver_init+0x12"."""

COLUMNS: Final = (
    Column("time", right=True),
    Column("thread", right=True),
    Column("R/W"),
    Column("width", right=True),
    Column("address", right=True),
    Column("register"),
    Column("times"),
    Column("value"),
    Column("fields"),
    Column("notes"),
    Column("ip"),
    Column("instruction"),
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
) -> str:
    """Return the accesses as aligned text.

    `limit`: how many rows at most; how many accesses were left out is said below. `fold`: poll loops become one
    row for each of their accesses. `resolve` names instruction pointers.
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
    more = encodable(f"… {left:,} more") if left else ""
    return "\n".join(filter(None, (aligned(COLUMNS, rows) if rows else "", more))) or "no accesses"


def lines(
    accesses: Iterable[Access], resolve: Resolver = hex, *, fold: bool = False, batch: int = BATCH
) -> Iterator[str]:
    """Return the lines of `table` one by one, of any number of accesses, holding a batch of them at a time.

    Of more than a batch columns may grow on the way. `resolve` is asked when a line is made, and may have learnt since.
    """
    runs = folded(accesses) if fold else alone(accesses)
    table, threads = Growing(COLUMNS), set[int]()
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


class Live:
    """A sink that prints every access as it happens.

    Columns are as wide as the widest cell so far, so that lines stay aligned without knowing what comes.
    """

    def __init__(self, stream: TextIO, resolve: Resolver = hex) -> None:
        self._stream = stream
        self._resolve = resolve
        self._widths = [0] * len(COLUMNS)

    def write(self, record: Record) -> None:
        """Print an access; events are not shown."""
        if isinstance(record, Access):
            self.show(record)

    def show(self, access: Access, times: str = "") -> None:
        """Print an access; `times` says how often it was made."""
        told = cells(access, self._resolve, thread=bool(access.thread), times=times)
        row = tuple(encodable(printable(cell), self._stream) for cell in told)
        self._widths = [max(pair) for pair in zip(self._widths, map(len, row), strict=True)]
        columns = zip(COLUMNS, row, self._widths, strict=True)
        self._print([(column.title, column.padded(cell, width)) for column, cell, width in columns if width])

    def _print(self, cells: Sequence[tuple[str, str]]) -> None:
        """Print a line of cells, each with the title of its column and as wide as that."""
        self._stream.write(GAP.join(cell for _, cell in cells).rstrip() + "\n")
        self._stream.flush()
