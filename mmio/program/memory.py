"""Memory of a traced process and of the objects it maps, as devices and as a bus.

What is not trapped is reached as the program itself could reach it, no further, so that a wild pointer faults
(`TracedMemory`). A trapped range that is the program's own (anonymous, or a private mapping of a file) stays where it
is and is reached in spite of its protection, which the kernel lets a tracer do (`OwnMemory`): nothing needs to be
copied, ever. What is shared with others is reached through the same object: device memory through a second mapping in
this process, at the exact width (`DeviceMemory`); a regular file by reading and writing it, which is the same memory
and cannot kill the tracer when the file is truncated (`RegularFile`). Around a device at a fixed address there may be
nothing (`NothingMapped`).
"""

import os
import stat
from fcntl import F_GETFL, fcntl
from typing import Final

from mmio.linux.libc import LIBC, PROT_READ, PROT_WRITE, check, pages
from mmio.linux.own_descriptors import copy_of, kept
from mmio.linux.proc_files import open_file
from mmio.linux.process_memory import read_code, read_memory, write_memory
from mmio.live.memory import BeyondEnd, Unreachable
from mmio.live.passthrough import RealMemory

_MAP_SHARED: Final = 1
_FAILED: Final = (1 << 64) - 1


class TracedMemory:
    """Memory of a traced process as a bus; an access that the process could not make itself is `Unreachable`.

    Attributes:
        pid: a living thread of the process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes as an unsigned little-endian int."""
        return int.from_bytes(self.read_block(address, width), "little")

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self.write_block(address, value.to_bytes(width, "little"))

    def holes(self, address: int, width: int) -> int:
        """Return 0. Raises Unreachable where a device would have got its part of an access that faults in the end."""
        self.read_block(address, width)
        return 0

    def read_block(self, address: int, length: int) -> bytes:
        """Read any number of bytes."""
        data = read_memory(self.pid, address, length)
        if len(data) < length:
            raise Unreachable(address + len(data))
        return data

    def write_block(self, address: int, data: bytes) -> bool:
        """Write any number of bytes; return True, because this is plain memory."""
        done = write_memory(self.pid, address, data)
        if done < len(data):
            raise Unreachable(address + done, write=True)
        return True

    def fetch(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes, fewer where the rest cannot be read."""
        return read_code(self.pid, address, length)


class OwnMemory:
    """A trapped range of the program's own memory, as a device.

    Args:
        memory: a descriptor of the process's /proc/PID/mem.
        start: the address of offset 0.
    """

    def __init__(self, memory: int, start: int) -> None:
        self._memory = memory
        self._start = start

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes."""
        return int.from_bytes(self.read_block(offset, width), "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self.write_block(offset, value.to_bytes(width, "little"))

    def read_block(self, offset: int, length: int) -> bytes:
        """Read any number of bytes."""
        data = b""
        while len(data) < length:
            address = self._start + offset + len(data)
            try:
                data += os.pread(self._memory, length - len(data), address)
            except OSError as error:
                raise Unreachable(address) from error
        return data

    def write_block(self, offset: int, data: bytes) -> bool:
        """Write any number of bytes."""
        done = 0
        while done < len(data):
            address = self._start + offset + done
            try:
                done += os.pwrite(self._memory, data[done:], address)
            except OSError as error:
                raise Unreachable(address, write=True) from error
        return True


class NothingMapped:
    """Pages where the program has nothing mapped, as a device. Each access is the fault that it would be without us.

    Args:
        start: the address of offset 0.
    """

    def __init__(self, start: int) -> None:
        self._start = start

    def read(self, offset: int, width: int) -> int:
        """Raise Unreachable."""
        raise Unreachable(self._start + offset)

    def write(self, offset: int, width: int, value: int) -> None:
        """Raise Unreachable."""
        raise Unreachable(self._start + offset, write=True)

    def holes(self, offset: int, width: int) -> int:
        """Raise Unreachable, for an access that a device would have got a part of: before it gets that."""
        raise Unreachable(self._start + offset)

    def resized(self, length: int) -> "NothingMapped":
        """Return this: it has no end of its own."""
        return self


class DeviceMemory(RealMemory):
    """A second mapping of the object behind a trapped one: every access has the width the program's had.

    Args:
        descriptor: of the object; it may be closed afterwards.
        offset: in the object, where the mapping begins.
        length: in bytes.
        writable: whether the program may write there.

    Raises:
        OSError: the object cannot be mapped (again).
    """

    def __init__(self, descriptor: int, offset: int, length: int, writable: bool) -> None:
        protection = PROT_READ | PROT_WRITE if writable else PROT_READ
        self._descriptor, self._offset, self._writable = copy_of(descriptor), offset, writable
        self._length = pages(length)
        address = LIBC.mmap(None, self._length, protection, _MAP_SHARED, descriptor, offset)
        if address is None or address == _FAILED:
            check(-1, f"second mapping of {length:#x} bytes at offset {offset:#x}")
        super().__init__(int(address))

    def resized(self, length: int) -> "DeviceMemory":
        """Return the same place of the same object, `length` bytes of it."""
        same = length <= self._length
        return self if same else DeviceMemory(self._descriptor, self._offset, length, self._writable)

    def close(self) -> None:
        """Take the mapping away."""
        LIBC.munmap(self._address, self._length)
        os.close(self._descriptor)


class RegularFile:
    """A regular file mapped shared, reached by its descriptor, which belongs to this object from now on."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset

    @property
    def size(self) -> int:
        """Bytes from offset 0 to the end of the file."""
        return max(os.fstat(self._descriptor).st_size - self._offset, 0)

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes; past the end of the file its last page continues with zeros."""
        data = os.pread(self._descriptor, width, self._offset + offset)
        if len(data) < width:
            self._within(offset, width)
        return int.from_bytes(data, "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes; what lies past the end of the file is lost."""
        room = self._within(offset, width)
        data = value.to_bytes(width, "little")[: max(room, 0)]
        os.pwrite(self._descriptor, data, self._offset + offset)

    def read_block(self, offset: int, length: int) -> bytes | None:
        """Read any number of bytes of the file; None where they continue past its end."""
        data = os.pread(self._descriptor, length, self._offset + offset)
        return data if len(data) == length else None

    def write_block(self, offset: int, data: bytes) -> bool:
        """Write any number of bytes of the file; False, and nothing written, where they continue past its end."""
        at = self._offset + offset
        if os.fstat(self._descriptor).st_size < at + len(data):
            return False
        return os.pwrite(self._descriptor, data, at) == len(data)

    def resized(self, length: int) -> "RegularFile":
        """Return this: a file is as long as it is."""
        return self

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def _within(self, offset: int, width: int) -> int:
        """Return how many bytes of the file there are from an offset on, unless it has not even the page."""
        size = os.fstat(self._descriptor).st_size
        at = self._offset + offset
        if at + width > pages(size):
            raise BeyondEnd(at)
        return size - at


def shared_object(descriptor: int, offset: int, length: int, writable: bool) -> DeviceMemory | RegularFile:
    """Return the device for a shared mapping of a file. The descriptor is closed, or kept by the device.

    Where the program has opened the file for writing, mprotect(2) can make any mapping of it writable later.

    Args:
        descriptor: a duplicate of the one that the program has mapped.
        offset: in the file, where the mapping begins.
        length: in bytes.
        writable: whether the program may write there already.

    Raises:
        OSError: it cannot be reached.
    """
    may_become = fcntl(descriptor, F_GETFL) & os.O_ACCMODE == os.O_RDWR
    try:
        try:
            return _reached(descriptor, offset, length, writable or may_become)
        except OSError:
            if writable or not may_become:
                raise
            return _reached(descriptor, offset, length, False)
    finally:
        os.close(descriptor)


def _reached(descriptor: int, offset: int, length: int, writable: bool) -> DeviceMemory | RegularFile:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return DeviceMemory(descriptor, offset, length, writable)
    if not fcntl(descriptor, F_GETFL) & (os.O_APPEND | os.O_DIRECT):
        return RegularFile(copy_of(descriptor), offset)
    # Opened anew: with O_APPEND writes would go elsewhere, and O_DIRECT takes whole blocks only.
    anew = open_file(os.getpid(), f"fd/{descriptor}", os.O_RDWR if writable else os.O_RDONLY)
    return RegularFile(kept(anew), offset)
