"""Count the accesses where no device answers, and summarise them when the program has ended.

A program that looks for hardware makes them on purpose. Of a driver they are mostly a device model that is too short,
or one that is missing.
"""

from typing import Final, TextIO

from mmio.commands.messages import complain
from mmio.pictures.table import Resolver
from mmio.program.targets import NoDevice
from mmio.records.access import Access
from mmio.records.events import Record
from mmio.records.flags import UNMAPPED
from mmio.records.spot import Spot, Spots

SHOWN: Final = 4  # places named in the summary, the first ones


class Strays:
    """A sink that counts the accesses which a device did not answer.

    Args:
        stream: where the summary goes.
        resolve: names instruction pointers.
        answer: what answered them.
    """

    def __init__(self, stream: TextIO, resolve: Resolver, answer: NoDevice) -> None:
        self._stream, self._resolve, self._answer = stream, resolve, answer
        self._spots = Spots()
        self._count = 0
        self._first: dict[str, str] = {}

    def write(self, record: Record) -> None:
        """See an access."""
        if isinstance(record, Access):
            self.take(self._spots.of(record), record.sequence, record.time, record.value, record.old)

    def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
        """Take an access without building an `Access`."""
        if spot.flags & UNMAPPED:
            self._count += 1
            if len(self._first) < SHOWN:
                access = spot.access(sequence, time, value, old)
                place = f"{access.letter} {access.width} {access.place}"
                self._first.setdefault(place, f" at {self._resolve(access.ip)}" if access.ip else "")

    def close(self) -> None:
        """Print the summary, if there is anything to say."""
        if self._count:
            times = "1 access" if self._count == 1 else f"{self._count:,} accesses"
            first = ", ".join(place + where for place, where in self._first.items())
            more = ", …" if len(self._first) == SHOWN else ""
            answer = f"read as {self._answer}, writes lost" if self._answer in ("ones", "zeros") else "see the policies"
            complain(
                f"{times} where no device answers ({answer}): {first}{more}; --unmapped=error ends the program at the "
                f"first",
                self._stream,
            )
