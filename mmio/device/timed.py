"""Devices whose accesses advance a clock.

A wrapper, so that the path of an access has no question about time in it: a device without such a clock is mapped as it
is.
"""

from typing import Any, Final

from attrs import evolve

from mmio.device.accessor import Ended, Path, path_of
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
        self._clock = clock
        inner_read, inner_write, access, per_access = device.read, device.write, clock.access, clock.per_access

        def read(offset: int, width: int) -> int:
            now = clock._now + per_access
            if now >= clock._alarm:
                access()
            else:  # what that would do, where a call would cost more than all the rest
                clock._now = now
            try:
                value: int = inner_read(offset, width)
            except NoRegister as hole:
                self._take_over(hole)
                raise
            return value

        def write(offset: int, width: int, value: int) -> None:
            now = clock._now + per_access
            if now >= clock._alarm:
                access()
            else:
                clock._now = now
            try:
                inner_write(offset, width, value)
            except NoRegister as hole:
                self._take_over(hole)
                raise

        self.read, self.write = read, write  # functions that know what they call take less time than methods

    def _device_path(self, offset: int, width: int, written: bool, ended: Ended) -> Path | None:
        path = path_of(self._device, offset, width, written, ended) if self._clock.per_access else None
        return None if path is None or path.clock is not None else evolve(path, clock=self._clock)

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


class Fronting:
    """Base of what stands in front of a device: an access moves the clock as one of the device itself would.

    Attributes:
        device: the device behind it.
    """

    device: Any

    def _device_moving(self) -> Clock | None:
        return moving(self.device)

    def _device_on_bus(self) -> Any:
        return on_time(self, self._device_moving())


def moving(device: Any) -> Clock | None:
    """Return the clock that accesses to a device move; None where they move none.

    Args:
        device: any device.
    """
    clock_of = getattr(type(device), "_device_moving", None)
    found: Clock | None = None if clock_of is None else clock_of(device)
    return found


def on_time(device: Any, clock: Clock | None) -> Any:
    """Return a device as the bus is to see it: itself where no clock moves.

    Args:
        device: any device.
        clock: the clock that its accesses move.
    """
    return device if clock is None else timed(device, clock)


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
