"""What happened to each register, in one row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

from attrs import define, frozen

from mmio.access import Access
from mmio.columns import Column, aligned, html
from mmio.table import Resolver

COLUMNS: Final = (
    Column("register"),
    Column("reads", right=True),
    Column("writes", right=True),
    Column("widths"),
    Column("first", right=True),
    Column("last", right=True),
    Column("ips, most frequent first"),
)

TOP: Final = 3


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


@define
class _Tally:
    """A register's figures while they are being counted."""

    first: Access
    last: Access
    reads: int
    writes: int
    widths: set[int]
    ips: Counter[int]


class Summary(Sequence[RegisterSummary]):
    """One `RegisterSummary` a register, in address order within each region."""

    def __init__(self, accesses: Iterable[Access]) -> None:
        tallies: dict[tuple[str, str], _Tally] = {}
        for access in accesses:
            key = access.space, access.place
            tally = tallies.get(key)
            if tally is None:
                tally = tallies[key] = _Tally(access, access, 0, 0, set(), Counter())
            tally.last = access
            tally.reads += access.reads
            tally.writes += access.writes
            tally.widths.add(access.width)
            tally.ips[access.ip] += 1
        ordered = sorted(tallies.values(), key=lambda t: (t.first.space, t.first.region or "", t.first.address))
        self._registers = [
            RegisterSummary(
                t.first.place,
                t.reads,
                t.writes,
                tuple(sorted(t.widths)),
                t.first.value,
                t.last.value,
                tuple((ip, count) for ip, count in t.ips.most_common() if ip),
            )
            for t in ordered
        ]

    @overload
    def __getitem__(self, index: int) -> RegisterSummary: ...
    @overload
    def __getitem__(self, index: slice) -> list[RegisterSummary]: ...
    def __getitem__(self, index: int | slice) -> RegisterSummary | list[RegisterSummary]:
        return self._registers[index]

    def __len__(self) -> int:
        return len(self._registers)

    def table(self, resolve: Resolver = hex) -> str:
        """Return the summary as aligned text; `resolve` names instruction pointers."""
        return aligned(COLUMNS, list(self._rows(resolve))) if self._registers else "no accesses"

    def __str__(self) -> str:
        return self.table()

    def _repr_html_(self) -> str:
        return html(COLUMNS, list(self._rows(hex)), f"{len(self)} registers")

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
