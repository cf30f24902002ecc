"""Compare two traces: the accesses that only one driver makes.

Two accesses are the same when they do the same to the same register: direction, space, place, width and values.
Time, thread and instruction pointer differ between any two runs. The place is a region and an offset, so a
region may lie elsewhere in the other trace; code may, too, so each trace names its own. How often a driver polls
differs between any two runs as well, and a poll loop of one trace must not be compared with the rest of the other:
folded, reads that repeat are one.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, Literal, overload

from attrs import frozen

from mmio.pictures.columns import Column, aligned, html
from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.traces.alignment import matches
from mmio.traces.naming import cut_of, names
from mmio.traces.packed import Packed, Stretch

COLUMNS: Final = (
    Column(""),
    Column("mine", right=True),
    Column("other", right=True),
    Column("R/W"),
    Column("width", right=True),
    Column("register"),
    Column("value"),
    Column("fields"),
    Column("ip"),
    Column("instruction"),
)

CONTEXT: Final = 3  # equal accesses shown before and after each difference

Kind = Literal["equal", "changed", "missing", "added"]


@frozen(slots=True)
class Hunk:
    """A stretch of both traces: equal accesses, or such as only one side has.

    `kind` is "equal", "missing" (only in `mine`), "added" (only in `other`), or "changed" (some in each).
    """

    kind: Kind
    mine: Sequence[Access]
    other: Sequence[Access]


class TraceDiff(Sequence[Hunk]):
    """The hunks of two traces, in order; printed, the differences with some accesses around them.

    Args:
        mine: the accesses of one trace, told with a minus sign where the other has not got them.
        other: the accesses of the other, told with a plus sign likewise.
        fold: of reads of one register that follow each other and find the same value, take the first.
    """

    def __init__(self, mine: Iterable[Access], other: Iterable[Access], *, fold: bool = False) -> None:
        self._names = names(mine), names(other)
        self._cut = [f"; {side}: {cut}" for side, of in (("mine", mine), ("other", other)) if (cut := cut_of(of))]
        numbers = _Numbers()
        (left, mine_keys), (right, other_keys) = (
            numbers.given(_folded(side) if fold else side) for side in (mine, other)
        )
        self._hunks = list(_hunks(left, right, matches(mine_keys, other_keys)))

    @property
    def same(self) -> bool:
        """Return whether the traces do the same."""
        return all(hunk.kind == "equal" for hunk in self._hunks)

    def __len__(self) -> int:
        return len(self._hunks)

    @overload
    def __getitem__(self, index: int) -> Hunk: ...
    @overload
    def __getitem__(self, index: slice) -> list[Hunk]: ...
    def __getitem__(self, index: int | slice) -> Hunk | list[Hunk]:
        return self._hunks[index]

    @property
    def headline(self) -> str:
        """Summarise in one line how much is equal, missing and added."""
        equal = sum(len(hunk.mine) for hunk in self._hunks if hunk.kind == "equal")
        missing = sum(len(hunk.mine) for hunk in self._hunks if hunk.kind != "equal")
        added = sum(len(hunk.other) for hunk in self._hunks if hunk.kind != "equal")
        counts = f"{equal:,} accesses equal, {missing:,} only in mine (-), {added:,} only in other (+)"
        return counts + "".join(self._cut)

    def __str__(self) -> str:
        return "\n".join((self.headline, *([] if self.same else [aligned(COLUMNS, list(self.rows()))])))

    def _repr_html_(self) -> str:
        return html(COLUMNS, list(self.rows()), self.headline)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Iterate over the rows of the printed comparison, the cells of `COLUMNS`."""
        of_mine, of_other = self._names
        last = len(self._hunks) - 1
        for index, hunk in enumerate(self._hunks):
            if hunk.kind != "equal":
                yield from (_row("-", mine, None, of_mine) for mine in hunk.mine)
                yield from (_row("+", None, other, of_other) for other in hunk.other)
                continue
            count = len(hunk.mine)
            before = 0 if index == 0 else min(CONTEXT, count)
            after = count if index == last else max(before, count - CONTEXT)
            pairs = (_row("", hunk.mine[i], hunk.other[i], of_mine) for i in (*range(before), *range(after, count)))
            yield from islice(pairs, before)
            if after > before:
                yield ("…", *[""] * 4, f"{after - before:,} equal", *[""] * 4)
            yield from pairs


class _Numbers:
    """Numbers for what accesses do, the same for the same, in little memory for each of millions of values."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], dict[object, int]] = {}  # by all but the value, then by value
        self._count = 0

    def given(self, accesses: Iterable[Access]) -> tuple[Stretch, Sequence[int]]:
        """Return accesses packed, and their numbers."""
        packed, numbers = Packed(), array("Q")
        for access in accesses:
            packed.append(access)
            *where, value, old = _what(access)
            known = self._numbers.setdefault(tuple(where), {})
            number = known.setdefault(value if old is None else (value, old), self._count)
            self._count += number == self._count
            numbers.append(number)
        return Stretch(packed, range(len(packed))), numbers


def _what(access: Access) -> tuple[object, ...]:
    place = access.address if access.region is None else (access.region, access.offset)
    return access.direction, access.space, place, access.width, access.value, access.old


def _folded(accesses: Iterable[Access]) -> Iterator[Access]:
    """Leave out reads that repeat the access before."""
    last: tuple[object, ...] = ()
    for access in accesses:
        what = _what(access)
        if what != last or access.writes:
            yield access
        last = what


def _hunks(mine: Stretch, other: Stretch, equal: Iterator[tuple[int, int, int]]) -> Iterator[Hunk]:
    x = y = 0
    for start, begin, length in [*equal, (len(mine), len(other), 0)]:
        left, right = mine[x:start], other[y:begin]
        if left or right:
            yield Hunk("changed" if left and right else "missing" if left else "added", left, right)
        x, y = start + length, begin + length
        if length:
            yield Hunk("equal", mine[start:x], other[begin:y])


def _row(sign: str, mine: Access | None, other: Access | None, resolve: Resolver) -> tuple[str, ...]:
    access = mine or other
    assert access is not None
    return (
        sign,
        "" if mine is None else str(mine.sequence),
        "" if other is None else str(other.sequence),
        access.letter,
        str(access.width),
        access.place,
        access.shown,
        access.fields,
        resolve(access.ip) if access.ip else "",
        access.text,
    )
