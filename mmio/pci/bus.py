"""PCI functions of a machine, and access to their configuration spaces by IO ports."""

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from decode import Direction
from mmio.arguments import shortened
from mmio.device.device import Device
from mmio.device.field import bit
from mmio.device.field import field as bits
from mmio.device.register import register
from mmio.pci.address import PciAddress, pci_address
from mmio.pci.function import PciFunction

NOTHING: Final = 0xFFFFFFFF  # a master abort reads as ones
HOST_BRIDGE: Final = 0x1B36, 0x0008, 0x060000  # Red Hat's numbers for a generic one

_WINDOWS: Final = {"io": (0xC000, 0x1_0000), "memory": (0xE000_0000, 0xFEC0_0000), "wide": (0x38_0000_0000, 1 << 46)}
_IRQS: Final = (11, 10, 9, 5)  # of the pins, as a PC with an 8259 routes them


class PciBus:
    """The functions of a machine, by their addresses.

    A machine has a host bridge: one is at 00:00.0 from the first function on, unless that is there.
    """

    def __init__(self) -> None:
        self._functions: dict[PciAddress, PciFunction] = {}
        self._next = {kind: start for kind, (start, _) in _WINDOWS.items()}

    def __iter__(self) -> Iterator[tuple[PciAddress, PciFunction]]:
        """Iterate over the functions in the order of their addresses."""
        return iter(sorted(self._functions.items()))

    def __len__(self) -> int:
        """Return how many functions there are."""
        return len(self._functions)

    def at(self, bus: int, place: int) -> PciFunction | None:
        """Return the function of a bus in the first domain.

        Args:
            bus: its number.
            place: device and function, as one number.
        """
        return self._functions.get(PciAddress(0, bus, place >> 3, place & 7))

    def free(self) -> PciAddress:
        """Return the first address on bus 0 where nothing is, from device 1 on.

        Raises:
            ValueError: there is none.
        """
        for device in range(1, 32):
            if not any(one[:3] == (0, 0, device) for one in self._functions):
                return PciAddress(0, 0, device, 0)
        raise ValueError("all 31 devices of bus 0 are taken; say where a function is to be, such as 01:00.0")

    def add(self, address: Any, function: PciFunction) -> PciAddress:
        """Add a function, and do what firmware does: give its regions addresses, and let it decode them.

        Args:
            address: its address, as `lspci -s` has it.
            function: the function.

        Raises:
            TypeError: it is no function, or no address.
            ValueError: something is there, or there is no room left for its regions.
        """
        if isinstance(function, type) or not isinstance(function, PciFunction):
            raise TypeError(f"function is a PciFunction, not {shortened(function)}")
        place = pci_address(address)
        if place in self._functions:
            raise ValueError(f"{self._functions[place].name} is at {place} already")
        self._firmware(place, function)
        self._functions[place] = function
        first = PciAddress(0, 0, 0, 0)
        if first not in self._functions and place != first:
            self._functions[first] = PciFunction(*HOST_BRIDGE, interrupt_pin=0, name="HostBridge")
        self._mark_multifunction(place)
        return place

    def _firmware(self, place: PciAddress, function: PciFunction) -> None:
        # The largest first: nothing is lost to alignment then.
        for index in sorted(function.bars, key=lambda index: -function.bars[index].size):
            bar = function.bars[index]
            kind = "wide" if bar.wide else bar.kind
            start = -(-self._next[kind] // bar.size) * bar.size
            end = _WINDOWS[kind][1]
            if start + bar.size > end:
                what = f"BAR{index} of {function.name}, {bar.size:#x} bytes of {bar.kind}"
                raise ValueError(f"there is no room left for {what}, in {_WINDOWS[kind][0]:#x}..{end:#x}")
            function.place(index, start)
            self._next[kind] = start + bar.size
        if function.rom is not None:
            start = -(-self._next["memory"] // function.rom.length) * function.rom.length
            function.config["ROM"].write(start)
            self._next["memory"] = start + function.rom.length
        command = function.config.command
        command.IO = int(any(bar.kind == "io" for bar in function.bars.values()))
        command.MEMORY = int(any(bar.kind == "memory" for bar in function.bars.values()))
        pin = function.config.interrupt_pin.value
        function.config.interrupt_line.value = _IRQS[(place.device + pin - 1) % 4] if pin else 0

    def _mark_multifunction(self, place: PciAddress) -> None:
        """Say in the first function of a device that there are others, without which software looks for none."""
        same = {one.function: function for one, function in self._functions.items() if one[:3] == place[:3]}
        if len(same) > 1 and 0 in same:
            same[0].config.header_type.MULTIFUNCTION = 1


class ConfigPorts(Device):
    """Configuration mechanism #1: which register in CONFIG_ADDRESS, its bytes in CONFIG_DATA.

    After the PCI Local Bus Specification 3.0, 3.2.2.3.2. It belongs at the IO ports 0xcf8..0xd00.

    Args:
        bus: the functions that it reaches, those of the first domain.
    """

    config_address = register(
        0x00,
        fields=[
            bit("ENABLE", 31),
            bits("BUS", 23, 16),
            bits("DEVICE", 15, 11),
            bits("FUNCTION", 10, 8),
            bits("REGISTER", 7, 2),
        ],
    )
    config_data = register(0x04)

    def __init__(self, bus: PciBus) -> None:
        self.bus = bus

    def read(self, offset: int, width: int) -> int:
        """Answer with the address, or with the register it names."""
        if offset < 4:
            return super().read(offset, width) if (offset, width) == (0, 4) else NOTHING >> 8 * (4 - width)
        function = self._selected()
        if function is None:
            return NOTHING >> 8 * (4 - width)
        return function.config.read(self._at(offset), width)

    def write(self, offset: int, width: int, value: int) -> None:
        """Take the address, or a value for the register it names."""
        if offset < 4:
            if (offset, width) == (0, 4):  # anything narrower is for other ports that share these numbers
                super().write(offset, width, value & 0x80FFFFFC)
        elif (function := self._selected()) is not None:
            function.config.write(self._at(offset), width, value)

    def _at(self, offset: int) -> int:
        return self.config_address.REGISTER * 4 + offset - 4

    def _selected(self) -> PciFunction | None:
        address = self.config_address
        return self.bus.at(address.BUS, address.DEVICE << 3 | address.FUNCTION) if address.ENABLE else None

    def _names(self, offset: int, width: int, direction: Direction) -> Any:
        function = self._selected() if offset >= 4 else None
        if function is None:
            return self.layout
        address = self.config_address
        place = f"{address.BUS:02x}:{address.DEVICE:02x}.{address.FUNCTION}"
        return _Selected(place, function.config, self._at(4))

    @property
    def naming(self) -> Any:
        """A function that names an access: CONFIG_DATA is the register of the function that is selected."""
        return self._names


@frozen
class _Selected:
    """CONFIG_DATA while a register of a function is selected. Compared by value, as records compare names."""

    place: str
    config: Any
    at: int

    def name_at(self, offset: int, width: int) -> str | None:
        name = self.config.name_at(self.at + offset - 4, width)
        return f"{self.place} {name or hex(self.at + offset - 4)}"

    def describe(self, offset: int, width: int, value: int) -> str:
        return str(self.config.describe(self.at + offset - 4, width, value))

    def fields_at(self, offset: int, width: int) -> Any:
        return self.config.fields_at(self.at + offset - 4, width)
