"""The region of an access, as a record keeps it."""

from collections.abc import Callable
from typing import Any, Protocol


class RecordedRegion(Protocol):
    """A range of addresses or ports, with a name for it and for the registers in it: `mmio.space.region.Region`."""

    @property
    def start(self) -> int:
        """Its first address."""

    @property
    def length(self) -> int:
        """Bytes, or ports."""

    @property
    def name(self) -> str:
        """The name in records."""

    @property
    def names(self) -> Any:
        """The object that names its registers."""

    @property
    def is_background(self) -> bool:
        """Return whether it is only what lies behind all others."""

    @property
    def whole(self) -> "RecordedRegion | None":
        """The region it is a view of, with other register names; None when it is no view."""

    @property
    def describe(self) -> Callable[[int, int, int], str] | None:
        """A function that describes the value at an offset and width; None when there is none."""

    def name_at(self, offset: int, width: int) -> str | None:
        """Return the name of the register at an offset, None when it has none."""
