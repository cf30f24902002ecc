"""One access to watched bytes, as a value, and many as a table."""

from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from mmio.errors import MmioError
from mmio.pictures.columns import Column, aligned
from mmio.pictures.columns import html as as_html
from mmio.records.access import Access
from mmio.records.printable import printable
from mmio.records.symbols import Location, Symbols, named

COLUMNS: Final = (
    Column("hit", right=True),
    Column("thread", right=True),
    Column("R/W"),
    Column("width", right=True),
    Column("bytes"),
    Column("old"),
    Column("new"),
    Column("by"),
    Column("instruction"),
)


@frozen
class Hit:
    """An access that touched watched bytes and met the watchpoint's conditions.

    Attributes:
        number: which of the watchpoint's hits it is, from 1, those ignored included.
        access: the whole access, as the instruction made it; its own bytes may be more than those watched.
        name: of the watchpoint.
        offset: of the first watched byte it touched, from the start of what is watched.
        old: the watched bytes it touched as they were before, None when that is not known: a device is not read to
            find out.
        new: the same bytes as they were written, or read.
        symbols: what knows the names of instruction pointers, None when nothing does.
    """

    number: int
    access: Access
    name: str
    offset: int
    old: bytes | None
    new: bytes
    symbols: Symbols | None = field(default=None, eq=False, repr=False)

    @property
    def ip(self) -> int:
        """Address of the instruction."""
        return self.access.ip

    @property
    def value(self) -> int:
        """The new bytes as an unsigned little-endian int."""
        return int.from_bytes(self.new, "little")

    @property
    def changed(self) -> bool:
        """Return whether the bytes are known to be others than before."""
        return self.old is not None and self.old != self.new

    @property
    def location(self) -> Location | None:
        """The location of the instruction, None when no file is known to be there."""
        return None if self.symbols is None else self.symbols.locate(self.ip)

    @property
    def function(self) -> str:
        """The function that made the access, "" when it is not known."""
        return "" if self.location is None else self.location.symbol

    @property
    def line(self) -> str:
        """Its source line, such as "driver.c:42", "" when it is not known."""
        return "" if self.location is None else self.location.line

    @property
    def place(self) -> str:
        """The watched bytes it touched: "buffer[16]" or "buffer[16:20]"."""
        end = self.offset + len(self.new)
        return f"{self.name}[{self.offset}]" if len(self.new) == 1 else f"{self.name}[{self.offset}:{end}]"

    @property
    def by(self) -> str:
        """The code that made the access, as far as is known: function and line, or the address."""
        if self.function:
            return f"{self.function} {self.line}".rstrip()
        return named(self.ip, self.location) if self.ip else ""

    def __str__(self) -> str:
        """Return it on one line: "W 4 buffer[0:4] 00 00 00 00 -> 01 00 00 00 by work work.c:8: mov [rdi],eax"."""
        old = "" if self.old is None or self.access.direction.name == "READ" else f"{self.old.hex(' ')} -> "
        parts = [f"{self.access.letter} {self.access.width} {self.place} {old}{self.new.hex(' ')}"]
        if self.by:
            parts.append(f"by {self.by}")
        return printable(" ".join(parts)) + (f": {self.access.text}" if self.access.text else "")


class WatchpointStop(MmioError):
    """A watchpoint with `stop` was hit. Raised from the Python call that entered the driver.

    The access has been made and recorded. The rest of the instruction has not: as with an exception of a device, no
    register has changed.

    Attributes:
        hit: what stopped it.
    """

    def __init__(self, hit: Hit) -> None:
        super().__init__(str(hit))
        self.hit = hit


def table(hits: Sequence[Hit], *, html: bool = False) -> str:
    """Return hits as aligned text, or as HTML, one a row."""
    threads = len({hit.access.thread for hit in hits}) > 1
    rows = [
        (
            str(hit.number),
            str(hit.access.thread) if threads else "",
            hit.access.letter,
            str(hit.access.width),
            hit.place,
            "" if hit.old is None or not hit.access.writes else hit.old.hex(" "),
            hit.new.hex(" "),
            hit.by,
            hit.access.text,
        )
        for hit in hits
    ]
    if html:
        return as_html(COLUMNS, rows, f"{len(hits):,} hits")
    return aligned(COLUMNS, rows) if rows else "no hits"
