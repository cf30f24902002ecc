"""Answer accesses where no peripheral is: an error that names the nearest one, or ones or zeros."""

from collections.abc import Callable
from typing import Final

from mmio.errors import NoRegister
from mmio.space.void import Beyond, Void

BLOCK: Final = 1 << 29
"""Bytes of a block of the memory map: code, SRAM, peripherals … (ARMv7-M Architecture Reference Manual, B3.1)."""

ADDRESSES: Final = 1 << 32
"""The addresses that a microcontroller has."""


class Ground(Void):
    """The device of a block of addresses.

    Args:
        start: the first address.
        reach: looks whether a peripheral that is not made yet has a register at an address; returns whether it has been
            mapped there now.
        message: returns what is said of an address where nothing is; None: policy decides the value.
    """

    def __init__(self, start: int, reach: Callable[[int], bool], message: Callable[[int], str] | None) -> None:
        self._start = start
        self._reach = reach
        self._beyond = None if message is None else Beyond(lambda offset: message(start + offset))

    def read(self, offset: int, width: int) -> int:
        """Raise NoRegister, for which the access is made anew, part by part."""
        self._reach(self._start + offset)
        raise NoRegister(self, offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Raise NoRegister, for which the access is made anew, part by part."""
        self._reach(self._start + offset)
        raise NoRegister(self, offset, width)

    def holes(self, offset: int, width: int) -> int:
        """Raise UnmappedAccess, or return that every byte is missing."""
        return super().holes(offset, width) if self._beyond is None else self._beyond.holes(offset, width)
