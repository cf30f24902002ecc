"""The MSI-X table and its pending bits, as devices in a region of the function (PCI 3.0, 6.8.2)."""

from collections.abc import Callable
from typing import Any

from mmio.device.device import Device
from mmio.device.field import bit
from mmio.device.field import field as bits
from mmio.device.register import array
from mmio.pci.capabilities import MSIX_ENTRY


class MsixTable(Device):
    """The table: an address, data and a mask for each vector. `msix_table` makes it."""

    address = array(0x00, 1, MSIX_ENTRY, fields=[bits("ADDRESS", 31, 2, access="rw")], access="r")
    address_high = array(0x04, 1, MSIX_ENTRY)
    data = array(0x08, 1, MSIX_ENTRY)
    control = array(0x0C, 1, MSIX_ENTRY, reset=1, fields=[bit("MASKED", 0, access="rw")], access="r")

    changed: Callable[[], object] | None = None
    """Called after each write to a mask, when set."""

    @control.written
    def _masked(self, index: int, old: int, new: int) -> None:
        if self.changed is not None:
            self.changed()


class PendingBits(Device):
    """The pending bits: read-only words of 64. `pending_bits` makes them."""

    pending = array(0x00, 1, width=8, access="r")


def msix_table(vectors: int) -> MsixTable:
    """Return a table of so many vectors, all masked."""
    members: dict[str, Any] = {
        "address": array(0x00, vectors, MSIX_ENTRY, fields=[bits("ADDRESS", 31, 2, access="rw")], access="r"),
        "address_high": array(0x04, vectors, MSIX_ENTRY),
        "data": array(0x08, vectors, MSIX_ENTRY),
        "control": array(0x0C, vectors, MSIX_ENTRY, reset=1, fields=[bit("MASKED", 0, access="rw")], access="r"),
    }
    table: MsixTable = type("MsixTable", (MsixTable,), members)()
    return table


def pending_bits(vectors: int) -> PendingBits:
    """Return the pending bits of so many vectors."""
    members: dict[str, Any] = {"pending": array(0x00, -(-vectors // 64), width=8, access="r")}
    found: PendingBits = type("PendingBits", (PendingBits,), members)()
    return found
