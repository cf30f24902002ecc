"""Memory of a board: RAM and ROM that firmware accesses at full speed, and aliases of addresses."""

import ctypes
from typing import Any, Final

from mmio.arguments import integer
from mmio.errors import AccessError, MappingError
from mmio.linux import libc
from mmio.linux.libc import PAGE

_WORD: Final = 4


class Memory:
    """RAM or ROM: real memory of this process at a fixed address.

    Attributes:
        name: of the memory.
        start: its first address.
        size: in bytes.
    """

    def __init__(self, name: str, start: int, size: int) -> None:
        if start % PAGE or size % PAGE or size <= 0:
            raise MappingError(
                f"{name}: memory begins and ends at multiples of {PAGE:#x}, not {start:#x}..{start + size:#x}"
            )
        self.name = name
        self.start = start
        self.size = size

    @property
    def end(self) -> int:
        """The first address past it."""
        return self.start + self.size

    def read(self, address: int, length: int) -> bytes:
        """Return bytes at an address. Raises ValueError where they are not all within the memory."""
        return ctypes.string_at(self._place(address, length), length)

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at an address, in ROM, too. Raises ValueError where they are not all within the memory."""
        ctypes.memmove(self._place(address, len(data)), data, len(data))

    def view(self) -> memoryview:
        """Return the memory's bytes, which can be changed."""
        return memoryview((ctypes.c_ubyte * self.size).from_address(self.start)).cast("B")

    def _place(self, address: int, length: int) -> int:
        address = integer("address", address)
        if not self.start <= address <= address + length <= self.end:
            raise ValueError(
                f"{length:#x} bytes at {address:#x} are not within {self.name}, {self.start:#x}..{self.end:#x}"
            )
        return address

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.start:#x}..{self.end:#x}>"


class Rom(Memory):
    """ROM or flash: firmware reads it at full speed; a store is an error. `write` of Python programs it."""

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at an address. Raises ValueError where they are not all within the memory."""
        self._place(address, len(data))
        libc.protect(self.start, self.size, libc.PROT_READ | libc.PROT_WRITE)
        try:
            ctypes.memmove(address, data, len(data))
        finally:
            libc.protect(self.start, self.size, libc.PROT_READ | libc.PROT_EXEC)


class ReadOnly:
    """The device behind ROM: what firmware loads never comes here, only what it stores.

    Args:
        memory: the ROM.
    """

    def __init__(self, memory: Rom) -> None:
        self._memory = memory

    def read(self, offset: int, width: int) -> int:
        """Return what stands there, for instructions that load and store."""
        return int.from_bytes(self._memory.read(self._memory.start + offset, width), "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Refuse. Raises AccessError."""
        raise AccessError(
            f"a store of {value:#x} to {self._memory.name}, which is read-only; "
            f"board.memory({self._memory.name!r}).write(…) programs it from Python"
        )


class Alias:
    """Addresses at which others are seen once more.

    Args:
        bus: has `read(address, width)` and `write(address, width, value)`.
        target: the first of the others.
    """

    def __init__(self, bus: Any, target: int) -> None:
        self._bus = bus
        self._target = target

    def read(self, offset: int, width: int) -> int:
        """Read where the alias leads."""
        value: int = self._bus.read(self._target + offset, width)
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Write where the alias leads."""
        self._bus.write(self._target + offset, width, value)


class BitBand:
    """An alias of bits: each bit of the region is a word (ARMv7-M Architecture Reference Manual, DDI 0403, A3.7).

    Args:
        bus: has `read(address, width)` and `write(address, width, value)`.
        target: the first address of the bit-band region.
    """

    def __init__(self, bus: Any, target: int) -> None:
        self._bus = bus
        self._target = target

    def read(self, offset: int, width: int) -> int:
        """Return the bit, 0 or 1."""
        address, bit = self._place(offset)
        value: int = self._bus.read(address, 1)
        return value >> bit & 1 if offset % _WORD == 0 else 0

    def write(self, offset: int, width: int, value: int) -> None:
        """Set the bit to the least significant of the value, by a read and a write of its byte."""
        if offset % _WORD:
            return
        address, bit = self._place(offset)
        old = self._bus.read(address, 1)
        self._bus.write(address, 1, old & ~(1 << bit) | (value & 1) << bit)

    def _place(self, offset: int) -> tuple[int, int]:
        number = offset // _WORD
        return self._target + number // 8, number % 8
