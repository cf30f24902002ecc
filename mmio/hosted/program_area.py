"""The part of the address space that belongs to the program.

Python and the program share one address space, and are distinguished by the address of the code: what the program maps
without an address goes into an area of its own, and a system call made from there is the program's. (An executable
at a fixed low address is the program's as well.) The area lies below everything the kernel places by itself.

Files that are mapped, with them all text, go into a part of it of their own, with nothing else for 2 GiB before and
behind it: jumps of patched instructions lead there (`mmio/patching`).
"""

import mmap
import os
from collections.abc import Iterable
from typing import Final

from mmio.hosted.raw_syscall import failed, system_call
from mmio.linux import libc
from mmio.linux.libc import PAGE, PROT_NONE, PROT_READ, PROT_WRITE, pages
from mmio.linux.proc_maps import mappings
from mmio.linux.seccomp import WINDOW
from mmio.linux.syscall_table import NUMBERS

AREA: Final = range(0x4000_0000_0000, 0x5000_0000_0000)
LOW: Final = range(1 << 32)
"""Where executables lie that cannot be moved."""

PRIVATE_ANONYMOUS: Final = 0x22
NORESERVE: Final = 0x4000
FIXED: Final = 0x10
FIXED_NOREPLACE: Final = 0x100000

_LARGEST_HEAP: Final = 1 << 36
_ROOM: Final = 1 << 31  # what a jump reaches
_FILES: Final = 1 << 35
_PLACE: Final = 2 * _LARGEST_HEAP
_PLACES: Final = len(AREA) // _PLACE - 8  # what comes last has room left

_CALLS: Final = NUMBERS[64]
_MADVISE: Final = _CALLS["madvise"]
_MPROTECT: Final = _CALLS["mprotect"]


def map_memory(address: int, length: int, protection: int, flags: int, descriptor: int = -1, offset: int = 0) -> int:
    """Map memory, as mmap(2). Raises OSError."""
    result = system_call(_CALLS["mmap"], address, pages(length), protection, flags, descriptor, offset)
    if failed(result):
        raise OSError(-result, f"mmap of {length:#x} bytes at {address:#x}: {os.strerror(-result)}")
    return result


class Area:
    """Allocator for the part of the address space that the program may use.

    Args:
        devices: addresses where devices answer, which are left free.

    Attributes:
        places: the ranges that are the program's.
    """

    def __init__(self, devices: Iterable[range] = ()) -> None:
        self._devices = list(devices)
        low = any(mapping.start in LOW for mapping in mappings(os.getpid()))
        self.places = (AREA,) if low else (AREA, LOW)
        self._forget()

    def _forget(self) -> None:
        self._heap = self._break = 0
        self._taken: list[range] = []
        self._begin(AREA.start)

    def _begin(self, start: int) -> None:
        self._next_file = start + _ROOM
        self._files_end = self._next_file + _FILES
        self._next = self._files_end + _ROOM

    def place(self, length: int, alignment: int = PAGE, *, of_file: bool = False) -> int:
        """Return where something new should go; mappings of files go together."""
        if of_file:
            start = self._free(self._next_file, length, alignment)
            if start + pages(length) <= self._files_end:
                self._next_file = start + pages(length)
                return start
        start = self._free(self._next, length, alignment)
        self._next = start + pages(length)
        return start

    def _free(self, start: int, length: int, alignment: int) -> int:
        """Return the first multiple of an alignment from an address on where nothing else is to be for a length."""
        start = -(-start // alignment) * alignment
        for addresses in sorted((*self._devices, *self._taken), key=lambda addresses: addresses.start):
            if start < addresses.stop and addresses.start < start + pages(length):
                start = -(-addresses.stop // alignment) * alignment
        return start

    def map_exactly(self, address: int, length: int, protection: int) -> bool:
        """Map pages for pagetrap's own use at an address of the area, which is not given out any more.

        Returns:
            Whether nothing is there.

        Raises:
            OSError: the kernel refuses for another reason than the place.
        """
        wanted = range(address, address + length)
        if address not in AREA or wanted.stop > AREA.stop:
            return False
        if any(wanted.start < other.stop and other.start < wanted.stop for other in self._devices):
            return False
        if not libc.map_exactly(address, length, protection):
            return False
        self._taken.append(wanted)
        return True

    def set_break(self, wanted: int) -> int:
        """Do what brk(2) does: move the end of the heap if that is possible, and return where it is."""
        if not self._heap:
            self._heap = self._break = self.place(_LARGEST_HEAP)
            map_memory(self._heap, _LARGEST_HEAP, PROT_NONE, PRIVATE_ANONYMOUS | NORESERVE | FIXED_NOREPLACE)
        if not self._heap <= wanted <= self._heap + _LARGEST_HEAP:
            return self._break
        old, new = pages(self._break), pages(wanted)
        if new > old and system_call(_MPROTECT, old, new - old, PROT_READ | PROT_WRITE):
            return self._break
        if new < old:
            system_call(_MADVISE, new, old - new, mmap.MADV_DONTNEED)
            system_call(_MPROTECT, new, old - new, PROT_NONE)
        self._break = wanted
        return wanted

    def move_on(self, number: int) -> None:
        """Begin with the next program elsewhere, by a number that tells programs apart, as far as there is room."""
        self._begin(AREA.start + (number % _PLACES + 1) * _PLACE)

    def clear(self) -> None:
        """Unmap everything of the program's."""
        for mapping in list(mappings(os.getpid())):
            if any(mapping.start in place for place in (*self.places, WINDOW)):
                system_call(_CALLS["munmap"], mapping.start, mapping.end - mapping.start)
        self._forget()
