"""Receivers of records as they are made."""

from collections.abc import Callable
from typing import Protocol

from mmio.records.events import Record
from mmio.records.spot import Spot


class Sink(Protocol):
    """Receiver of each access, and each event between them, as it happens: a writer, a printer, a test.

    Calls come one at a time, in order. An exception passes through the device access that was being recorded. A sink
    that has a method `take(spot, sequence, time, value, old)` is told of accesses by that: no `Access` is built for it.
    """

    def write(self, record: Record) -> None:
        """Receive one access or event."""


Take = Callable[[Spot, int, int, int, int | None], None]
"""Called with an access: its spot, number, time, value, and for an atomic the old value."""


def taker(sink: Sink) -> Take:
    """Return what tells a sink of an access."""
    take: Take | None = getattr(sink, "take", None)

    def write(spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        sink.write(spot.access(sequence, time, value, old))

    return write if take is None else take
