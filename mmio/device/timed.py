"""Devices whose accesses advance a clock.

A wrapper, so that the path of an access has no question about time in it: a device without such a clock is mapped as it
is.
"""

from typing import Any, Final

from mmio.device.clock import Clock
from mmio.device.time_policy import HostTime, PerAccess, PerPoll
from mmio.errors import NoRegister

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_AROUND: Final = ("update", "read_block", "write_block", "fetch")
"""Methods of a device that would get round `read` and `write`."""


class Timed:
    """A device whose accesses take time.

    Args:
        device: the one that answers.
        clock: advanced before each access, so that what is due by then has happened.

    Attributes:
        device: as given.
    """

    def __init__(self, device: Any, clock: Clock) -> None:
        self._device = self.device = device
        access, inner_read, inner_write = clock.access, device.read, device.write

        def read(offset: int, width: int) -> int:
            access()
            try:
                value: int = inner_read(offset, width)
            except NoRegister as hole:
                self._take_over(hole)
                raise
            return value

        def write(offset: int, width: int, value: int) -> None:
            access()
            try:
                inner_write(offset, width, value)
            except NoRegister as hole:
                self._take_over(hole)
                raise

        self.read, self.write = read, write  # functions that know what they call take less time than methods

    def _take_over(self, hole: NoRegister) -> None:
        """Make the mapping's policy for holes apply, as if the device itself were mapped."""
        if hole.device is self._device:
            hole.device = self

    def __getattr__(self, name: str) -> Any:
        """Return the device's own, such as `holes`. Not those that would get round `read` and `write`."""
        if name in _AROUND:
            raise AttributeError(name)
        return getattr(self._device, name)


class Polled(Timed):
    """A device of which polls take time: reads of a register that give the same value again, with no write between.

    Args:
        device: the one that answers.
        clock: advanced after each poll.
    """

    def __init__(self, device: Any, clock: Clock) -> None:
        super().__init__(device, clock)
        last: dict[int, int] = {}  # by offset and width
        last_of = last.get
        poll, inner_read, inner_write = clock.poll, device.read, device.write

        def read(offset: int, width: int) -> int:
            try:
                value: int = inner_read(offset, width)
            except NoRegister as hole:
                self._take_over(hole)
                raise
            place = offset << 16 | width
            if last_of(place) == value:
                poll()
            else:
                last[place] = value
            return value

        def write(offset: int, width: int, value: int) -> None:
            last.clear()
            try:
                inner_write(offset, width, value)
            except NoRegister as hole:
                self._take_over(hole)
                raise

        self.read, self.write = read, write


def timed(device: Any, clock: Clock) -> Any:
    """Return a device as the bus is to see it, by the clock's policy: itself where no access moves the clock.

    Args:
        device: any device.
        clock: its clock.
    """
    match clock.policy:
        case PerAccess() | HostTime():
            return Timed(device, clock)
        case PerPoll():
            return Polled(device, clock)
    return device
