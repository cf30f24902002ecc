"""Accesses sorted into lanes, one a register: what a timeline draws and what the terminal's bars stand for.

A lane counts its accesses by their times. Where there are too many different ones, times are rounded, to more the
longer the trace: a picture has so many columns and no more, and a trace of any length takes the same memory.

A card with a thousand registers has more lanes than a reader looks at. So if there are too many, the elements of an
array share one, and then places without a name do that lie near each other: as few together as will do.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import Factory, define

from mmio.records.access import Access

_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
TIMES: Final = 1 << 16
"""Times that are told apart, of all lanes together: 5 MiB, and a thousand for each row of a full terminal."""
_NEAR = tuple(1 << bits for bits in range(4, 64, 4))  # bytes


@define
class Lane:
    """Counts of reads and writes of one register, or of several under one name, by time in ns."""

    name: str
    first: Access
    reads: Counter[int] = Factory(Counter)
    writes: Counter[int] = Factory(Counter)

    @property
    def order(self) -> tuple[str, str, int]:
        """Lanes stand by space, region and address."""
        return self.first.space, self.first.region or "", self.first.address

    @property
    def count(self) -> int:
        """Return how many reads and writes the lane shows."""
        return self.reads.total() + self.writes.total()


class Lanes:
    """Lanes while they are being filled.

    Attributes:
        accesses: how many there were.
        start, end: the first and the last time.
    """

    def __init__(self, times: int = TIMES) -> None:
        self.accesses = 0
        self.start, self.end = 1 << 64, 0
        self._found: dict[tuple[str, str], Lane] = {}
        self._room, self._held, self._grain = times, 0, 1

    def add(self, access: Access) -> None:
        """Count an access."""
        time, key = access.time, (access.space, access.place)
        lane = self._found.get(key)
        if lane is None:
            lane = self._found[key] = Lane(access.place, access)
        self.accesses += 1
        if time < self.start:
            self.start = time
        if time > self.end:
            self.end = time
        at = time - time % self._grain
        for happens, times in ((access.reads, lane.reads), (access.writes, lane.writes)):
            if happens:
                self._held += at not in times
                times[at] += 1
        if self._held > self._room:
            self._round()

    def lanes(self, most: int | None = None) -> list[Lane]:
        """Return the lanes, the lowest address first; `most` as for the function."""
        single = sorted(self._found.values(), key=lambda lane: lane.order)
        shown = single
        for near in (1, *_NEAR):
            if most is None or len(shown) <= most:
                break
            shown = list(_joined(single, near))
        return shown

    @property
    def registers(self) -> int:
        """Return how many places were accessed."""
        return len(self._found)

    def _round(self) -> None:
        """Round times to twice as much, and again until half of the room is free or there is nothing to gain.

        It begins where one lane alone would fill the room: finer than that is finer than any picture.
        """
        self._grain = max(self._grain, 1 << ((self.end - self.start) // self._room).bit_length() >> 1)
        while self._held > self._room // 2 and self._grain <= self.end - self.start:
            self._grain *= 2
            self._held = 0
            for lane in self._found.values():
                lane.reads, lane.writes = self._rounded(lane.reads), self._rounded(lane.writes)
                self._held += len(lane.reads) + len(lane.writes)
        self._room = max(self._room, 2 * self._held)  # there are that many registers

    def _rounded(self, times: Counter[int]) -> Counter[int]:
        rounded = Counter[int]()
        for time, count in times.items():
            rounded[time - time % self._grain] += count
        return rounded


def lanes(accesses: Iterable[Access], most: int | None = None) -> list[Lane]:
    """Sort accesses into lanes, the lowest address first.

    `most`: how many lanes there should be. There may still be more: registers with names of their own stay apart.
    """
    found = Lanes()
    for access in accesses:
        found.add(access)
    return found.lanes(most)


def unit(span: int) -> tuple[int, str]:
    """Return the unit to show so many ns in: its length in ns, and its name."""
    return next((scale, name) for scale, name in _UNITS if span >= scale)


def _joined(single: list[Lane], near: int) -> Iterator[Lane]:
    """Put lanes together that have one name for their arrays, or no name and lie in the same `near` bytes."""
    groups: dict[tuple[str, str], list[Lane]] = {}
    for lane in single:
        groups.setdefault((lane.first.space, _name(lane.first, near)), []).append(lane)
    for (_, name), group in groups.items():
        if len(group) == 1:
            yield group[0]
            continue
        joined = Lane(name, group[0].first)
        for lane in group:
            joined.reads.update(lane.reads)
            joined.writes.update(lane.writes)
        yield joined


def _name(access: Access, near: int) -> str:
    if access.register is not None:
        return re.sub(r"\[\d+\]", "[…]", access.place)
    at = access.address if access.offset is None else access.offset
    start = at - at % near
    where = "port " * (access.space == "port") if access.offset is None else f"{access.region}+"
    return f"{where}{start:#x}..{start + near:#x}"
