"""Wrap a device model as a PCI function."""

from typing import Any, Final

from mmio.device.device import Device
from mmio.pci.bar import Bar
from mmio.pci.function import PciFunction

OTHER: Final = 0xFF0000
"""The class of a device that fits no class (PCI Code and ID Assignment Specification)."""


class Pci(PciFunction):
    """A PCI function with one region of memory, BAR0, in which a device model answers.

    Its interrupt pin is the model's line, if that has just one. A card of several regions, of IO ports, or with
    capabilities is a `mmio.pci.PciFunction`.

    Args:
        device: the model; with `read(offset, width)` and `write(offset, width, value)`.
        vendor: the vendor's number.
        device_id: the vendor's number for the device.
        class_code: 24 bits: base class, subclass, programming interface.
        revision: 8 bits.
        size: of the region in bytes, a power of two; the model's length, rounded up, when left out.
        subsystem: the numbers of the board's vendor and of the board.
        name: in records and messages; the model's class when left out.

    Raises:
        TypeError: an argument is of a wrong kind.
        ValueError: a number does not fit.
    """

    def __init__(
        self,
        device: Any,
        vendor: int,
        device_id: int,
        *,
        class_code: int = OTHER,
        revision: int = 0,
        size: int = 0,
        subsystem: tuple[int, int] = (0, 0),
        name: str | None = None,
    ) -> None:
        super().__init__(
            vendor,
            device_id,
            class_code,
            revision=revision,
            subsystem=subsystem,
            bars=[Bar(0, device, size=size)],
            name=type(device).__name__ if name is None else name,
        )
        if isinstance(device, Device):
            lines = list(device.snapshot()["lines"])
            if len(lines) == 1:
                self.interrupts.follow(getattr(device, lines[0]))
