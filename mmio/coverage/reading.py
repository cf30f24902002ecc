"""The accesses of a trace, record by record, from the region of one device."""

from collections.abc import Set
from typing import Protocol, Self

from decode import Direction
from mmio.arguments import shortened
from mmio.coverage.counted import NO_REGISTER
from mmio.coverage.stream import Stream, directions
from mmio.records.access import Access
from mmio.records.events import Mapped, Record
from mmio.records.flags import UNMAPPED


class Counting(Protocol):
    """Coverage that a trace is counted in: `DeviceCoverage`."""

    name: str

    def nothing(self) -> Self:
        """Return one of the same device with nothing counted."""

    def stream(self) -> Stream:
        """Return what counts the accesses to one device."""

    def missed(self, path: str, direction: Direction, place: str, width: int) -> None:
        """Count an access that took an error path."""

    def include(self, other: Self, /) -> None:
        """Add what another has counted."""


class _Region:
    """The accesses to one region: to one device after the other, at one place or several."""

    def __init__(self, coverage: Counting) -> None:
        self.coverage = coverage
        self._streams: dict[tuple[str, int], Stream] = {}

    def restart(self, space: str, start: int) -> None:
        stream = self._streams.get((space, start))
        if stream is not None:
            stream.restart()

    def count(self, access: Access, offset: int) -> None:
        key = access.space, access.address - offset
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self.coverage.stream()
        for direction, value in directions(access.direction, access.value, access.old):
            if access.flags & UNMAPPED and access.register is not None:  # some bytes of it have no register
                self.coverage.missed(NO_REGISTER, direction, f"+{offset:#x}", access.width)
            stream.named(access.register, offset, access.width, direction, value)


class TraceReader:
    """Counts the accesses of a trace, record by record, in memory that does not grow with it.

    Args:
        coverage: gets what was counted at the end.
        region: the name of the region; None for that of the device's name, or the only one.
    """

    def __init__(self, coverage: Counting, region: str | None = None) -> None:
        self._coverage = coverage
        self._region = region
        self._seen: set[str] = set()
        self._regions: dict[str, _Region] = {}

    def take(self, record: Record) -> None:
        """Count a record. Raises TypeError when it is none."""
        if isinstance(record, Access):
            name = record.region
            if name is None or record.offset is None:
                return
            self._seen.add(name)
            if self._region is not None and name != self._region:
                return
            region = self._regions.get(name)
            if region is None:
                region = self._regions[name] = _Region(self._coverage.nothing())
            region.count(record, record.offset)
        elif isinstance(record, Mapped):
            if record.name in self._regions:
                self._regions[record.name].restart(record.space, record.start)
        elif not hasattr(record, "sequence"):
            raise TypeError(f"coverage takes accesses, such as open_trace(path).load(), not {shortened(record)}")

    def finish(self) -> None:
        """Pass what was counted.

        Raises:
            ValueError: the trace has no such region, or several and none is called as the device is.
        """
        chosen = region_of(self._coverage.name, self._region, self._seen)
        self._coverage.include(self._regions[chosen].coverage)


def region_of(device: str, region: str | None, seen: Set[str]) -> str:
    """Return the name of a device's region in a trace.

    Args:
        device: the name of the device.
        region: the name of the region, if it is given; else it is the device's, or that of the only region.
        seen: the names of the regions that the trace has accesses to.

    Raises:
        ValueError: the trace has no such region, or several and none is called as the device is.
    """
    names = sorted(seen)
    chosen = region if region is not None else device if device in names else None
    if chosen is None and len(names) == 1:
        chosen = names[0]
    there = f"accesses to {', '.join(names)}" if names else "no access to any region"
    if chosen is None:
        raise ValueError(f"which region is the {device}? The trace has {there}; name one of them")
    if chosen not in names:
        raise ValueError(f"the trace has no access to a region {chosen!r}; it has {there}")
    return chosen
