"""Interrupts of a function at /dev/uioN, as uio_pci_generic of Linux hands them out.

While the function asserts its pin and COMMAND.INTX_OFF is 0, there is an interrupt; it sets INTX_OFF, and the driver
clears that in configuration space when it has quietened the device (pci_check_and_mask_intx, and
Documentation/driver-api/uio-howto.rst). Each message of a driver that has enabled MSI or MSI-X counts as well. The
driver may also write 0 or 1 to the descriptor (irqcontrol), which the kernel's driver has not: igb_uio, which many
drivers in user space use, has it.
"""

from typing import ClassVar

from mmio.interrupts.uio import UioInterrupt
from mmio.pci.function import PciFunction
from mmio.pci.interrupts import Message


class PciUio(UioInterrupt):
    """The interrupt of a function at /dev/uioN.

    Args:
        function: the function.

    Attributes:
        count: interrupts so far, modulo 2 to the 32nd.
        told: functions that are called after each.
        has_maps: False: a driver maps the region's files in sysfs.
    """

    has_maps: ClassVar[bool] = False

    def __init__(self, function: PciFunction) -> None:
        super().__init__()
        self._function = function
        self._ends = [function.intx.subscribe(self._pin), function.interrupts.subscribe(self._message)]
        self._pin(function.intx.level)

    def control(self, on: int) -> None:
        """Clear COMMAND.INTX_OFF, or set it (0)."""
        self._function.config.command.INTX_OFF = int(not on)
        self._function.interrupts.changed()

    def close(self) -> None:
        """Listen to the function no more. Closing twice is closing once."""
        for end in self._ends:
            end()
        self._ends.clear()

    def _pin(self, asserted: bool) -> None:
        if asserted:
            self.control(0)
            self._event()

    def _message(self, message: Message) -> None:
        self._event()


class UioNode:
    """The file /dev/uioN of a function: it has an interrupt, and nothing to read or to map.

    Args:
        function: the function.
    """

    length = 4

    def __init__(self, function: PciFunction) -> None:
        self._function = function

    def interrupt(self) -> PciUio:
        """Return the interrupt, for one run."""
        return PciUio(self._function)

    def read(self, offset: int, width: int) -> int:
        """Return 0: what a read of the file gives is the count, of which this is not asked."""
        return 0

    def write(self, offset: int, width: int, value: int) -> None:
        """Do nothing."""
