"""Accesses sorted into lanes, one a register: the data of a timeline and of the terminal's bars.

A card with a thousand registers has more lanes than a reader looks at. So if there are too many, the elements of an
array share one, and then places without a name do that lie near each other: as few together as will do.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

from mmio.pictures.histogram import TIMES, Histogram
from mmio.records.access import Access
from mmio.records.spot import Spot

_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
NEAR: Final = (1, *(1 << bits for bits in range(4, 64, 4)))
"""Bytes in which places without a name share a lane, from few to many."""


@frozen(eq=False)
class Lane:
    """Counts of reads and writes of one register, or of several under one name, by time in ns."""

    name: str
    first: Access
    reads: Counter[int]
    writes: Counter[int]

    @property
    def order(self) -> tuple[str, str, int]:
        """Lanes stand by space, region and address."""
        return self.first.space, self.first.region or "", self.first.address

    @property
    def count(self) -> int:
        """Return how many reads and writes the lane shows."""
        return self.reads.total() + self.writes.total()


class Lanes(Histogram[tuple[str, str]]):
    """Lanes while they are being filled, by space and place."""

    def __init__(self, times: int = TIMES) -> None:
        super().__init__(times)
        self._firsts: dict[tuple[str, str], Access] = {}

    def take(self, access: Access) -> None:
        """Count an access in the lane of its register."""
        key = access.space, access.place
        if key not in self._firsts:
            self._firsts[key] = access
        self.add(key, access)

    def lanes(self, most: int | None = None) -> list[Lane]:
        """Return the lanes, the lowest address first; `most` as for the function."""
        single = [Lane(key[1], self._firsts[key], times.reads, times.writes) for key, times in self.found.items()]
        single.sort(key=lambda lane: lane.order)
        shown = single
        for near in NEAR:
            if most is None or len(shown) <= most:
                break
            shown = list(_joined(single, near))
        return shown

    @property
    def registers(self) -> int:
        """Return how many places were accessed."""
        return len(self.found)


def lanes(accesses: Iterable[Access], most: int | None = None) -> list[Lane]:
    """Sort accesses into lanes, the lowest address first.

    `most`: how many lanes there should be. There may still be more: registers with names of their own stay apart.
    """
    found = Lanes()
    for access in accesses:
        found.take(access)
    return found.lanes(most)


def unit(span: int) -> tuple[int, str]:
    """Return the unit to show so many ns in: its length in ns, and its name."""
    return next((scale, name) for scale, name in _UNITS if span >= scale)


def _joined(single: list[Lane], near: int) -> Iterator[Lane]:
    """Put lanes together that have one name for their arrays, or no name and lie in the same `near` bytes."""
    groups: dict[tuple[str, str], list[Lane]] = {}
    for lane in single:
        groups.setdefault((lane.first.space, lane_name(lane.first, near, lane.first.register)), []).append(lane)
    for (_, name), group in groups.items():
        if len(group) == 1:
            yield group[0]
            continue
        joined = Lane(name, group[0].first, Counter(), Counter())
        for lane in group:
            joined.reads.update(lane.reads)
            joined.writes.update(lane.writes)
        yield joined


def lane_name(access: Access | Spot, near: int, register: str | None) -> str:
    """Return the name of a lane that an access shares: with an array, or with what has no name in the same bytes.

    Args:
        access: one of its accesses.
        near: how many bytes, a power of two.
        register: the name of the register, None where there is none.
    """
    if register is not None and access.offset is not None:
        return re.sub(r"\[\d+\]", "[…]", f"{access.region}.{register}")
    at = access.address if access.offset is None else access.offset
    start = at - at % near
    where = "port " * (access.space == "port") if access.offset is None else f"{access.region}+"
    return f"{where}{start:#x}..{start + near:#x}"
