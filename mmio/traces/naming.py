"""Look up what a trace knows of itself: the names of instructions, and whether it was cut.

The program has mostly ended by then and cannot be asked, but a trace made with `locate`, or its file, kept where
each instruction was.
"""

import warnings
from collections.abc import Iterable

from mmio.pictures.table import Resolver
from mmio.records.access import Access
from mmio.records.events import Cut, Located
from mmio.records.symbols import Location, named


def locations(accesses: Iterable[Access]) -> dict[int, Location]:
    """Return where instructions are, by instruction pointer; of accesses without events, such as a list's, nothing."""
    events = getattr(accesses, "events", ())
    return {event.ip: event.location for event in events if isinstance(event, Located)}


def names(accesses: Iterable[Access]) -> Resolver:
    """Return what names the instruction pointers of a trace: the place where it is known, else the address."""
    known = locations(accesses)
    return lambda ip: named(ip, known.get(ip))


def cut_of(accesses: Iterable[Access]) -> Cut | None:
    """Return the event that says that a trace was cut, None if it was not, or is no trace but a list."""
    return next((event for event in getattr(accesses, "events", ()) if isinstance(event, Cut)), None)


def warn_of_cut(accesses: Iterable[Access], stacklevel: int) -> None:
    """Warn that a trace was cut, where it is taken for all that a driver did."""
    cut = cut_of(accesses)
    if cut is not None:
        warnings.warn(f"{cut}; what the driver did afterwards is not known", stacklevel=stacklevel + 1)
