"""Counts of reads and writes by register and time, of a trace of any length in bounded memory.

Where there are too many different times they are rounded, to more the longer the trace: a picture has so many columns
and no more.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from attrs import Factory, define

from mmio.records.access import Access

TIMES: Final = 1 << 16
"""Times that are distinguished, of all keys together: 5 MiB, and a thousand for each row of a full terminal."""

Key = TypeVar("Key")


@define
class Times:
    """Counts of reads and writes by time in ns."""

    reads: Counter[int] = Factory(Counter)
    writes: Counter[int] = Factory(Counter)

    def add(self, other: "Times") -> None:
        """Add the counts of another."""
        self.reads.update(other.reads)
        self.writes.update(other.writes)

    def __len__(self) -> int:
        return len(self.reads) + len(self.writes)


class Histogram(Generic[Key]):
    """Counts of reads and writes by key and time.

    Args:
        times: how many times to distinguish, of all keys together; more when there are that many keys.

    Attributes:
        found: what was counted for each key.
        accesses: how many there were.
        start, end: the first and the last time.
        grain: times in `found` are multiples of this many ns, rounded down.
    """

    def __init__(self, times: int = TIMES) -> None:
        self.found: dict[Key, Times] = {}
        self.accesses = 0
        self.start, self.end = 1 << 64, 0
        self.grain = 1
        self._room, self._held = times, 0

    def add(self, key: Key, access: Access) -> None:
        """Count an access."""
        time = access.time
        found = self.found.get(key)
        if found is None:
            found = self.found[key] = Times()
        self.accesses += 1
        if time < self.start:
            self.start = time
        if time > self.end:
            self.end = time
        at = time - time % self.grain
        for happens, times in ((access.reads, found.reads), (access.writes, found.writes)):
            if happens:
                self._held += at not in times
                times[at] += 1
        if self._held > self._room:
            self._round()

    def merge(self, into: Callable[[Key], Key]) -> None:
        """Put what was counted for each key to that of another, which `into` returns."""
        found: dict[Key, Times] = {}
        for key, times in self.found.items():
            found.setdefault(into(key), Times()).add(times)
        self.found = found
        self._held = sum(map(len, found.values()))

    def _round(self) -> None:
        """Round times to twice as much, and again until half of the room is free or there is nothing to gain.

        It begins where one key alone would fill the room: finer than that is finer than any picture.
        """
        self.grain = max(self.grain, 1 << ((self.end - self.start) // self._room).bit_length() >> 1)
        while self._held > self._room // 2 and self.grain <= self.end - self.start:
            self.grain *= 2
            for times in self.found.values():
                times.reads, times.writes = self._rounded(times.reads), self._rounded(times.writes)
            self._held = sum(map(len, self.found.values()))
        self._room = max(self._room, 2 * self._held)  # there are that many keys

    def _rounded(self, times: Counter[int]) -> Counter[int]:
        rounded = Counter[int]()
        for time, count in times.items():
            rounded[time - time % self.grain] += count
        return rounded
