"""Memory of a board, and aliases of addresses."""

import ctypes
from collections.abc import Iterator
from typing import Any, Final

from mmio.arguments import integer, text
from mmio.boards.images import image_of
from mmio.boards.memory import Alias, BitBand, Memory, ReadOnly, Rom
from mmio.descriptions.report import did_you_mean
from mmio.errors import MappingError
from mmio.inprocess.fixed_pages import Placement
from mmio.inprocess.mapping import Mapping, Policies, fixed_pages, trapped_ranges
from mmio.linux import libc
from mmio.space.region import Region, Segment
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace

_BIT_BAND: Final = ((0x2200_0000, 0x2000_0000), (0x4200_0000, 0x4000_0000))
_BIT_BAND_LENGTH: Final = 0x200_0000
_ERASED: Final = 0xFF


class Memories:
    """RAM, ROM and aliases at fixed addresses of this process.

    Attributes:
        trace: the accesses that trap.
    """

    def __init__(self, trace: Trace, policies: Policies) -> None:
        self.trace = trace
        self._policies = policies
        self._memories: dict[str, Memory] = {}
        self._others: list[Mapping] = []
        self._seen: list[Region] = []

    @property
    def space(self) -> AddressSpace:
        """The address space of this process."""
        return trapped_ranges().space

    def ram(self, start: int, size: int, name: str = "RAM", contents: Any = b"") -> Memory:
        """Map real memory of this process, which firmware accesses at full speed.

        Args:
            start: its address, a multiple of 4096.
            size: in bytes, a multiple of 4096.
            name: of it.
            contents: bytes, or the path of a file: Intel HEX, S-records and ELF, which have addresses of their own, and
                of which what lies in this memory is taken, or raw bytes. Zeros elsewhere.

        Raises:
            ImportError: bincopy is missing, which reads files with addresses.
            MappingError: something else is there; names it.
            OSError, ValueError: the file cannot be read, or has nothing for this memory.
        """
        start, size = integer("start", start), integer("size", size)
        data = image_of(contents).at(start, size, 0) if contents else b""
        return self._memory(Memory(text("name", name), start, size), data)

    def rom(self, start: int, contents: Any, size: int | None = None, name: str = "ROM") -> Memory:
        """Map memory that firmware may only read, and execute; a store is an AccessError.

        Arguments as of `ram`; the size is that of the contents when left out. The rest is 0xFF, as in erased flash.
        """
        start = integer("start", start)
        wanted = None if size is None else integer("size", size)
        data = image_of(contents).at(start, wanted, _ERASED)
        length = libc.pages(max(len(data), 1)) if wanted is None else wanted
        data += bytes([_ERASED]) * (length - len(data))
        rom = Rom(text("name", name), start, length)
        self._memory(rom, data)
        libc.protect(rom.start, rom.size, libc.PROT_READ | libc.PROT_EXEC)
        mapping = self._mapped(rom.name, rom.start, rom.size, ReadOnly(rom), reserve=False)
        self._others.append(mapping)
        mapping.region.recorded = False
        self.space.exchange(mapping.region, mapping.region.device)
        return rom

    def memory(self, name: str) -> Memory:
        """Return RAM or ROM by its name. Raises KeyError where there is none."""
        if name not in self._memories:
            raise KeyError(f"there is no memory {name!r}{did_you_mean(name, self._memories)}")
        return self._memories[name]

    def alias(self, start: int, length: int, target: int, name: str = "alias") -> None:
        """Make addresses lead to others: a boot alias at 0, a second view of a peripheral. Each access traps."""
        device = Alias(self.space, integer("target", target))
        self._others.append(
            self._mapped(text("name", name), integer("start", start), integer("length", length), device)
        )

    def bit_band(self) -> None:
        """Map the bit-band aliases of SRAM and of the peripherals (DDI 0403, A3.7), where the core has them."""
        for start, target in _BIT_BAND:
            device = BitBand(self.space, target)
            self._others.append(self._mapped(f"bit-band of {target:#x}", start, _BIT_BAND_LENGTH, device))

    def _segments(self, start: int, end: int) -> Iterator[Segment]:
        while start < end:
            segment = self.space.memory.find(start)
            yield segment
            start = segment.end

    def _close_memories(self) -> None:
        for region in self._seen:
            self.space.unmap(region)
        self._seen.clear()
        for mapping in self._others:
            mapping.close()
        for memory in self._memories.values():
            fixed_pages().give_back(memory.start, memory.size)

    def _mapped(self, name: str, base: int, length: int, device: Any, reserve: bool = True) -> Mapping:
        place = Placement(base, beside=False, reserve=reserve)
        return Mapping(device, length, name, self.trace, True, True, self._policies, place)

    def _memory(self, memory: Memory, data: bytes) -> Memory:
        if len(data) > memory.size:
            raise ValueError(f"{memory.name} has {memory.size:#x} bytes, and its contents {len(data):#x}")
        if memory.name in self._memories:
            raise MappingError(f"there is a memory {memory.name!r} already; give this one another name")
        for segment in self._segments(memory.start, memory.end):
            region = segment.region
            if not region.is_background and region.priority >= 0:
                raise MappingError(f"{memory.name}, {memory.start:#x}..{memory.end:#x}, would cover {region}")
        fixed_pages().lend(memory.start, memory.size)
        self._memories[memory.name] = memory
        ctypes.memmove(memory.start, data, len(data))
        if not isinstance(memory, Rom):  # instructions that move bytes between a peripheral and memory find it here
            region = self.space.ram(memory.start, memory.size, memory.name)
            region.device.data = memory.view()  # type: ignore[attr-defined]
            self._seen.append(region)
        return memory
