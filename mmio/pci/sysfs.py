"""Files about PCI functions as in the Linux kernel's sysfs and /proc/bus/pci.

After drivers/pci/pci-sysfs.c and proc.c of Linux 6.1, and include/linux/ioport.h for the flags.
"""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from mmio.pci.address import PciAddress
from mmio.pci.capabilities import PcieEndpoint
from mmio.pci.function import PciFunction

DEVICES: Final = "/sys/bus/pci/devices"
SYS: Final = "/sys/bus/pci"
PROC: Final = "/proc/bus/pci"

_IO, _MEMORY, _PREFETCH, _READ_ONLY, _WIDE = 0x100, 0x200, 0x2000, 0x4000, 0x10_0000  # IORESOURCE_…
_ALIGNED: Final = 0x4_0000  # IORESOURCE_SIZEALIGN
_RESOURCES: Final = 13  # lines of `resource`: six regions, the ROM, six of bridges
_ROM: Final = 6
_SPEEDS: Final = {1: "2.5 GT/s PCIe", 2: "5.0 GT/s PCIe", 3: "8.0 GT/s PCIe"}


@frozen
class Resource:
    """A region as the kernel has it: the first address, the last one, and flags; zeros where there is none."""

    start: int = 0
    last: int = 0
    flags: int = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return self.last + 1 - self.start if self.flags else 0

    def __str__(self) -> str:
        return f"0x{self.start:016x} 0x{self.last:016x} 0x{self.flags:016x}"


def resources(function: PciFunction) -> list[Resource]:
    """Return the regions of a function, by the number of their register; the ROM is the seventh.

    Args:
        function: its regions have addresses.
    """
    found = [Resource()] * _RESOURCES
    for index, bar in function.bars.items():
        flags = _IO if bar.kind == "io" else _MEMORY | _PREFETCH * bar.prefetchable | _WIDE * bar.wide
        start = function.address(index)
        information = function.config[f"BAR{index}"].value & (3 if bar.kind == "io" else 15)
        found[index] = Resource(start, start + bar.size - 1, flags | _ALIGNED | information)
    if function.rom is not None:
        start = function.config["ROM"].value & ~0x7FF
        found[_ROM] = Resource(start, start + function.rom.length - 1, _MEMORY | _PREFETCH | _READ_ONLY | _ALIGNED)
    return found


def attributes(address: PciAddress, function: PciFunction) -> dict[str, str]:
    """Return the text files in the directory of a function, by name.

    Args:
        address: of the function.
        function: the function.
    """
    config = function.config
    vendor, device = config.vendor_id.value, config.device_id.value
    sub_vendor, sub_device = config.subsystem_vendor_id.value, config.subsystem_id.value
    base, sub, interface = config.base_class.value, config.subclass.value, config.interface.value
    number = base << 16 | sub << 8 | interface
    alias = f"pci:v{vendor:08X}d{device:08X}sv{sub_vendor:08X}sd{sub_device:08X}bc{base:02X}sc{sub:02X}i{interface:02X}"
    found = {
        "vendor": f"0x{vendor:04x}",
        "device": f"0x{device:04x}",
        "subsystem_vendor": f"0x{sub_vendor:04x}",
        "subsystem_device": f"0x{sub_device:04x}",
        "class": f"0x{number:06x}",
        "revision": f"0x{config.revision_id.value:02x}",
        "irq": str(config.interrupt_line.value),
        "resource": "\n".join(
            f"0x{one.start:016x} 0x{one.last:016x} 0x{one.flags:016x}" for one in resources(function)
        ),
        "modalias": alias,
        "uevent": (
            f"PCI_CLASS={number:X}\nPCI_ID={vendor:04X}:{device:04X}\nPCI_SUBSYS_ID={sub_vendor:04X}:{sub_device:04X}\n"
            f"PCI_SLOT_NAME={address}\nMODALIAS={alias}"
        ),
        "numa_node": "-1",
        "local_cpulist": "0",
        "dma_mask_bits": "64",
        "consistent_dma_mask_bits": "64",
        "broken_parity_status": "0",
        "msi_bus": "1",
        "ari_enabled": "0",
        "d3cold_allowed": "1",
        "power_state": "D0",
        "driver_override": "(null)",
    }
    for capability in function.capabilities.values():
        if isinstance(capability, PcieEndpoint):
            found |= {f"{which}_link_speed": _SPEEDS[capability.speed] for which in ("current", "max")}
            found |= {f"{which}_link_width": str(capability.width) for which in ("current", "max")}
    return {name: f"{text}\n" for name, text in found.items()}


def proc_line(address: PciAddress, function: PciFunction) -> str:
    """Return a function's line of /proc/bus/pci/devices.

    Args:
        address: of the function.
        function: the function.
    """
    return "\t".join(_proc_fields(address, function)) + "\n"


def _proc_fields(address: PciAddress, function: PciFunction) -> Iterator[str]:
    config, regions = function.config, resources(function)[: _ROM + 1]
    yield f"{address.bus:02x}{address.place:02x}"
    yield f"{config.vendor_id.value:04x}{config.device_id.value:04x}"
    yield f"{config.interrupt_line.value:x}"
    yield from (f"{one.start | one.flags & 15:16x}" for one in regions)
    yield from (f"{one.size:16x}" for one in regions)
    yield ""
