"""Buses whose answers nobody has checked.

Compiled instructions take what a bus answers as it is: a check there would cost every access of every source. A bus
that says `exact = True` vouches for its answers; any other one is put behind this.
"""

from operator import index
from typing import Any

from decode import Instruction


class BusError(Exception):
    """A bus answered a read with something that is not an unsigned int of the width asked for.

    Attributes:
        problem: what came, and what was expected.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self._where = ""

    def locate(self, instruction: Instruction, ip: int) -> None:
        """Note which instruction has read."""
        self._where = f", in '{instruction.format(ip)}' at ip {ip:#x}"

    def __str__(self) -> str:
        return self.problem + self._where


class CheckedBus:
    """A bus in front of another one, which it asks, and whose answers it checks."""

    def __init__(self, bus: Any) -> None:
        self._bus = bus
        self.write = bus.write
        self.port_write = bus.port_write
        update = getattr(bus, "update", None)
        if update is not None:
            self.update = lambda address, width, operation: _checked(
                update(address, width, operation), "address", address, width
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)  # what a bus may have, it has if the other one has it

    def read(self, address: int, width: int) -> int:
        """Return what the bus reads. Raises BusError when that is no int of this width."""
        return _checked(self._bus.read(address, width), "address", address, width)

    def port_read(self, port: int, width: int) -> int:
        """Return what the bus reads from a port. Raises BusError when that is no int of this width."""
        return _checked(self._bus.port_read(port, width), "port", port, width)


def _checked(value: Any, kind: str, place: int, width: int) -> int:
    try:
        number = index(value)
    except TypeError:
        number = -1
    if number >> 8 * width:
        expected = f"expected an int in 0..{(1 << 8 * width) - 1:#x}"
        raise BusError(f"the bus answered {value!r} to a read of {width} bytes at {kind} {place:#x}, {expected}")
    return number
