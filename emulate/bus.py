"""Bus protocol: memory and ports as an emulated instruction accesses them.

Four methods are enough. Three more are used when a bus has them, because only the bus can know that a range is plain
memory (whole blocks at once) or how to make a read-modify-write indivisible.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from emulate.answer import fitting, read
from emulate.faults import PageFault


@runtime_checkable
class Bus(Protocol):
    """Receiver of loads, stores and port accesses.

    Addresses are linear. Values are unsigned little-endian ints of exactly `width` bytes; widths are 1 to 64.

    A bus may also have:

    - `update(address, width, operation) -> int`: read the old value, write `operation(old)`, indivisibly; return the
      old value. Used for LOCK prefixes and XCHG with memory.
    - `read_block(address, length) -> bytes | None` and `write_block(address, data) -> bool`: whole blocks, for REP
      string instructions on plain memory. None and False say "not plain memory here"; then each element is accessed
      on its own.
    - `moved(source, destination, width, data, backwards)`: told of a block that such an instruction has just moved, for
      a bus that keeps records: the addresses of the first elements (no source, None, for STOS), the bytes in the order
      of their addresses, and whether the elements went down from there.
    - `begin(instruction, ip)`: told before each step which instruction is about to run, and where it stands.
    - `fetch(address, length) -> bytes`: up to `length` code bytes, for `Emulator.step` without code.
    """

    def read(self, address: int, width: int) -> int:
        """Return the `width` bytes at `address`."""
        ...

    def write(self, address: int, width: int, value: int) -> None:
        """Store the low `width` bytes of `value` at `address`."""
        ...

    def port_read(self, port: int, width: int) -> int:
        """Return what IO port `port` answers, 1, 2 or 4 bytes."""
        ...

    def port_write(self, port: int, width: int, value: int) -> None:
        """Send `value` to IO port `port`, 1, 2 or 4 bytes."""
        ...


def locked(bus: Bus, address: int, width: int, operation: Callable[[int], int]) -> int:
    """Make one indivisible read-modify-write and return the old value.

    A bus without `update` gets one read and one write.
    """
    update: Callable[[int, int, Callable[[int], int]], int] | None = getattr(bus, "update", None)
    if update is not None:
        return fitting(update(address, width, operation), address, width)
    old = read(bus, address, width)
    bus.write(address, width, operation(old))
    return old


class Ram:
    """Plain memory: `size` bytes (or the given contents) from address `base` on. It has no ports.

    Reading or writing outside raises `PageFault`, as touching an unmapped page would.
    """

    def __init__(self, contents: int | bytes | bytearray, base: int = 0) -> None:
        if isinstance(contents, str | float) or (isinstance(contents, int) and contents < 0):
            raise TypeError(f"contents is a number of bytes, from 0, or the bytes themselves, not {contents!r}")
        self.base = base
        self.data = bytearray(contents)

    def _offset(self, address: int, length: int, write: bool) -> int:
        offset = address - self.base
        if offset < 0 or offset + length > len(self.data):
            outside = address if offset < 0 or offset >= len(self.data) else self.base + len(self.data)
            end = self.base + len(self.data)
            reason = f"{length} bytes at {address:#x} lie outside this RAM, {self.base:#x}..{end:#x}"
            raise PageFault(outside, write=write, reason=reason)
        return offset

    def read(self, address: int, width: int) -> int:
        """Return `width` bytes. Raises `PageFault` outside the memory."""
        offset = self._offset(address, width, False)
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, address: int, width: int, value: int) -> None:
        """Store `width` bytes. Raises `PageFault` outside the memory, storing nothing."""
        offset = self._offset(address, width, True)
        self.data[offset : offset + width] = value.to_bytes(width, "little")

    def port_read(self, port: int, width: int) -> int:
        """Raise `LookupError`: RAM has no ports."""
        raise LookupError(f"nothing answers at port {port:#x} (read, width {width}): this bus is plain RAM")

    def port_write(self, port: int, width: int, value: int) -> None:
        """Raise `LookupError`: RAM has no ports."""
        raise LookupError(f"nothing answers at port {port:#x} (write {value:#x}, width {width}): this bus is plain RAM")

    def read_block(self, address: int, length: int) -> bytes:
        """Return `length` bytes. Raises `PageFault` outside the memory."""
        offset = self._offset(address, length, False)
        return bytes(memoryview(self.data)[offset : offset + length])  # a slice of a bytearray would be one copy more

    def write_block(self, address: int, data: bytes) -> bool:
        """Store a block. Raises `PageFault` outside the memory, storing nothing."""
        offset = self._offset(address, len(data), True)
        memoryview(self.data)[offset : offset + len(data)] = data  # into a bytearray itself it would be copied first
        return True

    def fetch(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code, fewer at the end. Raises `PageFault` when there is not one."""
        offset = self._offset(address, 1, False)
        return bytes(self.data[offset : offset + length])
