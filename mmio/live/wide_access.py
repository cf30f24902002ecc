"""Wide accesses: the methods that a patched load or store of more than eight bytes calls in place of the device's.

Few devices take such an access as it is. An initiator makes it of parts, as their mapping's policy says, and records
each. So a direct call (`mmio/live/direct_calls.py`) calls an initiator of this thread's, and has nothing to record.
"""

from collections.abc import Callable
from threading import get_ident
from typing import Any

from mmio.space.initiator import Initiator

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class WideAccess:
    """The accesses of one instruction, by each thread that executes it.

    Args:
        base: the address that offsets count from.
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._reads: dict[int, Callable[[int, int], int]] = {}  # by thread
        self._writes: dict[int, Callable[[int, int, int], None]] = {}

    def admit(self, ip: int, bus: Initiator, in_parts: bool) -> None:
        """Prepare for this thread.

        Args:
            ip: the address of the instruction.
            bus: an initiator of this thread's that has just executed it. It may execute another one meanwhile.
            in_parts: the device does not take the access as it is.
        """
        own = Initiator(bus.space, thread=bus.thread)
        own.trace, own.ip, own.instruction = bus.trace, ip, bus.instruction
        self._reads[get_ident()] = own.read_parts if in_parts else own.read
        self._writes[get_ident()] = own.write_parts if in_parts else own.write

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes, as an initiator does."""
        return self._reads[get_ident()](self._base + offset, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes, as an initiator does."""
        self._writes[get_ident()](self._base + offset, width, value)


class Made:
    """Bus of an instruction whose access has been made, and recorded: it gives what has come of it.

    Args:
        outcome: a tuple of the value, or of an exception's type, value and traceback.
    """

    def __init__(self, outcome: tuple[Any, ...]) -> None:
        self._outcome = outcome

    def read(self, _address: int, _width: int) -> Any:
        """Return the value, or raise."""
        if len(self._outcome) == 1:
            return self._outcome[0]
        raise raised(*self._outcome)

    def write(self, address: int, width: int, _value: int) -> None:
        """Do nothing, or raise."""
        self.read(address, width)


def raised(kind: Any, value: Any, traceback: Any) -> BaseException:
    """Return an exception as it has been raised. Python 3.11 makes an instance only when it is needed."""
    if isinstance(value, BaseException):
        return value.with_traceback(traceback)
    made: BaseException = kind() if value is None else kind(*value) if isinstance(value, tuple) else kind(value)
    if made.__traceback__ is None:  # else `Carrier` has returned an exception that has been under way
        made = made.with_traceback(traceback)
    return made
