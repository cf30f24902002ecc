"""Rules for every driver, checked at each of its accesses.

One guard stands in front of the faults and sees what the driver does; the other stands behind them and sees what
reaches the device: a write that a fault has swallowed breaks nothing.
"""

from typing import Any

from decode import WRITE
from mmio.device.device import Device
from mmio.errors import MmioError, NoRegister
from mmio.faults.places import Places, Spot

__tracebackhide__ = True  # pytest reports the driver's call


class DriverError(MmioError, AssertionError):
    """A driver has violated a rule for drivers; the message says where."""


class _Before:
    """A device that passes on what it is asked, and has the attributes of the one behind it."""

    def __init__(self, device: Any, names: Any) -> None:
        self._device = device
        self._names = names

    def _took(self, hole: NoRegister) -> None:
        if hole.device is self._device:
            hole.device = self

    def _place(self, offset: int, width: int) -> str:
        name_at = getattr(self._names, "name_at", None)
        return (name_at(offset, width) if name_at else None) or f"+{offset:#x}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("_device", "update", "read_block", "write_block", "fetch"):
            raise AttributeError(name)
        return getattr(self._device, name)


class Visitor(_Before):
    """The guard in front: every poll has an end, and there is no access after the driver has been closed.

    Args:
        device: the device behind it.
        names: what names its registers.
        max_polls: reads of one register, in one call of the driver and with no write in between, that show the same.

    Attributes:
        closed: whether the driver has been.
        covered: what it has touched: direction, offset, width, and the values of narrow fields.
    """

    def __init__(self, device: Any, names: Any, max_polls: int) -> None:
        super().__init__(device, names)
        self._max_polls = max_polls
        self._polls: dict[tuple[int, int], tuple[int, int]] = {}
        self.closed = False
        self.covered: set[tuple[str, int, int, int]] = set()
        layout = getattr(Places(names, None).core, "layout", None)
        self._narrow = {
            place.offset: sum(field.mask for field in place.fields if field.width <= 3)
            for place in getattr(layout, "places", ())
        }

    def begin_call(self) -> None:
        """Forget the polls so far: another call of the driver begins."""
        self._polls.clear()

    def read(self, offset: int, width: int) -> int:
        """Read, and count the poll."""
        self._check_open("read", offset, width)
        try:
            value: int = self._device.read(offset, width)
        except NoRegister as hole:
            self._took(hole)
            raise
        shown, count = self._polls.get((offset, width), (value, 0))
        count = count + 1 if shown == value else 1
        self._polls[offset, width] = value, count
        self.covered.add(("R", offset, width, value & self._narrow.get(offset, 0)))
        if count > self._max_polls:
            raise DriverError(
                f"the driver has read {self._place(offset, width)} {count} times in one call, always {value:#x}: a "
                f"poll must have an end (max_polls = {self._max_polls})"
            )
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Write, after which polls are counted anew."""
        self._check_open("write", offset, width)
        self._polls.clear()
        self.covered.add(("W", offset, width, value & self._narrow.get(offset, 0)))
        try:
            self._device.write(offset, width, value)
        except NoRegister as hole:
            self._took(hole)
            raise

    def _check_open(self, verb: str, offset: int, width: int) -> None:
        if self.closed:
            raise DriverError(f"a {verb} of {self._place(offset, width)} after the driver has been closed")


class Reserved(_Before):
    """The guard behind the faults: bits that no field covers are written as they are after reset.

    A field that is neither read nor written (`access="na"`) is reserved, too. A register without fields has no
    reserved bits.

    Args:
        device: the device behind it.
        names: what names its registers.
    """

    def __init__(self, device: Any, names: Any) -> None:
        super().__init__(device, names)
        places = Places(names, None)
        self._rules = [(spot, *rule) for spot in places.spots if (rule := _reserved(places.core, spot)) is not None]

    def read(self, offset: int, width: int) -> int:
        """Read."""
        try:
            value: int = self._device.read(offset, width)
        except NoRegister as hole:
            self._took(hole)
            raise
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Check the bits, and write."""
        for spot, reserved, reset in self._rules:
            if spot.start < offset + width and offset < spot.end:
                self._check(spot, reserved, reset, offset, width, value)
        try:
            self._device.write(offset, width, value)
        except NoRegister as hole:
            self._took(hole)
            raise

    def _check(self, spot: Spot, reserved: int, reset: int, offset: int, width: int, value: int) -> None:
        shift = 8 * (offset - spot.start)
        lanes = (1 << 8 * width) - 1
        written = value << shift if shift >= 0 else value >> -shift
        lanes = lanes << shift if shift >= 0 else lanes >> -shift
        wrong = (written ^ reset) & reserved & lanes
        if wrong and (not spot.shared or self._reaches(spot, offset, width)):
            raise DriverError(
                f"a write of {value:#x} to {self._place(offset, width)} changes reserved bits {wrong:#x} of "
                f"{spot.name}, which are {reset & wrong:#x} after reset"
            )

    def _reaches(self, spot: Spot, offset: int, width: int) -> bool:
        naming = getattr(self._names, "naming", None)
        names = self._names if naming is None else naming(offset, width, WRITE)
        return bool(names.name_at(offset, width) == spot.name)


def _reserved(device: Any, spot: Spot) -> tuple[int, int] | None:
    """Return the reserved bits of a register, and its value after reset; None when there are none."""
    if not spot.fields or not isinstance(device, Device):
        return None
    cell = device[spot.name]._cell
    known = sum(field.mask for field in spot.fields if field.access != "na")
    reserved = cell.mask & ~known
    return (reserved, cell.reset_value) if reserved else None
