"""Buses for tests: they answer at every address, remember what was asked, and misbehave on request."""

from __future__ import annotations

from collections.abc import Callable

from decode.operands import READ, WRITE


class Interrupted(Exception):
    """What a bus raises when told to."""


class Everywhere:
    """A bus with memory and ports at every address, each byte with a value of its own until it is written.

    Args:
        fail_at: raise `Interrupted` at this access, counted from zero, before doing it.
        restless: change memory right after it was read, as another CPU or a device may.
        offset: bytes by which everything lies higher.
    """

    def __init__(self, *, fail_at: int | None = None, restless: bool = False, offset: int = 0) -> None:
        self.fail_at = fail_at
        self.restless = restless
        self.offset = offset
        self.memory: dict[int, int] = {}
        self.log: list[tuple[int, int, int]] = []
        self.values: list[int] = []

    def read(self, address: int, width: int) -> int:
        """Return the bytes at an address."""
        places = range(address - self.offset, address - self.offset + width)
        found = bytes(self.memory.get(place, place * 167 + (place >> 8) & 0xFF) for place in places)
        value = int.from_bytes(found, "little")
        self._log(READ, address, width, value)
        if self.restless:
            self.memory.update((place, byte ^ 0x55) for place, byte in zip(places, found, strict=True))
        return value

    def write(self, address: int, width: int, value: int) -> None:
        """Store bytes."""
        self._log(WRITE, address, width, value)
        self.memory.update(enumerate(value.to_bytes(width, "little"), address - self.offset))

    def port_read(self, port: int, width: int) -> int:
        """Answer with a value that depends on the port."""
        value = port * 0x9E3779B1 & (1 << 8 * width) - 1
        self._log(READ, port, width, value)
        return value

    def port_write(self, port: int, width: int, value: int) -> None:
        """Take note."""
        self._log(WRITE, port, width, value)

    def _log(self, direction: int, place: int, width: int, value: int) -> None:
        if len(self.log) == self.fail_at:
            self.fail_at = None
            raise Interrupted
        assert 0 <= value < 1 << 8 * width
        self.log.append((direction, place, width))
        self.values.append(value)


class Locking(Everywhere):
    """The same, making indivisible read-modify-writes itself, of which it counts the number."""

    updates = 0

    def update(self, address: int, width: int, operation: Callable[[int], int]) -> int:
        """Read, then write what `operation` makes of it; return what was read."""
        self.updates += 1
        old = self.read(address, width)
        self.write(address, width, operation(old))
        return old
