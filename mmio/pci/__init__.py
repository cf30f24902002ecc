"""PCI functions: configuration space with capabilities, regions with devices, interrupts, DMA."""

from mmio.pci.bar import Bar
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

__all__ = [
    "Bar",
    "Capability",
    "ConfigSpace",
    "Interrupts",
    "Message",
    "Msi",
    "MsiX",
    "NotBusMaster",
    "PciFunction",
    "PcieEndpoint",
    "PowerManagement",
    "SerialNumber",
    "VendorSpecific",
]
