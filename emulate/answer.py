"""Check what a bus answers before it reaches a register.

A bus is the caller's code. A negative number, or one that is too wide, would be bits that no register has, and None
an error far from where it came. Compiled instructions hold the shortest form of this look, `if m1 >> 32:`; `fitting` is
called when the answer does not fit, and what cannot be shifted is a TypeError there.
"""

from operator import index
from typing import Any, Final

from decode import Instruction, PagetrapError

COMPILED: Final = "<pagetrap instruction "
"""Beginning of the file names of compiled instructions, in tracebacks."""


class BusError(PagetrapError):
    """A bus answered a read with something other than an unsigned int of the access's width.

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


def unsigned(value: Any, width: int) -> int | None:
    """Return an answer as a plain int, None when it does not fit in `width` bytes or is none.

    Anything that Python itself takes for an integer will do.
    """
    if not hasattr(type(value), "__index__"):  # TypeError may also be what a signal handler raises just now
        return None
    number = index(value)
    return None if number >> 8 * width else number


def fitting(value: Any, address: int, width: int, kind: str = "address") -> int:
    """Return an answer as a plain int. Raises BusError when it is no int, or does not fit in `width` bytes."""
    number = unsigned(value, width)
    if number is None:
        expected = f"expected an int in 0..{(1 << 8 * width) - 1:#x}"
        raise BusError(f"the bus answered {value!r} to a read of {width} bytes at {kind} {address:#x}, {expected}")
    return number


def fitting_port(value: Any, port: int, width: int) -> int:
    """Return a port's answer as a plain int; raises as `fitting` does."""
    return fitting(value, port, width, "port")


def is_about_an_answer(error: TypeError) -> bool:
    """Return whether an error comes from a compiled instruction itself, which shifts answers without a check."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(COMPILED)


def read(bus: Any, address: int, width: int) -> int:
    """Read from a bus, for the loops that no compiled instruction holds. Raises BusError."""
    value = bus.read(address, width)
    return value if value.__class__ is int and not value >> 8 * width else fitting(value, address, width)


def port_read(bus: Any, port: int, width: int) -> int:
    """Read from a port of a bus, likewise."""
    value = bus.port_read(port, width)
    return value if value.__class__ is int and not value >> 8 * width else fitting_port(value, port, width)
