"""Summarise the accesses to each register in one row."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Final, Literal, TextIO, TypeAlias, get_args, overload

from attrs import Factory, define, frozen

from mmio.arguments import one_of
from mmio.pictures.columns import aligned, html
from mmio.pictures.table import Resolver
from mmio.pictures.widths import Column, terminal_width
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.spot import LIMIT, Spot, Spots

COLUMNS: Final = (
    Column("register", rank=0, least=12, cut="start"),
    Column("reads", right=True, rank=1),
    Column("writes", right=True, rank=2),
    Column("widths", rank=6),
    Column("first", right=True, rank=5, least=18),
    Column("last", right=True, rank=4, least=18),
    Column("ips, most frequent first", rank=3, least=10, good=18, cut="items"),
)

TOP: Final = 3

Order: TypeAlias = Literal["address", "name", "reads", "writes", "accesses"]
"""Order of the registers in a summary: by region and address, by name, or by how often, the most frequent first."""

ORDERS: Final[tuple[Order, ...]] = get_args(Order)


@frozen(slots=True)
class RegisterSummary:
    """One register, or one offset where the device has no name for it.

    `place` is its name ("timer.STATUS"), `reads` and `writes` are counts (an atomic is one of each), `widths`
    those seen, `first` and `last` the values of the first and the last access, `ips` the instruction pointers
    with their counts, most frequent first.
    """

    place: str
    reads: int
    writes: int
    widths: tuple[int, ...]
    first: int
    last: int
    ips: tuple[tuple[int, int], ...]


Group = tuple[Access, Access, int]
"""The first and the last of so many accesses that differ only in value and time."""


@define
class _Tally:
    """A register's figures while they are being counted."""

    first: Access
    last: Access
    reads: int = 0
    writes: int = 0
    widths: set[int] = Factory(set)
    ips: Counter[int] = Factory(Counter)

    def add(self, first: Access, last: Access, count: int) -> None:
        """Count a group."""
        self.first = min(self.first, first, key=_sequence)
        self.last = max(self.last, last, key=_sequence)
        self.reads += first.reads * count
        self.writes += first.writes * count
        self.widths.add(first.width)
        if first.ip:
            self.ips[first.ip] += count

    def result(self) -> RegisterSummary:
        """Return what was counted."""
        ips = sorted(self.ips.items(), key=lambda item: (-item[1], item[0]))
        widths = tuple(sorted(self.widths))
        first, last = self.first.value, self.last.value
        return RegisterSummary(self.first.place, self.reads, self.writes, widths, first, last, tuple(ips))


_sequence = attrgetter("sequence")


class Tallies:
    """A summary while it is being made, of a trace of any length.

    It is made of groups, so that a trace that knows which of its records are alike need not build them all.
    """

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._tallies: dict[tuple[str, str], _Tally] = {}
        for group in groups:
            self.add(*group)

    def add(self, first: Access, last: Access, count: int = 1) -> None:
        """Count a group."""
        key = first.space, first.place
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally(first, last)
        tally.add(first, last, count)

    def summary(self, names: Resolver = hex) -> "Summary":
        """Return what was counted so far, in address order within each region; `names` as for `Summary`."""
        tallies = self._tallies.values()
        ordered = sorted(tallies, key=lambda t: (t.first.space, t.first.region or "", t.first.address))
        return Summary([tally.result() for tally in ordered], names)


class Summary(Sequence[RegisterSummary]):
    """One `RegisterSummary` a register, in address order within each region.

    Args:
        registers: what was counted, in that order.
        names: what instruction pointers are called when it is printed.
    """

    def __init__(self, registers: Iterable[RegisterSummary], names: Resolver = hex) -> None:
        self._registers = list(registers)
        self._names = names

    @overload
    def __getitem__(self, index: int) -> RegisterSummary: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegisterSummary]: ...
    def __getitem__(self, index: int | slice) -> RegisterSummary | list[RegisterSummary]:
        return self._registers[index]

    def __len__(self) -> int:
        return len(self._registers)

    def sorted(self, by: Order) -> "Summary":
        """Return the summary in another order, registers that are alike in it as they were.

        Args:
            by: "address", as it comes, by region and address; "name"; or "reads", "writes" or "accesses", most first.

        Raises:
            ValueError: it is none of these.
        """
        one_of("by", by, ORDERS)
        return Summary(self._registers if by == "address" else sorted(self._registers, key=_KEYS[by]), self._names)

    def table(self, resolve: Resolver | None = None, *, width: int | None = None, stream: TextIO | None = None) -> str:
        """Return the summary as aligned text.

        Args:
            resolve: names instruction pointers.
            width: of the widest line there may be: instruction pointers are shortened and columns left out.
            stream: where it is going to be written, standard output when left out: its encoding counts.
        """
        rows = list(self._rows(resolve or self._names))
        return aligned(COLUMNS, rows, width=width, stream=stream) if rows else "no accesses"

    def __str__(self) -> str:
        """Return the table, no wider than the terminal where standard output is one."""
        return self.table(width=terminal_width(sys.stdout))

    def _repr_html_(self) -> str:
        return html(COLUMNS, list(self._rows(self._names)), f"{len(self)} registers")

    def _rows(self, resolve: Resolver) -> Iterator[tuple[str, ...]]:
        for register in self._registers:
            top = [f"{resolve(ip)} ({count:,})" for ip, count in register.ips[:TOP]]
            if len(register.ips) > TOP:
                top.append("…")
            yield (
                register.place,
                f"{register.reads:,}",
                f"{register.writes:,}",
                ", ".join(map(str, register.widths)),
                f"{register.first:#x}",
                f"{register.last:#x}",
                ", ".join(top),
            )


_KEYS: Final[dict[str, Callable[[RegisterSummary], Any]]] = {
    "name": lambda register: register.place,
    "reads": lambda register: -register.reads,
    "writes": lambda register: -register.writes,
    "accesses": lambda register: -register.reads - register.writes,
}

_Made = tuple[int, int, int, int | None]
"""What an access has beside its spot: number, time, value and old value."""


class Tallied:
    """A sink that counts accesses as they happen, for a summary of a trace that is not kept."""

    def __init__(self) -> None:
        self._tallies = Tallies()
        self._spots = Spots()
        self._groups: dict[Spot, tuple[_Made, _Made, int]] = {}

    def write(self, record: Record) -> None:
        """Count an access."""
        if isinstance(record, Access):
            self.take(self._spots.of(record), record.sequence, record.time, record.value, record.old)

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Count an access without building an `Access`."""
        made = sequence, time, value, old
        group = self._groups.get(spot)
        if group is None:
            if len(self._groups) >= LIMIT:
                self._settle()
            self._groups[spot] = made, made, 1
        else:
            self._groups[spot] = group[0], made, group[2] + 1

    def summary(self, names: Resolver = hex, by: Order = "address") -> Summary:
        """Return the summary of what there was so far, sorted by `by`."""
        self._settle()
        return self._tallies.summary(names).sorted(by)

    def _settle(self) -> None:
        for spot, (first, last, count) in self._groups.items():
            self._tallies.add(spot.access(*first), spot.access(*last), count)
        self._groups.clear()
