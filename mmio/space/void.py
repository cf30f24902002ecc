"""Devices for the addresses where there is none."""

from collections.abc import Callable

from mmio.errors import NoRegister, UnmappedAccess

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class Void:
    """The device where no device is."""

    def read(self, offset: int, width: int) -> int:
        """Raise `NoRegister`."""
        raise NoRegister(self, offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Raise `NoRegister`."""
        raise NoRegister(self, offset, width)

    def holes(self, offset: int, width: int) -> int:
        """Every byte is missing."""
        return (1 << width * 8) - 1


class Beyond(Void):
    """The rest of the pages a device lies in, which are trapped because pages are.

    Args:
        message: returns what is said of an access, by its offset.
    """

    def __init__(self, message: Callable[[int], str]) -> None:
        self._message = message

    def holes(self, offset: int, width: int) -> int:
        """Raise `UnmappedAccess`."""
        raise UnmappedAccess(self._message(offset))
