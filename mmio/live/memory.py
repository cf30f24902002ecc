"""Ordinary memory of this process as a bus: source or destination of a copy between it and a device.

An emulated instruction may touch, next to the device, any memory the program could: its stack, a buffer, or nothing at
all through a wild pointer. So it is reached by way of the kernel (process_vm_readv on ourselves), which answers EFAULT
where a load or store would fault; that becomes the `PageFault` the program would have had.
"""

import os
from contextlib import suppress
from typing import Final

from emulate import PageFault
from mmio.linux.process_memory import read_memory, write_memory

_TOP: Final = 1 << 47  # user addresses end here


class Unreachable(PageFault):
    """The program itself cannot access this memory."""


class BeyondEnd(Unreachable):
    """A mapped page lies wholly beyond the end of its file, which is a bus error (mmap(2))."""


class ProcessMemory:
    """The memory of this process, unrecorded. Any width, any alignment.

    Every method raises `Unreachable` with the first address that cannot be read or written: the access's own, or the
    start of a page.
    """

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes as an unsigned little-endian int."""
        return int.from_bytes(self.read_block(address, width), "little")

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self.write_block(address, value.to_bytes(width, "little"))

    def read_block(self, address: int, length: int) -> bytes:
        """Read any number of bytes."""
        _check(address, length)
        data = read_memory(os.getpid(), address, length)
        if len(data) < length:
            raise Unreachable(address + len(data))
        return data

    def write_block(self, address: int, data: bytes) -> bool:
        """Write any number of bytes; return True, because this is plain memory."""
        _check(address, len(data), write=True)
        done = write_memory(os.getpid(), address, data)
        if done < len(data):
            raise Unreachable(address + done, write=True)
        return True

    fetch = read_block


class FloatingMemory(ProcessMemory):
    """The memory of this process, with nothing where it traps: that reads as ones and ignores writes. So do ports.

    It finishes an instruction whose device raised, in a thread that cannot leave the driver.
    """

    record = None

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes, all ones when any is unreachable."""
        try:
            return super().read(address, width)
        except Unreachable:
            return (1 << 8 * width) - 1

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes, or nothing when any is unreachable."""
        with suppress(Unreachable):
            super().write(address, width, value)

    def port_read(self, port: int, width: int) -> int:
        """Return ones."""
        return (1 << 8 * width) - 1

    def port_write(self, port: int, width: int, value: int) -> None:
        """Do nothing."""


def _check(address: int, length: int, write: bool = False) -> None:
    """Raise Unreachable past the last user address, where the kernel would refuse all of it."""
    if address + length > _TOP:
        raise Unreachable(max(address, _TOP), write=write)
