"""Interrupts by Linux's userspace IO (drivers/uio/uio.c).

A device counts its interrupts in 32 bits. Each open of /dev/uioN remembers the count it has seen: a read of exactly
four bytes waits until it is another one, and returns it. Writing 0 or 1 masks and unmasks (irqcontrol), as
uio_pdrv_genirq does it: a level-triggered interrupt masks itself, and the driver writes 1 when it has quietened the
device.
"""

import struct
from collections.abc import Callable
from typing import Final

from mmio.device.line import Line
from mmio.interrupts.source import InterruptSource

COUNT: Final = struct.Struct("<I")
"""The count as a read returns it, and what a write of irqcontrol holds."""


class Uio:
    """The interrupt of a UIO device.

    Args:
        line: of the device.
        trigger: "level" or "edge"; the line's own when left out.

    Attributes:
        count: interrupts so far, modulo 2 to the 32nd.
        told: functions that are called after each; each open of the device has one.
    """

    def __init__(self, line: Line, trigger: str | None = None) -> None:
        self.count = 0
        self.told: list[Callable[[], object]] = []
        self.source = InterruptSource(line, self._event, trigger=trigger)

    def control(self, on: int) -> None:
        """Mask (0) or unmask (any other value), as a write to the descriptor does."""
        if on:
            self.source.unmask()
        else:
            self.source.mask()

    def close(self) -> None:
        """Take it off the line."""
        self.source.close()

    def _event(self) -> None:
        self.count = self.count + 1 & 0xFFFFFFFF
        for tell in tuple(self.told):
            tell()
