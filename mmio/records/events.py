"""Events between the accesses of a trace: regions mapped and unmapped, marks, losses.

A trace that leaves them out cannot be read by itself: an address means something only while its region is
mapped, and a gap that is not recorded would go unnoticed. So events travel with the accesses, in order, through every
sink, file and filter. Like an access, an event has its place: `sequence` is the number of the access that
follows it, `time` is in ns since the trace began.
"""

from typing import Final, TypeAlias

from attrs import frozen

from mmio.records.access import Access, Space
from mmio.records.symbols import Location

LAST_NUMBER: Final = (1 << 64) - 1
"""The highest number an access can have in a file."""


@frozen(slots=True)
class Started:
    """The trace began; `wall` is the wall-clock time then, in ns since 1970 (UTC)."""

    sequence: int
    time: int
    wall: int


@frozen(slots=True)
class Mapped:
    """A region begins to appear in the trace. `number` stands for it until it is unmapped."""

    sequence: int
    time: int
    number: int
    space: Space
    name: str
    start: int
    length: int

    @property
    def end(self) -> int:
        """The first address past the region."""
        return self.start + self.length


@frozen(slots=True)
class Unmapped:
    """The region with this number is gone."""

    sequence: int
    time: int
    number: int


@frozen(slots=True)
class Mark:
    """A line of text put into the trace."""

    sequence: int
    time: int
    text: str

    def __str__(self) -> str:
        return self.text


@frozen(slots=True)
class Loss:
    """Accesses are missing here: `count` of them."""

    sequence: int
    time: int
    count: int

    def __str__(self) -> str:
        return f"{self.count} accesses are missing here"


@frozen(slots=True)
class Ended:
    """The trace is finished: its writer was closed, and has written everything it was given.

    It is the last thing in a file, and readers do not hand it on.
    """

    sequence: int
    time: int


@frozen(slots=True)
class Cut:
    """The trace ends here although it was not finished: what wrote the file was killed, or the disk was full."""

    sequence: int
    time: int

    def __str__(self) -> str:
        return f"this trace was cut before access {self.sequence:,}: its writer did not finish the file"


@frozen(slots=True)
class Undecoded:
    """The kernel's tracer met an instruction it does not know: an access without width and value.

    `region` is the number of the region, `code` the first three bytes of the instruction. pagetrap itself never
    writes one.
    """

    sequence: int
    time: int
    region: int
    address: int
    code: bytes
    ip: int


@frozen(slots=True)
class Located:
    """Location of the instruction at an address, recorded before the first access it makes.

    A program's modules lie elsewhere each time it runs, and when it has ended it cannot be asked. The attributes are
    those of `mmio.records.symbols.Location`.
    """

    sequence: int
    time: int
    ip: int
    module: str
    offset: int
    symbol: str
    into: int
    line: str
    calls: str = ""

    @property
    def location(self) -> Location:
        """The place as a value."""
        return Location(self.module, self.offset, self.symbol, self.into, self.line, self.calls)


@frozen(slots=True)
class PciDevice:
    """A PCI device of the traced machine, one PCIDEV line of a mmiotrace log.

    `resources` are the seven resource starts ORed with their low flag bits (BAR0 to BAR5, then the ROM),
    `sizes` their lengths in bytes.
    """

    sequence: int
    time: int
    bus: int
    devfn: int
    vendor: int
    device: int
    irq: int
    resources: tuple[int, ...]
    sizes: tuple[int, ...]
    driver: str


Event: TypeAlias = Started | Mapped | Unmapped | Mark | Loss | Located | Undecoded | PciDevice | Ended | Cut
Record: TypeAlias = Access | Event
