"""Accesses sorted into lanes, one a register: what a timeline draws and what the terminal's bars stand for.

A card with a thousand registers has more lanes than a reader looks at. So if there are too many, the elements of an
array share one, and then places without a name do that lie near each other: as few together as will do.
"""

import re
from collections.abc import Iterable, Iterator

from attrs import Factory, define

from mmio.records.access import Access

_UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
_NEAR = tuple(1 << bits for bits in range(4, 64, 4))  # bytes


@define
class Lane:
    """The times, in ns, at which one register, or several under one name, were read and written."""

    name: str
    first: Access
    reads: list[int] = Factory(list)
    writes: list[int] = Factory(list)

    @property
    def order(self) -> tuple[str, str, int]:
        """Lanes stand by space, region and address."""
        return self.first.space, self.first.region or "", self.first.address

    @property
    def count(self) -> int:
        """Return how many reads and writes the lane shows."""
        return len(self.reads) + len(self.writes)


def lanes(accesses: Iterable[Access], most: int | None = None) -> list[Lane]:
    """Sort accesses into lanes, the lowest address first.

    `most`: how many lanes there should be. There may still be more: registers with names of their own stay apart.
    """
    found: dict[tuple[str, str], Lane] = {}
    for access in accesses:
        lane = found.setdefault((access.space, access.place), Lane(access.place, access))
        if access.reads:
            lane.reads.append(access.time)
        if access.writes:
            lane.writes.append(access.time)
    single = sorted(found.values(), key=lambda lane: lane.order)
    shown = single
    for near in (1, *_NEAR):
        if most is None or len(shown) <= most:
            break
        shown = list(_joined(single, near))
    return shown


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
        reads = sorted(time for lane in group for time in lane.reads)
        writes = sorted(time for lane in group for time in lane.writes)
        yield Lane(name, group[0].first, reads, writes)


def _name(access: Access, near: int) -> str:
    if access.register is not None:
        return re.sub(r"\[\d+\]", "[…]", access.place)
    at = access.address if access.offset is None else access.offset
    start = at - at % near
    where = "port " * (access.space == "port") if access.offset is None else f"{access.region}+"
    return f"{where}{start:#x}..{start + near:#x}"
