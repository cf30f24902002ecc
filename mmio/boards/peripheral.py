"""Placeholders of peripherals in the address space: until a peripheral is created, and for aliases."""

from collections.abc import Callable
from typing import Any

from mmio.errors import NoRegister


class Unmade:
    """A peripheral whose class is made, and an instance of it, at its first access.

    Args:
        make: makes the device and puts it in this one's place; returns it.
        retry: other devices have been laid over it then, one of which may be meant.
    """

    naming: Any = None

    def __init__(self, make: Callable[[], Any], retry: bool = False) -> None:
        self._make = make
        self._retry = retry

    def read(self, offset: int, width: int) -> int:
        """Make the peripheral, and read from it."""
        value: int = self._made(offset, width).read(offset, width)
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Make the peripheral, and write to it."""
        self._made(offset, width).write(offset, width, value)

    def holes(self, offset: int, width: int) -> int:
        """Make the peripheral, and ask it."""
        holes: int = self._make().holes(offset, width)
        return holes

    def _made(self, offset: int, width: int) -> Any:
        device = self._make()
        if self._retry:
            raise NoRegister(device, offset, width)  # for which the access is made anew, by what lies there now
        return device


class Window:
    """Registers of a peripheral that lie among those of another, as a device of their own.

    Args:
        shift: the offset of the first of them in the peripheral.
    """

    naming: Any = None

    def __init__(self, shift: int) -> None:
        self._shift = shift
        self._device: Any = None

    @property
    def device(self) -> Any:
        """The device that it shows."""
        return self._device

    def aim(self, device: Any) -> None:
        """Show a device from now on."""
        self._device = device

    def read(self, offset: int, width: int) -> int:
        """Read from the device."""
        try:
            value: int = self._device.read(offset + self._shift, width)
        except NoRegister as hole:
            self._take_over(hole)
            raise
        return value

    def write(self, offset: int, width: int, value: int) -> None:
        """Write to the device."""
        try:
            self._device.write(offset + self._shift, width, value)
        except NoRegister as hole:
            self._take_over(hole)
            raise

    def holes(self, offset: int, width: int) -> int:
        """Return the device's."""
        holes = getattr(self._device, "holes", None)
        return 0 if holes is None else int(holes(offset + self._shift, width))

    def name_at(self, offset: int, width: int) -> str | None:
        """Return the device's name for these bytes."""
        name_at = getattr(self._device, "name_at", None)
        return None if name_at is None else name_at(offset + self._shift, width)

    def describe(self, offset: int, width: int, value: int) -> str:
        """Return the device's description of a value."""
        describe = getattr(self._device, "describe", None)
        return "" if describe is None else str(describe(offset + self._shift, width, value))

    def fields_at(self, offset: int, width: int) -> Any:
        """Return the device's fields."""
        fields_at = getattr(self._device, "fields_at", None)
        return () if fields_at is None else fields_at(offset + self._shift, width)

    def _take_over(self, hole: NoRegister) -> None:
        if hole.device is self._device:
            hole.device = self


def runs(layout: Any, taken: set[int], base: int) -> list[range]:
    """Return the runs of a peripheral's registers that are not taken, as offsets; take them.

    Args:
        layout: of the peripheral.
        taken: addresses of bytes that registers of other peripherals have.
        base: the address of the peripheral.
    """
    found: list[range] = []
    for place in sorted(layout.places, key=lambda place: place.offset):
        addresses = range(base + place.offset, base + place.offset + place.width)
        if taken.intersection(addresses):
            continue
        taken.update(addresses)
        if found and found[-1].stop == place.offset:
            found[-1] = range(found[-1].start, place.offset + place.width)
        else:
            found.append(range(place.offset, place.offset + place.width))
    return found
