"""A PCI function as the VMM accesses it: regions in an address space, so that each access is recorded.

A region is in the address space where the guest has put it, from the moment that it decodes addresses. The VMM names
regions by number, not by address; one that has no address yet is found at a placeholder.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from decode import READ, WRITE, Direction
from mmio.device.memory import ProgramMemory
from mmio.errors import MappingError
from mmio.guests.instructions import UNKNOWN, Instructions, makes
from mmio.guests.interrupts import Interrupts
from mmio.guests.memory import GuestMemory
from mmio.guests.messages import CONFIG_REGION, INTX, MSI, MSIX, Refused
from mmio.pci.bar import BARS
from mmio.pci.function import PciFunction
from mmio.records.flags import MISFIT
from mmio.space.initiator import Initiator
from mmio.space.policy import Unmapped
from mmio.space.region import Region
from mmio.space.space import AddressSpace

_ROM_REGION: Final = 6
_WIDEST: Final = 64  # bytes of one access
_PLACEHOLDERS: Final = 1 << 60
_BEHIND: Final = -1  # the priority of placeholders
_MODES: Final = {"msi": MSI, "msix": MSIX}


class Card:
    """A function on the bus of a guest; the server's `Served`.

    Args:
        function: the function.
        space: where its regions are mapped; others may be there, too.
        number: tells the cards of one space apart.
        unmapped: what an access meets where a region's device has no register.
        instructions: knows what the guest is executing.
        config: record accesses to configuration space, too. Firmware and kernel make hundreds.
    """

    def __init__(
        self,
        function: PciFunction,
        space: AddressSpace,
        *,
        number: int = 0,
        unmapped: Unmapped = "ones",
        instructions: Instructions = UNKNOWN,
        config: bool = False,
    ) -> None:
        self.function = function
        self.space = space
        self._number = number
        self._unmapped: Unmapped = unmapped
        self._instructions = instructions
        self._bus = space.initiator()
        self._detaching = ExitStack()
        interrupts = function.interrupts
        self.irqs: Mapping[int, int] = {
            INTX: interrupts.vectors("intx"),
            MSI: interrupts.vectors("msi"),
            MSIX: interrupts.vectors("msix"),
        }
        self._regions: dict[int, Region] = {}
        self._places: dict[int, int | None] = {}
        for index in function.bars:
            self._move(index, None)
        self._config: Region | None = None
        if config:
            name = f"{function.name}.config"
            self._config = space.map(
                self._placeholder(CONFIG_REGION), self.size(CONFIG_REGION), function.config, name, priority=_BEHIND
            )
        function.memory = GuestMemory()  # none until there is a guest

    def size(self, region: int) -> int:
        """Return the size of a region in bytes, 0 if there is none."""
        if region == CONFIG_REGION:
            return self.function.config.length
        if region == _ROM_REGION:
            return 0 if self.function.rom is None else self.function.rom.length
        return self.function.bars[region].size if region in self.function.bars else 0

    def read(self, region: int, offset: int, count: int) -> bytes:
        """Return bytes that lie within a region.

        Raises:
            Refused: no device takes so wide an access.
        """
        if region < BARS:
            bus, address = self._route(region, offset, count, READ)
            read = bus.port_read if self._is_io(region) else bus.read
            return read(address, count).to_bytes(count, "little")
        if region == _ROM_REGION:
            assert self.function.rom is not None
            return self.function.rom.read(offset, count).to_bytes(count, "little")
        data = b""
        for at, width in _pieces(offset, count):
            if self._config is None:
                value = self.function.config.read(at, width)
            else:
                self._begin(READ, width)
                value = self._bus.read(self._config.start + at, width)
            data += value.to_bytes(width, "little")
        return data

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Store bytes that lie within a region. Raises as `read`."""
        if region < BARS:
            bus, address = self._route(region, offset, len(data), WRITE)
            write = bus.port_write if self._is_io(region) else bus.write
            write(address, len(data), int.from_bytes(data, "little"))
        elif region == CONFIG_REGION:
            for at, width in _pieces(offset, len(data)):
                value = int.from_bytes(data[at - offset : at - offset + width], "little")
                if self._config is None:
                    self.function.config.write(at, width, value)
                else:
                    self._begin(WRITE, width)
                    self._bus.write(self._config.start + at, width, value)
            self._place()

    def attach(self, memory: ProgramMemory, interrupts: Interrupts) -> None:
        """Connect the function's DMA and interrupts to a guest."""
        own = self.function.interrupts
        self.function.memory = memory
        own.direct = lambda mode, vector: interrupts.send(_MODES[mode], vector)
        self._detaching.callback(setattr, own, "direct", None)
        self._detaching.callback(own.intx.subscribe(interrupts.set_level))
        interrupts.set_level(own.intx.level)

    def detach(self) -> None:
        """Disconnect them: the guest is gone."""
        self._detaching.close()
        self.function.memory = GuestMemory()

    def reset(self) -> None:
        """Reset the function."""
        self.function.reset()
        self._place()

    def _is_io(self, index: int) -> bool:
        return self._regions[index] in self.space.ports

    def _route(self, index: int, offset: int, width: int, direction: Direction) -> tuple[Initiator, int]:
        """Return the bus for an access to a region, and the address on it."""
        if width > _WIDEST:
            raise Refused(f"expected an access of at most {_WIDEST} bytes, got {width}")
        self._begin(direction, width)
        return self._bus, self._regions[index].start + offset

    def _begin(self, direction: Direction, width: int) -> None:
        """Note on the bus what is running; an instruction that makes no such access is marked."""
        cpu, ip, instruction = self._instructions.current()
        bus = self._bus
        bus.ip, bus.instruction = ip, instruction
        if bus.thread != cpu:
            bus.thread = cpu
        flags = 0 if instruction is None or makes(instruction, direction, width) else MISFIT
        if bus.flags != flags:
            bus.flags = flags

    def _place(self) -> None:
        """Put each region where the guest has it now."""
        command = self.function.config.command
        for index, bar in self.function.bars.items():
            decodes = command.IO if bar.kind == "io" else command.MEMORY
            address = self.function.address(index) if decodes else 0
            if self._places[index] != (address or None):
                self._move(index, address or None)

    def _move(self, index: int, address: int | None) -> None:
        """Map a region at an address, or at its placeholder where it has none, or cannot have it."""
        self._places[index] = address
        if index in self._regions:
            self.space.unmap(self._regions.pop(index))
        bar, device = self.function.bars[index], self.function.bar(index)
        name, unmapped = bar.title, self._unmapped
        if address is not None:
            map_ = self.space.map_ports if bar.kind == "io" else self.space.map
            try:
                self._regions[index] = map_(address, bar.size, device, name, unmapped=unmapped)
            except MappingError:  # it lies over another, or beyond the last port
                pass
            else:
                return
        self._regions[index] = self.space.map(
            self._placeholder(index), bar.size, device, name, unmapped=unmapped, priority=_BEHIND
        )

    def _placeholder(self, region: int) -> int:
        return _PLACEHOLDERS | self._number << 50 | region << 46


def _pieces(offset: int, count: int) -> list[tuple[int, int]]:
    """Cut an access to configuration space into aligned pieces of up to 4 bytes: offset and width."""
    found = []
    end = offset + count
    while offset < end:
        width = next(width for width in (4, 2, 1) if offset % width == 0 and offset + width <= end)
        found.append((offset, width))
        offset += width
    return found
