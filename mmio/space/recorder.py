"""The receiver of records: a `Trace`, or none."""

from typing import TYPE_CHECKING, Any, Final, Protocol

from decode import Instruction
from mmio.records.rows import Block
from mmio.signatures import arguments_of

if TYPE_CHECKING:
    from mmio.traces.trace import Trace


class Recorder(Protocol):
    """Receiver of records; `Trace` is one."""

    @property
    def enabled(self) -> bool:
        """False while nothing is to be recorded."""

    @arguments_of(lambda: Trace.record)
    def record(self, *access: Any, **more: Any) -> None:
        """Receive one access. Routes pass the arguments by position."""

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        """Receive the accesses of a string instruction that has moved a block in one piece."""


class _Nowhere:
    """The recorder of those who have none."""

    enabled = False

    def record(self, *access: Any, **more: Any) -> None:
        """Keep nothing."""

    record_block = record


NOWHERE: Final = _Nowhere()
"""Keeps nothing."""
