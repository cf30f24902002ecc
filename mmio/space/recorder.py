"""The receiver of records: a `Trace`, or none."""

from typing import Any, Final, Protocol

from decode import Direction, Instruction
from mmio.records.access import Space
from mmio.records.rows import Block
from mmio.space.region import Region


class Recorder(Protocol):
    """Receiver of records; `Trace` is one."""

    @property
    def enabled(self) -> bool: ...

    def record(
        self,
        direction: Direction,
        space: Space,
        address: int,
        width: int,
        value: int,
        ip: int,
        instruction: Instruction | None,
        region: Region | None,
        offset: int,
        flags: int,
        thread: int,
        old: int | None = None,
    ) -> None: ...

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None: ...


class _Nowhere:
    """The recorder of those who have none."""

    enabled = False

    def record(self, *what: Any, **more: Any) -> None:
        """Keep nothing."""

    record_block = record


NOWHERE: Final = _Nowhere()
"""Keeps nothing."""
