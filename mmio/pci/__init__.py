"""PCI functions: configuration space with capabilities, regions with devices, interrupts, DMA; the bus they are on."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:
    from mmio.pci.address import PciAddress
    from mmio.pci.bar import Bar
    from mmio.pci.bus import ConfigPorts, PciBus
    from mmio.pci.capabilities import (
        Capability,
        Msi,
        MsiX,
        PcieEndpoint,
        PowerManagement,
        SerialNumber,
        VendorSpecific,
    )
    from mmio.pci.config import ConfigSpace
    from mmio.pci.function import NotBusMaster, PciFunction
    from mmio.pci.interrupts import Interrupts, Message
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "Bar",
    "Capability",
    "ConfigPorts",
    "ConfigSpace",
    "Interrupts",
    "Message",
    "Msi",
    "MsiX",
    "NotBusMaster",
    "PciAddress",
    "PciBus",
    "PciFunction",
    "PcieEndpoint",
    "PowerManagement",
    "SerialNumber",
    "VendorSpecific",
]
