"""Out-of-line slots of this process, for the sources whose driver runs in it.

They lie in one range, which the signal trampoline knows: a fault there is that of a copy. A page of code is replaced as
a whole and at once, because other threads may execute in it and no page is to be both written and executed; no file is
involved, so a child has slots of its own after a fork.
"""

from ctypes import memmove, string_at
from typing import Final

from mmio.linux import libc
from mmio.linux.fork_locks import held_by_fork
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ, PROT_WRITE
from mmio.linux.trampoline import SLOTS_START, trampoline
from mmio.live.out_of_line_slots import BLOCK_SIZE, MOST, SLOTS_PER_BLOCK, Slots

_ARENA: Final = MOST // SLOTS_PER_BLOCK * BLOCK_SIZE


class OwnSlotMemory:
    """Memory of this process, of which all the address space for slots is reserved at once."""

    def __init__(self) -> None:
        self._next = libc.map_pages(_ARENA)
        words = trampoline().words
        words[SLOTS_START], words[SLOTS_START + 1] = self._next, _ARENA

    def new_block(self) -> int:
        """Make the next block accessible; return its address."""
        start = self._next
        libc.protect(start, PAGE, PROT_READ | PROT_EXEC)
        libc.protect(start + PAGE, BLOCK_SIZE - PAGE, PROT_READ | PROT_WRITE)
        self._next += BLOCK_SIZE
        return start

    def write_code(self, address: int, code: bytes) -> None:
        """Put a page with the code changed in place of the page there."""
        page = address & -PAGE
        fresh = libc.map_pages(PAGE, PROT_READ | PROT_WRITE)
        memmove(fresh, page, PAGE)
        memmove(fresh + address - page, code, len(code))
        libc.protect(fresh, PAGE, PROT_READ | PROT_EXEC)
        libc.move_pages(fresh, PAGE, page, PAGE)

    def write(self, address: int, data: bytes) -> None:
        """Write data."""
        memmove(address, data, len(data))

    def read(self, address: int, length: int) -> bytes:
        """Read data."""
        return string_at(address, length)


_lock: Final = held_by_fork()  # a child continues with the slots that there are
_made: list[Slots] = []


def own_slots() -> Slots:
    """Return the slots of this process, made when they are first asked for, by whichever thread."""
    if not _made:
        with _lock:
            if not _made:
                _made.append(Slots(OwnSlotMemory(), lock=_lock))
    return _made[0]
