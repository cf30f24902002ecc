"""Memory of a guest for DMA: the windows that the VMM has shared.

A window has a file of the VMM's behind it, usually a memfd, or nothing; then each transfer is a message to the VMM. A
file is mapped, but never accessed by this process's own loads and stores: the VMM may truncate it at any time, and a
load beyond its end is a SIGBUS. The kernel copies instead (process_vm_readv(2)), and answers EFAULT.
"""

import errno
import os
import stat
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import Final, NoReturn, Protocol

from mmio.arguments import integer, shortened
from mmio.closing import Closing
from mmio.device.memory import Data, ProgramMemoryError
from mmio.guests.messages import READABLE, WRITABLE, Refused
from mmio.linux.libc import LIBC, PAGE, PROT_READ, PROT_WRITE
from mmio.linux.process_memory import read_here, write_memory

__tracebackhide__ = True  # pytest reports the model that gave the address

_MAP_SHARED: Final = 1
_MAP_NORESERVE: Final = 0x4000
_FAILED: Final = (1 << 64) - 1
_END: Final = 1 << 64
_CHUNK: Final = 1 << 20  # bytes at once: a length that is garbage allocates no more than there is to read
_MOST: Final = 65535  # windows, the default of max_dma_maps


class _Window(Protocol):
    """A range of guest memory: `address`, `size`, and what may be done there."""

    address: int
    size: int
    flags: int

    def read(self, offset: int, length: int) -> bytes: ...
    def write(self, offset: int, data: bytes) -> int: ...
    def close(self) -> None: ...


class _Mapped:
    """A window with a file behind it."""

    def __init__(self, address: int, size: int, flags: int, offset: int, descriptor: int) -> None:
        self.address, self.size, self.flags = address, size, flags
        protection = PROT_READ * bool(flags & READABLE) | PROT_WRITE * bool(flags & WRITABLE)
        at = LIBC.mmap(None, size, protection, _MAP_SHARED | _MAP_NORESERVE, descriptor, offset)
        if at is None or at == _FAILED:
            raise Refused(f"the file cannot be mapped: {size:#x} bytes from {offset:#x}", errno.EACCES)
        self._at = int(at)

    def read(self, offset: int, length: int) -> bytes:
        return read_here(self._at + offset, length)

    def write(self, offset: int, data: bytes) -> int:
        return write_memory(os.getpid(), self._at + offset, data)

    def close(self) -> None:
        LIBC.munmap(self._at, self.size)


class Far(Protocol):
    """Memory that only messages reach."""

    def read(self, address: int, length: int) -> bytes:
        """Return bytes of guest memory, fewer where that fails."""

    def write(self, address: int, data: bytes) -> int:
        """Store bytes in guest memory; return how many could be stored."""


class _Remote:
    """A window with nothing behind it but the VMM."""

    def __init__(self, address: int, size: int, flags: int, far: Far) -> None:
        self.address, self.size, self.flags = address, size, flags
        self._far = far

    def read(self, offset: int, length: int) -> bytes:
        return self._far.read(self.address + offset, length)

    def write(self, offset: int, data: bytes) -> int:
        return self._far.write(self.address + offset, data)

    def close(self) -> None:
        pass


class GuestMemory(Closing):
    """The guest's memory by bus address: a `ProgramMemory` for `Device.memory`.

    Args:
        far: reaches windows that come without a file.
    """

    def __init__(self, far: Far | None = None) -> None:
        self._far = far
        self._lock = Lock()  # no window is unmapped while it is copied from
        self._starts: list[int] = []
        self._windows: list[_Window] = []

    def map(self, address: int, size: int, flags: int, offset: int = 0, descriptor: int | None = None) -> None:
        """Add a window.

        Args:
            address: its first bus address.
            size: in bytes.
            flags: READABLE, WRITABLE or both.
            offset: where it begins in the file.
            descriptor: of the file, which stays the caller's; None where messages reach it.

        Raises:
            Refused: the range is empty or ends beyond 64 bits, overlaps another, or the file does not have it.
        """
        if not 0 < size <= _END - address:
            raise Refused(f"expected a window within 64 bits of address, got {size:#x} bytes at {address:#x}")
        if not flags & (READABLE | WRITABLE):
            raise Refused(f"expected a window that can be read or written, got flags {flags:#x}")
        if len(self._windows) >= _MOST:
            raise Refused(f"there are {_MOST} windows already", errno.ENOSPC)
        index = bisect_right(self._starts, address)
        for other in self._windows[max(index - 1, 0) : index + 1]:
            if other.address < address + size and address < other.address + other.size:
                have = f"{other.address:#x}..{other.address + other.size:#x}"
                raise Refused(f"{address:#x}..{address + size:#x} overlaps {have}", errno.EEXIST)
        window: _Window
        if descriptor is not None:
            _check_file(descriptor, offset, size)
            window = _Mapped(address, size, flags, offset, descriptor)
        elif self._far is not None:
            window = _Remote(address, size, flags, self._far)
        else:
            raise Refused("expected a descriptor with the window")
        with self._lock:
            self._starts.insert(index, address)
            self._windows.insert(index, window)

    def unmap(self, address: int, size: int) -> None:
        """Take out a window.

        Args:
            address: its first bus address.
            size: in bytes.

        Raises:
            Refused: there is none of just this range.
        """
        with self._lock:
            index = bisect_right(self._starts, address) - 1
            if index < 0 or (self._starts[index], self._windows[index].size) != (address, size):
                raise Refused(f"there is no window of {size:#x} bytes at {address:#x}", errno.ENOENT)
            self._windows.pop(index).close()
            del self._starts[index]

    def close(self) -> None:
        """Take out all windows."""
        with self._lock:
            for window in self._windows:
                window.close()
            self._starts.clear()
            self._windows.clear()

    def read(self, address: int, length: int) -> bytes:
        """Return bytes.

        Args:
            address: of the first one, on the bus.
            length: in bytes, from 0.

        Raises:
            ProgramMemoryError: some of them are in no readable window.
            TypeError: an argument is no int.
            ValueError: the address is not one of 64 bits, or the length is negative.
        """
        address, length = integer("address", address, 0, _END - 1), integer("length", length, least=0)
        data = bytearray()

        def move(window: _Window, offset: int, most: int) -> int:
            part = window.read(offset, most)
            data.extend(part)
            return len(part)

        self._transfer("read", READABLE, address, length, move)
        return bytes(data)

    def write(self, address: int, data: Data) -> None:
        """Store bytes.

        Args:
            address: of the first one, on the bus.
            data: the bytes.

        Raises:
            ProgramMemoryError: some of them are in no writable window. Those before the first such byte were stored.
            TypeError: the address is no int, or the data are no bytes.
            ValueError: the address is not one of 64 bits.
        """
        address = integer("address", address, 0, _END - 1)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data is bytes, not {shortened(data)}")
        copy = bytes(data)
        done = 0

        def move(window: _Window, offset: int, most: int) -> int:
            nonlocal done
            moved = window.write(offset, copy[done : done + most])
            done += moved
            return moved

        self._transfer("write", WRITABLE, address, len(copy), move)

    def _transfer(
        self, verb: str, flag: int, address: int, length: int, move: Callable[[_Window, int, int], int]
    ) -> None:
        done = 0
        while done < length:
            at = address + done
            with self._lock:
                window = self._at(at)
                if window is None or not window.flags & flag:
                    _missing(verb, address, length, done)
                wanted = min(_CHUNK, length - done, window.address + window.size - at)
                moved = move(window, at - window.address, wanted) if isinstance(window, _Mapped) else -1
            if moved < 0:  # a message: the lock is free meanwhile, for the answer may come after a change of windows
                moved = move(window, at - window.address, wanted)
            done += moved
            if moved < wanted:
                _missing(verb, address, length, done)

    def _at(self, address: int) -> _Window | None:
        index = bisect_right(self._starts, address) - 1
        if index >= 0 and address < self._windows[index].address + self._windows[index].size:
            return self._windows[index]
        return None

    def __repr__(self) -> str:
        ranges = [f"{window.address:#x}..{window.address + window.size:#x}" for window in self._windows]
        return f"<memory of a guest: {', '.join(ranges) or 'none'}>"


def _missing(verb: str, address: int, length: int, done: int) -> NoReturn:
    raise ProgramMemoryError(verb, address, length, done, "the guest")


def _check_file(descriptor: int, offset: int, size: int) -> None:
    """Check that a file has a range.

    Raises:
        Refused: it is no file of memory, or ends before.
    """
    if offset % PAGE:
        raise Refused(f"expected an offset of whole pages in the file, got {offset:#x}")
    status = None
    with suppress(OSError):
        status = os.fstat(descriptor)
    if status is None or not stat.S_ISREG(status.st_mode):
        raise Refused("expected the descriptor of a file of memory", errno.EBADF)
    if offset + size > status.st_size:
        raise Refused(f"the file ends at {status.st_size:#x}, the window at {offset + size:#x} of it")
