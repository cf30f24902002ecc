"""A PC's PCI configuration space: a host bridge with configuration mechanism #1, and functions behind it.

    pagetrap run --device examples/pci.py:HostBridge@ports:0xcf8+8 -- lspci -A intel-conf1
    pagetrap run --device examples/pci.py:MemoryHostBridge@/dev/pci -- \
        lspci -A mmio-conf1 -O devmem.path=/dev/pci -O mmio-conf1.addrs=0x0/0x1000

After the PCI Local Bus Specification 3.0: the mechanism is in section 3.2.2.3.2, headers in chapter 6, base address
registers in 6.2.5.1; a bridge's header is in the PCI-to-PCI Bridge Architecture Specification 1.2. There are no
capabilities and no expansion ROMs, and what the functions would do with their addresses is not modelled.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from mmio import Device, array, bit, field, register

NOBODY: Final = 0xFFFFFFFF  # a master abort reads as ones


@frozen
class Bar:
    """What a function asks for with a base address register: `size` bytes, a power of two, at `address`."""

    size: int
    address: int
    io: bool = False
    wide: bool = False  # 64 bits: it takes two registers
    prefetchable: bool = False

    @property
    def words(self) -> list[tuple[int, int, int]]:
        """For each register its writable bits, the bits that say what it is, and its first value."""
        kind = 1 if self.io else 4 * self.wide | 8 * self.prefetchable
        mask = ~(self.size - 1)
        shifts = (0, 32) if self.wide else (0,)
        return [(mask >> shift & NOBODY, kind >> shift, self.address >> shift & NOBODY) for shift in shifts]


class Function(Device):
    """Configuration space of one function: what every header has."""

    vendor_id = register(0x00, width=2, access="r")
    device_id = register(0x02, width=2, access="r")
    command = register(0x04, width=2, fields=[bit("IO", 0), bit("MEMORY", 1), bit("MASTER", 2), bit("INTX_OFF", 10)])
    status = register(0x06, width=2, on_write="woclr")
    revision_id = register(0x08, width=1, access="r")
    interface = register(0x09, width=1, access="r")
    subclass = register(0x0A, width=1, access="r")
    base_class = register(0x0B, width=1, access="r")
    cache_line_size = register(0x0C, width=1)
    latency_timer = register(0x0D, width=1)
    header_type = register(0x0E, width=1, access="r", fields=[field("LAYOUT", 6, 0), bit("MULTIFUNCTION", 7)])
    bist = register(0x0F, width=1, access="r")
    rest = array(0x40, count=48, access="r")

    def __init__(self, vendor: int, device: int, class_code: int, revision: int = 0, multifunction: bool = False):
        self.vendor_id.value = vendor
        self.device_id.value = device
        self.base_class.value = class_code >> 16
        self.subclass.value = class_code >> 8 & 0xFF
        self.interface.value = class_code & 0xFF
        self.revision_id.value = revision
        self.header_type.MULTIFUNCTION = multifunction


class Endpoint(Function):
    """A function that does something: header type 0."""

    bars = array(0x10, count=6, name="BAR")
    cardbus_cis = register(0x28, access="r")
    subsystem_vendor_id = register(0x2C, width=2, access="r")
    subsystem_id = register(0x2E, width=2, access="r")
    expansion_rom = register(0x30, access="r")
    capabilities = array(0x34, count=2, access="r")
    interrupt_line = register(0x3C, width=1)
    interrupt_pin = register(0x3D, width=1, access="r")
    min_grant = register(0x3E, width=1, access="r")
    max_latency = register(0x3F, width=1, access="r")

    def __init__(
        self,
        vendor: int,
        device: int,
        class_code: int,
        *bars: Bar,
        revision: int = 0,
        multifunction: bool = False,
        interrupt: int = 0,
    ):
        super().__init__(vendor, device, class_code, revision, multifunction)
        self._words = [word for bar in bars for word in bar.words]
        for bar, (mask, kind, address) in zip(self.bars, self._words, strict=False):
            bar.value = address & mask | kind
        self.command.IO = any(bar.io for bar in bars)
        self.command.MEMORY = any(not bar.io for bar in bars)
        self.interrupt_line.value, self.interrupt_pin.value = interrupt, int(interrupt > 0)

    @bars.written
    def _moved(self, index: int, old: int, new: int) -> None:
        # The low bits cannot be set: software that writes all ones reads back how much the function wants.
        mask, kind, _ = self._words[index] if index < len(self._words) else (0, 0, 0)
        self.bars[index].value = new & mask | kind


class Bridge(Function):
    """A PCI-to-PCI bridge, header type 1, and the functions on the bus behind it by (device, function)."""

    bars = array(0x10, count=2, access="r", name="BAR")
    primary_bus = register(0x18, width=1)
    secondary_bus = register(0x19, width=1)
    subordinate_bus = register(0x1A, width=1)
    secondary_latency = register(0x1B, width=1)
    windows = array(0x1C, count=8)
    interrupt_line = register(0x3C, width=1)
    interrupt_pin = register(0x3D, width=1, access="r")
    bridge_control = register(0x3E, width=2)

    def __init__(self, vendor: int, device: int, secondary: int, behind: Mapping[tuple[int, int], Function]):
        super().__init__(vendor, device, 0x060400)
        self.header_type.LAYOUT = 1
        self.secondary_bus.value = self.subordinate_bus.value = secondary
        self.behind = behind


def find(
    functions: Mapping[tuple[int, int], Function], bus: int, place: tuple[int, int], here: int = 0
) -> Function | None:
    """Return the function at a bus and a (device, function), as seen from the bus `here`; None where none is."""
    if bus == here:
        return functions.get(place)
    for bridge in functions.values():
        if isinstance(bridge, Bridge) and bridge.secondary_bus.value <= bus <= bridge.subordinate_bus.value:
            return find(bridge.behind, bus, place, bridge.secondary_bus.value)
    return None


def machine() -> dict[tuple[int, int], Function]:
    """Return the functions on the first bus of a small PC."""
    disk = Endpoint(0x1AF4, 0x1001, 0x010000, Bar(0x40, 0xD000, io=True), Bar(0x1000, 0xFD000000), interrupt=10)
    framebuffer = Bar(0x1000000, 0xE0000000, prefetchable=True)
    return {
        (0x00, 0): Endpoint(0x8086, 0x1237, 0x060000, revision=2),
        (0x01, 0): Endpoint(0x8086, 0x7000, 0x060100, multifunction=True),
        (0x01, 1): Endpoint(0x8086, 0x7010, 0x010180),
        (0x02, 0): Endpoint(0x1234, 0x1111, 0x030000, framebuffer, revision=2),
        (0x03, 0): Endpoint(
            0x8086, 0x100E, 0x020000, Bar(0x20000, 0xFEB80000), Bar(0x40, 0xC000, io=True), revision=3, interrupt=11
        ),
        (0x04, 0): Endpoint(0x1B36, 0x0010, 0x010802, Bar(0x4000, 0xFEBF0000, wide=True), revision=2, interrupt=11),
        (0x1E, 0): Bridge(0x1B36, 0x0001, 1, {(0x05, 0): disk}),
    }


class HostBridge(Device):
    """Configuration mechanism #1: which register in CONFIG_ADDRESS, its bytes in CONFIG_DATA."""

    config_address = register(
        0x00,
        fields=[
            bit("ENABLE", 31),
            field("BUS", 23, 16),
            field("DEVICE", 15, 11),
            field("FUNCTION", 10, 8),
            field("REGISTER", 7, 2),
        ],
    )
    config_data = register(0x04)

    def __init__(self, functions: Mapping[tuple[int, int], Function] | None = None) -> None:
        self.functions = machine() if functions is None else functions

    def read(self, offset: int, width: int) -> int:
        """Answer with the address, or with the register it names."""
        at = offset - self.data_offset
        if at < 0:
            return super().read(offset, width) if (offset, width) == (0, 4) else NOBODY >> 8 * (4 - width)
        function = self._selected()
        if function is None:
            return NOBODY >> 8 * (4 - width)
        return function.read(self.config_address.REGISTER * 4 + at, width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Take the address, or a value for the register it names."""
        at = offset - self.data_offset
        if at < 0:
            if (offset, width) == (0, 4):  # anything narrower is for other ports that share these numbers
                super().write(offset, width, value & 0x80FFFFFC)
        elif (function := self._selected()) is not None:
            function.write(self.config_address.REGISTER * 4 + at, width, value)

    def _selected(self) -> Function | None:
        address = self.config_address
        return find(self.functions, address.BUS, (address.DEVICE, address.FUNCTION)) if address.ENABLE else None

    @property
    def data_offset(self) -> int:
        """Where CONFIG_DATA is."""
        return type(self).config_data.offset


class MemoryHostBridge(HostBridge):
    """The same in memory, as some embedded machines have it: CONFIG_DATA is one page after CONFIG_ADDRESS.

    Its bus is 32 bits wide. The upper half of an access of 8 bytes, such as pciutils 3.9.0 makes, goes nowhere.
    """

    length = 0x2000
    config_data = register(0x1000)

    def read(self, offset: int, width: int) -> int:
        """Answer with at most 4 bytes."""
        return super().read(offset, min(width, 4))

    def write(self, offset: int, width: int, value: int) -> None:
        """Take at most 4 bytes."""
        super().write(offset, min(width, 4), value & NOBODY)
