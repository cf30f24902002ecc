"""A trace as a table people read, whole or line by line as it happens.

One function turns an access into cells; everything that shows accesses starts there. Polling, which would drown
the rest, can be folded: a loop that makes the same few accesses again and again becomes these few rows, each
saying how often it happened and what came last.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TextIO

from attrs import frozen

from mmio.pictures.columns import GAP, Column, Growing, aligned
from mmio.pictures.columns import html as as_html
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.loops import MAX_LOOP, kind
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
MIN_REPEATS: Final = 3  # fewer say more when shown one by one


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
        access.decoded,
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
    html: bool = False,
) -> str:
    """Return the accesses as aligned text, or as HTML.

    `limit`: how many rows at most; how many accesses were left out is said below. `fold`: poll loops become one
    row for each of their accesses. `resolve` names instruction pointers.
    """
    shown: list[tuple[Access, str]] = []
    left = len(accesses)
    for run in folded(accesses) if fold else map(_alone, accesses):
        if limit is not None and len(shown) + len(run.last) > limit:
            break
        shown += zip(run.last, map(run.times, run.values), strict=True)
        left -= run.count
    threads = len({access.thread for access, _ in shown}) > 1
    rows = [cells(access, resolve, thread=threads, times=times) for access, times in shown]
    more = encodable(f"… {left:,} more") if left else ""
    if html:
        return as_html(COLUMNS, rows, f"{len(accesses):,} accesses {more}")
    return "\n".join(filter(None, (aligned(COLUMNS, rows) if rows else "", more))) or "no accesses"


def lines(accesses: Iterable[Access], resolve: Resolver = hex, *, batch: int = BATCH) -> Iterator[str]:
    """Return the lines of `table` one by one, of any number of accesses, holding a batch of them at a time.

    Of more than a batch columns may grow on the way. `resolve` is asked when a line is made, and may have learnt since.
    """
    accesses = iter(accesses)
    table, threads = Growing(COLUMNS), set[int]()
    while held := list(islice(accesses, batch)):
        threads |= {access.thread for access in held}
        yield from table.lines([cells(access, resolve, thread=len(threads) > 1) for access in held])


@frozen(slots=True)
class Run:
    """The same accesses made `repeats` times over.

    `last`: the accesses of the last turn. `values`: for each of them, how many different values it had.
    """

    last: tuple[Access, ...]
    values: tuple[int, ...]
    repeats: int

    @property
    def count(self) -> int:
        """Return how many accesses this is in all."""
        return len(self.last) * self.repeats

    def times(self, values: int) -> str:
        """Return "" for a single access, else how often, with how many different values."""
        if self.repeats == 1:
            return ""
        different = f"{values:,} values, " if values > 1 else ""
        return f"{self.repeats:,} times, {different}last"


def _alone(access: Access) -> Run:
    return Run((access,), (1,), 1)


def folded(accesses: Sequence[Access]) -> Iterator[Run]:
    """Cut a trace into runs: poll loops of up to `MAX_LOOP` accesses a turn, and single accesses between them."""
    numbers: dict[object, int] = {}
    keys = array("Q", (numbers.setdefault(kind(access), len(numbers)) for access in accesses))
    at = 0
    while at < len(keys):
        length, repeats = max(((n, _repeats(keys, at, n)) for n in range(1, MAX_LOOP + 1)), key=_gain)
        if repeats < MIN_REPEATS:
            length = repeats = 1
        end = at + length * repeats
        turns = [accesses[i:end:length] for i in range(at, at + length)]
        yield Run(tuple(turn[-1] for turn in turns), tuple(len({a.value for a in turn}) for turn in turns), repeats)
        at = end


def _repeats(keys: Sequence[object], at: int, length: int) -> int:
    """Return how often the `length` keys from `at` follow each other."""
    end = at + length
    while end < len(keys) and keys[end] == keys[end - length]:
        end += 1
    return (end - at) // length


def _gain(candidate: tuple[int, int]) -> int:
    """Return how many rows folding a loop of this length and number of turns saves."""
    length, repeats = candidate
    return length * (repeats - 1) if repeats >= MIN_REPEATS else 0


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
