"""The ordinary memory of this process, as a bus: the other side of a copy to or from a device.

An emulated instruction may touch, next to the device, any memory the program could: its stack, a buffer, or nothing at
all through a wild pointer. So it is reached by way of the kernel (process_vm_readv on ourselves), which answers EFAULT
where a load or store would fault; that becomes the `PageFault` the program would have had.
"""

import ctypes
import errno
import os
from contextlib import suppress
from ctypes import c_char, c_int, c_ulong, c_void_p
from typing import Any, Final

from emulate import PageFault
from mmio.inprocess.libc import LIBC

_TOP: Final = 1 << 47  # user addresses end here


class Unreachable(PageFault):
    """The program itself could not have made this access."""


class _Vector(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", c_ulong), ("length", c_ulong))


for _function in (LIBC.process_vm_readv, LIBC.process_vm_writev):
    _function.restype = ctypes.c_ssize_t
    _function.argtypes = (c_int, c_void_p, c_ulong, c_void_p, c_ulong, c_ulong)


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
        data = ctypes.create_string_buffer(length)
        _transfer(LIBC.process_vm_readv, data, address, length, write=False)
        return data.raw

    def write_block(self, address: int, data: bytes) -> bool:
        """Write any number of bytes; return True, because this is plain memory."""
        copy = (ctypes.c_char * len(data)).from_buffer_copy(data)
        _transfer(LIBC.process_vm_writev, copy, address, len(data), write=True)
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


def _transfer(function: Any, local: ctypes.Array[c_char], address: int, length: int, *, write: bool) -> None:
    vectors = (_Vector * 2)(_Vector(ctypes.addressof(local), length), _Vector(address, length))
    here = ctypes.addressof(vectors)
    if address + length > _TOP:  # the kernel would say EFAULT for all of it
        raise Unreachable(max(address, _TOP), write=write)
    done = function(os.getpid(), here, 1, here + ctypes.sizeof(_Vector), 1, 0)
    if done == length:
        return
    number = ctypes.get_errno()
    if done < 0 and number != errno.EFAULT:
        raise OSError(number, f"{function.__name__} on this process: {os.strerror(number)}")
    raise Unreachable(address + max(done, 0), write=write)
