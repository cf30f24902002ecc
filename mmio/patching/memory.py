"""Memory for stubs and for the jumps to them, within reach of the patched instructions.

Nothing is ever given back: a thread may be in it at any time.
"""

from collections.abc import Callable, Iterator
from ctypes import string_at
from typing import Final

from mmio.linux import libc
from mmio.linux.libc import PAGE
from mmio.patching.jumps import Places
from mmio.patching.stub import CODE, SLOT
from mmio.patching.text import write

REACH: Final = (1 << 31) - (1 << 20)
"""How far a stub may be from its instruction, in bytes; a little less than a jump reaches."""

_STEP: Final = 1 << 22  # from one place that is tried to the next
_TRIES: Final = 400
_MOST_PAGES: Final = 16  # tried for one landing
_LANDING: Final = 14  # bytes: jmp [rip+0], and the address


class Arena:
    """Slots for stubs, as many as there are in 64 KiB, and their words."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._free = iter(range(start, start + CODE, SLOT))

    def take(self) -> int | None:
        """Return the address of a free slot, None when there is none."""
        return next(self._free, None)


class NearMemory:
    """Arenas and landings.

    Attributes:
        memory_file: a descriptor of /proc/self/mem, through which text is changed; None where it has to be opened.

    Args:
        announce: told of the start of each new arena, before it is used; returns whether there is room for it.
        map_exactly: maps pages where nothing is, as `libc.map_exactly`.
        memory_file: see `text.change`.
    """

    def __init__(
        self,
        announce: Callable[[int], bool],
        map_exactly: Callable[[int, int, int], bool] = libc.map_exactly,
        memory_file: int | None = None,
    ) -> None:
        self._announce = announce
        self._map_exactly = map_exactly
        self.memory_file = memory_file
        self._arenas: list[Arena] = []
        self._landings: dict[int, int] = {}  # by page: the first byte that is free
        self._full: set[int] = set()  # pages that are not to be had

    def slot(self, site: int) -> int | None:
        """Return the address of a free slot within reach of an instruction, None when there is none."""
        for arena in self._arenas:
            if abs(arena.start - site) < REACH and (slot := arena.take()) is not None:
                return slot
        new = self._new_arena(site)
        return None if new is None else new.take()

    def _new_arena(self, site: int) -> Arena | None:
        for start in _around(site):
            if self._map_exactly(start, 2 * CODE, libc.PROT_NONE):
                libc.protect(start, CODE, libc.PROT_READ | libc.PROT_EXEC)
                libc.protect(start + CODE, CODE, libc.PROT_READ | libc.PROT_WRITE)
                if not self._announce(start):
                    libc.LIBC.munmap(start, 2 * CODE)
                    return None
                self._arenas.append(Arena(start))
                return self._arenas[-1]
        return None

    def landing(self, places: Places, target: int) -> int | None:
        """Return an address that a jump may lead to, from where the target is reached; None when none is free.

        Raises:
            OSError: executable memory cannot be had.
        """
        if places.low <= target < places.low + places.count:
            return target
        end = places.low + places.count
        for page in self._pages(places):
            place = max(self._landings.get(page, page), places.low)
            if place >= end or place + _LANDING > page + PAGE:
                continue
            if page not in self._landings and not self._map_exactly(page, PAGE, libc.PROT_READ | libc.PROT_EXEC):
                self._full.add(page)
                continue
            write(place, b"\xff\x25" + bytes(4) + target.to_bytes(8, "little"), self.memory_file)
            self._landings[page] = place + _LANDING
            return place
        return None

    def target(self, address: int) -> int | None:
        """Return where the landing at an address leads to; None when there is none."""
        page = address // PAGE * PAGE
        if page not in self._landings or not page <= address < self._landings[page]:
            return None
        return int.from_bytes(string_at(address + _LANDING - 8, 8), "little")

    def _pages(self, places: Places) -> Iterator[int]:
        """Yield the pages to try: those in use first."""
        end = places.low + places.count
        used = [page for page in self._landings if places.low - PAGE < page < end]
        yield from used
        first = places.low // PAGE * PAGE
        new = (page for page in range(first, end, PAGE) if page not in self._landings and page not in self._full)
        for page, _ in zip(new, range(_MOST_PAGES), strict=False):
            if page >= 0:
                yield page


def _around(site: int) -> Iterator[int]:
    """Yield places for an arena, the nearest first."""
    middle = site // CODE * CODE
    for step in range(1, _TRIES):
        for place in (middle - step * _STEP, middle + step * _STEP):
            if place > 0 and abs(place - site) < REACH - 2 * CODE:
                yield place
