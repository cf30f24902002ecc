"""Stand-ins: a device that notes what it sees, a trace that keeps what it is told."""

import inspect
from types import SimpleNamespace
from typing import Any

from decode import Direction, Instruction
from mmio import Trace
from mmio.records.rows import Block
from mmio.signatures import arguments_of


class Spy:
    """A device that notes every call and answers from bytes, 0x10, 0x11, 0x12 … at offsets 0, 1, 2 … at first."""

    def __init__(self, size: int = 0x100) -> None:
        self.data = bytearray((0x10 + i) & 0xFF for i in range(size))
        self.seen: list[tuple[str, int, int]] = []

    def read(self, offset: int, width: int) -> int:
        self.seen.append(("read", offset, width))
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        self.seen.append(("write", offset, width))
        self.data[offset : offset + width] = value.to_bytes(width, "little")


class Answering:
    """A device that answers everything with the same object, of whatever type."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def read(self, offset: int, width: int) -> int:
        return self.answer  # type: ignore[return-value]  # that it may be no int is the point

    def write(self, offset: int, width: int, value: int) -> None:
        pass


_RECORD = inspect.signature(Trace.record)


class Log(list[SimpleNamespace]):
    """A trace that keeps its calls, each as the arguments of `Trace.record` by name."""

    enabled = True

    @arguments_of(lambda: Trace.record)
    def record(self, *access: Any) -> None:
        bound = _RECORD.bind(self, *access)
        bound.apply_defaults()
        self.append(SimpleNamespace(**bound.arguments))

    @arguments_of(lambda: Trace.site)
    def site(self, *shared: Any) -> None:
        """Return None: each access is to be recorded here."""

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        for direction, at, region, value in block:
            offset = at - region.start if region else 0
            self.record(direction, "memory", at, block.width, value, ip, instruction, region, offset, 0, thread)

    @property
    def brief(self) -> list[tuple[Direction, int, int, int, int]]:
        """Direction, address, width, value and flags of each record."""
        return [(r.direction, r.address, r.width, r.value, r.flags) for r in self]
