"""What thousands of regions and watchpoints cost a single access.

    python -m benchmarks.watch

All alternatives read four bytes through one initiator, in turn from two devices, so that every read has to find its
segment anew, and record nothing. What grows is what else lies in the address space. In the last comparison the bytes
that are read are watched themselves, for another value: the watchpoint has to be found and asked, and makes no hit.
"""

from collections.abc import Callable

from benchmarks.measure import Timing, compare, report
from mmio import AddressSpace

COUNTS = (1, 100, 10_000)
_STEP = 0x1000  # from one region, or watchpoint, to the next
_OTHERS = _STEP * COUNTS[-1]  # where the two devices end
_READ = (_OTHERS // 4, _OTHERS * 3 // 4)  # the middle of each


class Card:
    """A device that answers at once."""

    def read(self, offset: int, width: int) -> int:
        """Return a constant."""
        return 0x12345678

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


def among_regions(count: int) -> Callable[[int], None]:
    """Return a function that reads from two devices among `count` others."""
    space = _two_devices()
    for number in range(count):
        space.map(_OTHERS + number * _STEP, 0x800, Card())
    return _reads(space)


def beside_watchpoints(count: int) -> Callable[[int], None]:
    """Return a function that reads from two devices in which `count` other places are watched."""
    space = _two_devices()
    for number in range(count):
        space.watch(number * _STEP + 8, 4, "access", value=0)
    return _reads(space)


def at_watchpoints(count: int) -> Callable[[int], None]:
    """Return a function that reads from two devices, watched bytes both times, among `count` other places watched."""
    space = _two_devices()
    for number in range(count):
        space.watch(number * _STEP + 8, 4, "access", value=0)
    for address in _READ:
        space.watch(address, 4, "access", value=0)
    return _reads(space)


def _two_devices() -> AddressSpace:
    space = AddressSpace()
    for number in range(2):
        space.map(number * _OTHERS // 2, _OTHERS // 2, Card())
    return space


def _reads(space: AddressSpace) -> Callable[[int], None]:
    read = space.initiator().read
    here, there = _READ

    def run(calls: int) -> None:
        for _ in range(calls // 2):
            read(here, 4)
            read(there, 4)

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time an access among 1, 100 and 10,000 of each."""
    kinds = {
        "one access, by the number of regions": (among_regions, "regions"),
        "one access to what is not watched, by the number of watchpoints": (beside_watchpoints, "watchpoints"),
        "one access to watched bytes, by the number of watchpoints": (at_watchpoints, "watchpoints"),
    }
    return [
        (title, compare({f"{count:,} {what}": make(count) for count in COUNTS}, calls=10_000))
        for title, (make, what) in kinds.items()
    ]


if __name__ == "__main__":
    report(measure())
