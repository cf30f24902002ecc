"""Memory for stubs and for the jumps to them, within reach of the patched instructions.

Nothing is ever given back: a thread may be in it at any time.
"""

from collections.abc import Callable, Iterator
from typing import Final

from mmio.linux import libc
from mmio.linux.libc import PAGE
from mmio.patching.jumps import JUMP, Places
from mmio.patching.stub import CODE, SLOT
from mmio.patching.text import write

REACH: Final = (1 << 31) - (1 << 20)
"""How far a stub may be from its instruction, in bytes; a little less than a jump reaches."""

_STEP: Final = 1 << 22  # from one place that is tried to the next
_TRIES: Final = 400
_MOST_PAGES: Final = 16  # tried for one landing
_FAR: Final = 14  # bytes of a jump that leads anywhere


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
        self._landings: dict[int, list[range]] = {}  # by page, in order
        self._targets: dict[int, int] = {}  # of landings
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
            landings = self._landings.get(page, [])
            for made in landings:  # when the jump was made before
                if places.low <= made.start < end and self._targets[made.start] == target:
                    return made.start
            size = JUMP if abs(target - page) < REACH else _FAR
            place = _first_free(landings, max(page, places.low), size)
            if place >= end or place + size > page + PAGE:
                continue
            if not landings and not self._map_exactly(page, PAGE, libc.PROT_READ | libc.PROT_EXEC):
                self._full.add(page)
                continue
            write(place, _jump(place, target, size), self.memory_file)
            self._landings[page] = sorted([*landings, range(place, place + size)], key=lambda landing: landing.start)
            self._targets[place] = target
            return place
        return None

    def target(self, address: int) -> int | None:
        """Return where the landing at an address leads to; None when there is none."""
        return self._targets.get(address)

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


def _jump(place: int, target: int, size: int) -> bytes:
    """Return a jump from a place that has as many bytes."""
    if size == JUMP:
        return b"\xe9" + (target - place - JUMP).to_bytes(4, "little", signed=True)
    return b"\xff\x25" + bytes(4) + target.to_bytes(8, "little")  # jmp [rip+0]


def _first_free(taken: list[range], place: int, size: int) -> int:
    """Return the first address from a place on with as many free bytes before the next of the taken ranges."""
    for other in taken:
        if place + size <= other.start:
            break
        place = max(place, other.stop)
    return place
