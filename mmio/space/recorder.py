"""The receiver of records: a `Trace`, or none.

Most accesses repeat: an instruction runs again, and only the time, the address and the value differ. What they have in
common is a *site*. A recorder may have a number for it; then a route appends rows with that number to the trace, and
the recorder is not asked again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from decode import Instruction
from mmio.arguments import shortened
from mmio.records.region import RecordedRegion
from mmio.records.rows import Block
from mmio.signatures import arguments_of

if TYPE_CHECKING:
    from mmio.traces.trace import Trace


class Rows(Protocol):
    """Receiver of packed rows (`mmio/records/rows.py`); `Trace` is one."""

    @property
    def enabled(self) -> bool:
        """False while nothing is to be recorded."""

    @property
    def append_row(self) -> Callable[[bytes], object]:
        """A function that appends one row."""


class Recorder(Protocol):
    """Receiver of records; `Trace` is one."""

    @property
    def enabled(self) -> bool:
        """False while nothing is to be recorded."""

    @arguments_of(lambda: Trace.record)
    def record(self, *access: Any, **more: Any) -> None:
        """Receive one access. Routes pass the arguments by position."""

    @arguments_of(lambda: Trace.site)
    def site(self, *shared: Any) -> tuple[Rows, int] | None:
        """Return where the rows of a site go, and its number in them; None to get each of its accesses by `record`."""

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        """Receive the accesses of a string instruction that has moved a block in one piece."""


_METHODS: Final = ("enabled", "record", "site", "record_block")


def recording(trace: Any) -> Any:
    """Return an argument that is a recorder.

    Raises:
        TypeError: it is none.
    """
    if isinstance(trace, type) or not all(hasattr(trace, name) for name in _METHODS):
        raise TypeError(f"trace is a mmio.Trace, or None, not {shortened(trace)}")
    return trace


class _Nowhere:
    """The recorder of those who have none."""

    enabled = False

    def record(self, *access: Any, **more: Any) -> None:
        """Keep nothing."""

    record_block = append_row = record

    def site(self, *shared: Any) -> None:
        """Return None: no rows go anywhere."""


NOWHERE: Final = _Nowhere()
"""Keeps nothing."""

KnownSite: TypeAlias = tuple[Instruction | None, RecordedRegion | None, int, Rows, int]
"""A site that a route has met: its instruction, region and width in bytes; where its rows go, and its number there."""

NO_SITE: Final[KnownSite] = None, None, 0, NOWHERE, 0
"""That of no access: none has a width of 0."""
