"""Record store: every trapped access appends to it.

Most records are never looked at, so recording does as little as it can. A record becomes one packed row of 28 bytes in
one growing bytearray: time, address, value and the number of its *site*. A site is everything that repeats when an
instruction runs again: the instruction, its address, the region, the width, the direction, the flags, the thread. A
route remembers the number of the last site at each instruction pointer, and appends such rows itself. What fits no row
(a value over 8 bytes, the old value of an atomic) goes into a table at the side, and the row keeps its number there.

Appending to a bytearray is one operation under the GIL, so threads need no lock here. Only a trace that
does more than keep (a sink to feed, a bound to hold) takes one, and with it the slow way.
"""

import struct
import sys
from collections.abc import Callable, Iterable, Sequence
from io import IOBase
from itertools import count
from time import monotonic_ns, time_ns
from typing import Final, TextIO

from attrs import astuple, frozen

from decode import Direction, Instruction
from mmio.linux.fork_locks import fork_lock
from mmio.pictures.live import Live
from mmio.pictures.table import Resolver
from mmio.records.access import Access, Space
from mmio.records.events import Event, Located, Loss, Mapped, Mark, Started
from mmio.records.fields import FieldPlace
from mmio.records.region import RecordedRegion
from mmio.records.rows import ROW, Block
from mmio.records.sink import Sink, Take, taker
from mmio.records.spot import Remembered, Spot
from mmio.traces.columns import PackedRows
from mmio.traces.selection import Locate
from mmio.traces.summary import Group
from mmio.traces.view import TraceView

_pack: Final = ROW.pack
_WIDEST: Final = 8  # bytes of a value that a row holds


@frozen(eq=False)
class SharedFields:
    """Common part of the records of one instruction in one region.

    `extra`: the row's value field is the number of an entry in the side table.
    """

    instruction: Instruction | None
    region: RecordedRegion | None
    width: int
    direction: Direction
    space: Space
    flags: int
    thread: int
    ip: int
    extra: bool


class Trace(TraceView):
    """Records accesses; a sequence of `Access`.

    `keep`: number of accesses to keep, the last ones; those dropped are counted. `sinks`: receivers of every access as
    it is recorded. `locate`: returns the location of an instruction, such as `Symbols().locate`; it is called once for
    each, and the trace and its files keep the answer. Set `enabled` to False to record nothing for a while.
    """

    def __init__(self, *, keep: int | None = None, sinks: Sequence[Sink] = (), locate: Locate | None = None) -> None:
        if keep is not None and not isinstance(keep, int):
            raise TypeError(f"keep is a number of accesses, an int, not {keep!r}")
        if keep is not None and keep < 1:
            raise ValueError(f"keep is a number of accesses from 1, not {keep}")
        if locate is not None and not callable(locate):
            raise TypeError(f"locate is a function such as mmio.Symbols().locate, not {locate!r}")
        super().__init__(self._access, ())
        self.enabled = True
        self.keep = keep
        self.locate = locate
        self.began = monotonic_ns()
        self._events: list[Event] = [Started(0, 0, time_ns())]
        self._rows = bytearray()
        self._first_row = 0  # the sequence number of the first row held
        self._sites: list[SharedFields] = []
        self._site_numbers: dict[tuple[object, ...], int] = {}
        self._extras: dict[int, tuple[int, int | None]] = {}
        self._extra_numbers = count()
        self._regions: dict[int, RecordedRegion] = {}
        self._located: set[int] = set()  # the instruction pointers that were asked for
        self._spots = Remembered(self._spot)
        self._sinks: tuple[Sink, ...] = ()
        self._takers: tuple[Take, ...] = ()  # what is called with each access, by sink
        self._lock = fork_lock()  # reentrant: a sink may touch a device
        self._told: list[Callable[[], None]] = []
        self.append_row: Callable[[bytes], object]
        self._choose_append()
        for sink in sinks:
            self.attach(sink)

    @property
    def started(self) -> int:
        """The wall-clock time the trace began, in ns since 1970 (UTC)."""
        first = self._events[0]
        assert isinstance(first, Started)
        return first.wall

    def record(
        self,
        direction: Direction,
        space: Space,
        address: int,
        width: int,
        value: int,
        ip: int,
        instruction: Instruction | None,
        region: RecordedRegion | None,
        offset: int,
        flags: int,
        thread: int,
        old: int | None = None,
    ) -> None:
        """Append one access. `offset` is `address` less the region's start; `old` is what an atomic read.

        Raises:
            ValueError: the address, the value or the old value is not unsigned or does not fit.
        """
        if not self.enabled:
            return
        shared = direction, space, width, ip, instruction, region, flags, thread
        if old is not None or width > _WIDEST:
            row = _pack(monotonic_ns(), address, self._aside(address, width, value, old), self._number(*shared, True))
        else:
            number = self._number(*shared)
            try:
                row = _pack(monotonic_ns(), address, value, number)
            except struct.error:
                kept = self._aside(address, width, value, old)
                row = _pack(monotonic_ns(), address, kept, self._number(*shared, True))
        self.append_row(row)

    def site(
        self,
        direction: Direction,
        space: Space,
        width: int,
        ip: int,
        instruction: Instruction | None,
        region: RecordedRegion | None,
        flags: int,
        thread: int,
    ) -> tuple["Trace", int] | None:
        """Return where the rows of such accesses go, this trace, and the number of their site in them.

        Rows are `mmio/records/rows.py`'s, given to `append_row` while the trace is enabled. None when it is not, and
        when the values are too wide for a row.
        """
        if not self.enabled or width > _WIDEST:
            return None
        return self, self._number(direction, space, width, ip, instruction, region, flags, thread)

    def plain_rows(self, changed: Callable[[], None]) -> bytearray | None:
        """Return the rows of the trace, if nothing is to be done with an access but to append its row; else None.

        Args:
            changed: called when that may have changed. Asking again with an equal one is asking once.
        """
        if changed not in self._told:
            self._told.append(changed)
        return self._rows if self._plain else None

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        """Append the accesses of a block, as if each had been made on its own; the other arguments as for `record`."""
        if not self.enabled:
            return
        if not self._plain:
            for direction, at, region, value in block:
                offset = at - region.start if region else 0
                self.record(direction, "memory", at, block.width, value, ip, instruction, region, offset, 0, thread)
            return
        sites = [
            self._number(direction, "memory", block.width, ip, instruction, region, 0, thread)
            for direction, _, region in block.places
        ]
        self._rows += block.rows(monotonic_ns(), sites)

    def mark(self, text: str) -> None:
        """Put a line of text between the accesses."""
        self._note(Mark(self._end, monotonic_ns() - self.began, text))

    def lose(self, accesses: int) -> None:
        """Record that a number of accesses are missing here."""
        self._note(Loss(self._end, monotonic_ns() - self.began, accesses))

    def attach(self, sink: Sink) -> None:
        """Pass every access from now on to a sink as well. The sink first gets the regions.

        Raises:
            TypeError: it is no sink: it has no `write`, or is a file, of which `mmio.writer(path)` makes one.
        """
        if not callable(getattr(sink, "write", None)) or isinstance(sink, IOBase):
            raise TypeError(f"a sink needs a method write(record), as mmio.writer('run.jsonl') has; got {sink!r}")
        with self._lock:
            for event in self._events:
                if isinstance(event, Started | Mapped | Located):
                    sink.write(event)
            self._sinks += (sink,)
            self._takers = tuple(map(taker, self._sinks))
            self._choose_append()

    def detach(self, sink: Sink) -> None:
        """Give no more accesses to a sink. Raises ValueError if it is not attached."""
        with self._lock:
            if not any(other is sink for other in self._sinks):
                raise ValueError(f"{sink!r} is not attached to this trace")
            self._sinks = tuple(other for other in self._sinks if other is not sink)
            self._takers = tuple(map(taker, self._sinks))
            self._choose_append()

    def live(self, stream: TextIO | None = None, *, resolve: Resolver = hex) -> Live:
        """Print every access from now on to a stream (standard error), and return the sink, to detach."""
        sink = Live(stream or sys.stderr, resolve)
        self.attach(sink)
        return sink

    @property
    def dropped(self) -> int:
        """Return how many of the oldest accesses are gone because of `keep`."""
        return self._end - len(self)

    @property
    def events(self) -> Sequence[Event]:
        """The events between the accesses; what `keep` dropped is a `Loss` before the first access left."""
        dropped = self.dropped
        if not dropped:
            return list(self._events)
        loss = Loss(dropped, self[0].time, dropped)
        earlier = [event for event in self._events if event.sequence < dropped]
        return [*earlier, loss, *self._events[len(earlier) :]]

    @property
    def regions(self) -> Sequence[RecordedRegion]:
        """The regions that have been accessed, and that their accesses are named by."""
        return tuple(self._regions.values())

    def __len__(self) -> int:
        kept = len(self._rows) // ROW.size
        return kept if self.keep is None else min(kept, self.keep)

    def _groups(self) -> Iterable[Group]:
        if self.keep is not None:
            return super()._groups()
        # One site and address is one register: of a million polls only the first and the last are built.
        groups: dict[tuple[int, int], list[int]] = {}
        for sequence, (_, address, _, site) in enumerate(ROW.iter_unpack(bytes(self._rows))):
            group = groups.setdefault((site, address), [sequence, sequence, 0])
            group[1] = sequence
            group[2] += 1
        return ((self._access(first), self._access(last), count) for first, last, count in groups.values())

    def _source(self) -> tuple[Callable[[int], Access], Sequence[int]]:
        if self.keep is None:
            return self._store(self._rows, 0), range(len(self))
        # Rows of a bounded trace move when old ones go, so a view of it looks at a copy.
        with self._lock:
            rows, first = bytes(self._rows), self._first_row
        end = first + len(rows) // ROW.size
        return self._store(rows, first), range(max(first, end - self.keep), end)

    def _store(self, rows: bytes | bytearray, first: int) -> PackedRows:
        return PackedRows(rows, first, self._built, self._spots.__getitem__, self._extras, self.began)

    def _access(self, sequence: int) -> Access:
        return self._built(sequence, ROW.unpack_from(self._rows, sequence * ROW.size))

    def _built(self, sequence: int, row: tuple[int, int, int, int]) -> Access:
        spot, number, time, value, old = self._placed(sequence, row)
        return spot.access(number, time, value, old)

    def _placed(self, sequence: int, row: tuple[int, int, int, int]) -> tuple[Spot, int, int, int, int | None]:
        """Return the spot of a row, and its number, time, value and old value."""
        time, address, value, number = row
        spot, extra = self._spots[number, address]
        if extra:
            value, old = self._extras[value]
            return spot, sequence, time - self.began, value, old
        return spot, sequence, time - self.began, value, None

    def _spot(self, key: tuple[int, int]) -> tuple[Spot, bool]:
        """Return the spot of a site and an address, and whether its values are at the side."""
        number, address = key
        site, region = self._sites[number], self._sites[number].region
        offset = name = register = describe = None
        layout: tuple[FieldPlace, ...] = ()
        if region is not None:
            offset = address - region.start
            name = region.name
            register = region.name_at(offset, site.width)
            describe = region.describe
            fields_at = getattr(region.names, "fields_at", None)
            layout = () if fields_at is None else fields_at(offset, site.width)
        where = site.thread, site.direction, site.space, address, site.width, site.ip, site.instruction
        return Spot(*where, name, offset, register, site.flags, describe, layout), site.extra

    @property
    def _end(self) -> int:
        """The number the next access will have."""
        return self._first_row + len(self._rows) // ROW.size

    def _number(
        self,
        direction: Direction,
        space: Space,
        width: int,
        ip: int,
        instruction: Instruction | None,
        region: RecordedRegion | None,
        flags: int,
        thread: int,
        extra: bool = False,
    ) -> int:
        """Return the number of a site, a new one if need be."""
        # Instructions are compared by identity: a site keeps its own alive, and comparing two field by field is slow.
        key = (direction, space, width, ip, id(instruction), id(region), flags, thread, extra)
        number = self._site_numbers.get(key)
        if number is None:
            with self._lock:
                number = len(self._sites)
                self._sites.append(
                    SharedFields(instruction, region, width, Direction(direction), space, flags, thread, ip, extra)
                )
                self._site_numbers[key] = number
                self._see(region, space)
                if self.locate is not None and ip and ip not in self._located:
                    self._find(ip, self.locate)
        return number

    def _see(self, region: RecordedRegion | None, space: Space) -> None:
        """Say that a region appears, the first time it does."""
        if region is None:
            return
        region = region.whole or region
        if id(region) in self._regions:
            return
        self._regions[id(region)] = region
        time = monotonic_ns() - self.began
        self._note(Mapped(self._end, time, len(self._regions), space, region.name, region.start, region.length))

    def _find(self, ip: int, locate: Locate) -> None:
        """Say where an instruction is, if that is known."""
        self._located.add(ip)
        found = locate(ip)
        if found is not None:
            time = monotonic_ns() - self.began
            self._note(Located(self._end, time, ip, *astuple(found)))

    def _aside(self, address: int, width: int, value: int, old: int | None) -> int:
        """Put values that fit no row into the side table and return their number there."""
        for number, bits in ((address, 64), (value, 8 * width), (old or 0, 8 * width)):
            if not 0 <= number < 1 << bits:
                raise ValueError(
                    f"{number:#x} is not an unsigned {bits}-bit number: access of width {width} at {address:#x}"
                )
        number = next(self._extra_numbers)
        self._extras[number] = value, old
        return number

    def _note(self, event: Event) -> None:
        with self._lock:
            self._events.append(event)
            for sink in self._sinks:
                sink.write(event)

    def _choose_append(self) -> None:
        """Append rows in the shortest way there is."""
        self._plain = self.keep is None and not self._sinks
        self.append_row = self._rows.extend if self._plain else self._add
        for changed in self._told:
            changed()

    def _add(self, row: bytes) -> None:
        """Append a row where there is more to do than that."""
        with self._lock:
            self._rows += row
            held = len(self._rows)
            sequence = self._first_row + held // ROW.size - 1
            if self.keep is not None and held >= 2 * self.keep * ROW.size:
                self._trim(held - self.keep * ROW.size)
            if self._takers:
                placed = self._placed(sequence, ROW.unpack(row))
                for take in self._takers:
                    take(*placed)

    def _trim(self, length: int) -> None:
        """Drop the first `length` bytes of rows."""
        if self._extras:
            for _, _, value, number in ROW.iter_unpack(self._rows[:length]):
                if self._sites[number].extra:
                    del self._extras[value]
        del self._rows[:length]
        self._first_row += length // ROW.size
