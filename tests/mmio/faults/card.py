"""A small card for the tests of faults."""

from collections.abc import Callable

from mmio import Device, array, bit, block, field, line, register


class Dma(Device):
    """A block with a line."""

    ctrl = register(0, fields=[bit("GO", 0)])
    done = line()


class Card(Device):
    """Registers of every kind that faults distinguish."""

    ctrl = register(0x00, fields=[bit("EN", 0), field("MODE", 3, 2, enum={0: "SLOW", 2: "FAST"})], reset=0x100)
    stat = register(0x04, fields=[bit("RDY", 0), bit("ERR", 1), field("LEVEL", 7, 4)], reset=1)
    data = register(0x08)
    ident = register(0x0C, access="r", reset=0xCAFE)
    fifo = array(0x20, count=4)
    dma = block(0x40, Dma)
    irq = line()

    def __init__(self) -> None:
        self.queue: list[int] = []

    @data.reads
    def _take(self) -> int:
        return self.queue.pop(0) if self.queue else 0


class Bytes:
    """A device without a base class: bytes."""

    def __init__(self) -> None:
        self.held = bytearray(64)

    def read(self, offset: int, width: int) -> int:
        """Return bytes."""
        return int.from_bytes(self.held[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Keep bytes."""
        self.held[offset : offset + width] = value.to_bytes(width, "little")

    def update(self, offset: int, width: int, operation: Callable[[int], int]) -> int:
        """Change bytes; return the old ones."""
        old = self.read(offset, width)
        self.write(offset, width, operation(old))
        return old

    def read_block(self, offset: int, length: int) -> bytes:
        """Return bytes."""
        return bytes(self.held[offset : offset + length])

    def write_block(self, offset: int, data: bytes) -> bool:
        """Keep bytes."""
        self.held[offset : offset + len(data)] = data
        return True
