"""Make ordinary memory trap: its pages move to a second address, and the first becomes inaccessible.

A device has no memory of its own; watched memory has, and it must stay what it is, for other processes that share it,
too. So the very pages get another address, at which every access is made at full width: nothing is copied, and nothing
has to be reached in spite of its protection. A shared mapping is simply mapped twice. Private pages are moved with
mremap(MREMAP_DONTUNMAP), which leaves the old range in place, empty and, because it was made so before, inaccessible:
there is no moment at which another thread could slip through (mremap(2); Linux 5.13 for pages of a file).

All accesses take the lock under which the pages move, and under which an atomic instruction reads and writes.
"""

import errno
from ctypes import memmove, string_at
from threading import RLock
from typing import Final

from mmio.linux import libc
from mmio.linux.libc import LIBC, PROT_NONE, PROT_READ, PROT_WRITE
from mmio.live.memory import Unreachable
from mmio.live.passthrough import RealMemory

_DONTUNMAP: Final = 4


class Alias(RealMemory):
    """Pages of this process that trap, as a device. They trap from `move` to `restore`.

    Args:
        start, length: whole pages, of one mapping.
        protection: what may be done there; it holds for those who trap, too.
        shared: whether the mapping is.
        lock: what an atomic access holds.
    """

    def __init__(self, start: int, length: int, protection: int, shared: bool, lock: "RLock") -> None:
        super().__init__(0)
        self.start, self.length = start, length
        self._protection, self._shared, self._lock = protection, shared, lock

    def move(self) -> None:
        """Make the pages inaccessible where they are, and accessible elsewhere.

        Raises:
            OSError: the kernel does not do that with these pages; they are as they were.
        """
        with self._lock:
            self._address = libc.map_pages(self.length)
            try:
                if self._shared:
                    self._remap(self.start, 0, self._address, 0)
                    libc.protect(self.start, self.length, PROT_NONE)
                else:
                    libc.protect(self.start, self.length, PROT_NONE)
                    self._remap(self.start, self.length, self._address, _DONTUNMAP)
                    libc.protect(self._address, self.length, self._protection)
            except OSError:
                libc.protect(self.start, self.length, self._protection)
                LIBC.munmap(self._address, self.length)
                raise

    def restore(self) -> None:
        """Put the pages back."""
        with self._lock:
            if self._shared:
                libc.protect(self.start, self.length, self._protection)
                LIBC.munmap(self._address, self.length)
            else:
                self._remap(self._address, self.length, self.start, 0)

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes."""
        self._allow(PROT_READ, offset)
        with self._lock:
            return super().read(offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self._allow(PROT_WRITE, offset)
        with self._lock:
            super().write(offset, width, value)

    def read_block(self, offset: int, length: int) -> bytes:
        """Read any number of bytes."""
        self._allow(PROT_READ, offset)
        with self._lock:
            return string_at(self._address + offset, length)

    def write_block(self, offset: int, data: bytes) -> bool:
        """Write any number of bytes; return True, because this is plain memory."""
        self._allow(PROT_WRITE, offset)
        with self._lock:
            memmove(self._address + offset, data, len(data))
        return True

    def _allow(self, right: int, offset: int) -> None:
        """Raise the fault that the program would have had without us, where it has no right."""
        if not self._protection & right:
            raise Unreachable(self.start + offset, write=right == PROT_WRITE)

    def _remap(self, old: int, length: int, new: int, flags: int) -> None:
        try:
            libc.move_pages(old, length, new, self.length, flags)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            hint = "private memory takes Linux 5.7, that of a file 5.13"
            raise OSError(error.errno, f"{error.strerror} ({hint})") from error
