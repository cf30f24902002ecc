"""Name the instructions of recorded accesses, by what the record itself says.

The program has mostly ended by then and cannot be asked, but a trace made with `locate`, or its file, kept where
each instruction was.
"""

from collections.abc import Iterable

from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.events import Located
from mmio.records.symbols import Location, named


def locations(accesses: Iterable[Access]) -> dict[int, Location]:
    """Return where instructions are, by instruction pointer; of accesses without events, such as a list's, nothing."""
    events = getattr(accesses, "events", ())
    return {event.ip: event.location for event in events if isinstance(event, Located)}


def names(accesses: Iterable[Access]) -> Resolver:
    """Return what names the instruction pointers of a trace: the place where it is known, else the address."""
    known = locations(accesses)
    return lambda ip: named(ip, known.get(ip))
