"""Range maps: the device that answers at each address.

Regions live in layers, one a priority; within a layer nothing overlaps. That makes overlap a question to two
neighbours and an overlay (a device over RAM) something asked for by a priority. What is looked up at run
time is the layers seen from above: a flat list of segments that touch and never overlap, from address 0 to
the limit, found by bisection. Where no region is, the ground shows: a region like the others that covers
everything.

A segment also ends where watched bytes begin or end, so that what is not watched costs nothing for what is. The list is
kept in blocks: a change copies the blocks it concerns, and with thousands of regions not all of them.

An initiator keeps its last segment, and compares an address only with that segment's `limits`. Changing the
map takes the limits away from the segments it replaces, so a segment that a caller kept can never answer for
a region that has gone.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, runtime_checkable

from attrs import Factory, define, evolve, field

from decode import Direction
from mmio.arguments import integer, shortened
from mmio.errors import MappingError
from mmio.signatures import arguments_of
from mmio.space.intervals import Intervals
from mmio.space.policy import Pieces, Policy

if TYPE_CHECKING:
    from mmio.watchpoints.watch import Watch

UNDER_DEVICES: Final = -1
"""The priority of a region that answers where no device does."""

_BLOCK: Final = 64  # segments in a block when it is cut; a block has up to twice as many

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


@runtime_checkable
class DeviceLike(Protocol):
    """Interface of a device model. Offsets count from the start of its region, widths are bytes.

    Optional, and used when there: `name_at(offset, width) -> str | None` and `describe(offset, width, value)
    -> str` for records and errors, and `fields_at(offset, width)`, which gives name, highest and lowest bit of each
    field, for waveforms; `naming(offset, width, direction)`, what has these three for one access, where names depend on
    the direction or the device's state (a `naming` of None: they do not); `holes(offset, width) -> int`, a mask of the
    bytes where the device has nothing; `update(offset, width, operation) -> old`, `read_block`,
    `write_block` and `fetch` as a Bus has them.
    """

    def read(self, offset: int, width: int) -> int:
        """Return `width` bytes at an offset as an unsigned little-endian int."""

    def write(self, offset: int, width: int, value: int) -> None:
        """Store `width` bytes at an offset; `value` is unsigned and fits."""


def answering(device: Any) -> Any:
    """Return an argument that is a device.

    Raises:
        TypeError: it is a class, or has no `read` or no `write`.
    """
    if isinstance(device, type):
        raise TypeError(f"map a device, not a class: {device.__name__}(...)")
    if not (callable(getattr(device, "read", None)) and callable(getattr(device, "write", None))):
        raise TypeError(
            f"{shortened(device)} is not a device: it needs read(offset, width) and write(offset, width, value)"
        )
    return device


def on_bus(device: Any) -> Any:
    """Return a device as a bus is to see it: itself, or what it has wrapped around itself (time that accesses take)."""
    wrap = getattr(type(device), "_device_on_bus", None)
    return device if wrap is None else wrap(device)


@define(eq=False)
class Region:
    """A range of addresses (or ports) and the device that answers there.

    A *view* is a region as the records of some accesses have it, where names change: the same, with `names` of its own.

    Attributes:
        start: the first address.
        length: in bytes, or ports.
        device: answers there, at offsets from `start`.
        name: in records.
        policy: which accesses the device gets, and what becomes of the others.
        priority: of regions that overlap, the one with the highest answers.
        recorded: whether accesses are recorded.
        is_background: whether it is only what lies behind all others.
        names: the object that names its registers, usually the device.
        whole: of a view, the region it is a view of.
    """

    start: int
    length: int
    device: DeviceLike
    name: str
    policy: Policy
    priority: int = 0
    recorded: bool = True
    is_background: bool = False
    names: Any = field(default=Factory(lambda region: region.device, takes_self=True), repr=False)
    whole: "Region | None" = field(default=None, init=False, repr=False)  # of a view, the region it is of
    _views: dict[Any, "Region"] = field(factory=dict, init=False, repr=False)

    @property
    def end(self) -> int:
        """The first address past the region."""
        return self.start + self.length

    def name_at(self, offset: int, width: int) -> str | None:
        """Return the device's name for these bytes ("CTRL", "FIFO[3]"), or None when it has none."""
        name_at: Callable[[int, int], str | None] | None = getattr(self.names, "name_at", None)
        return None if name_at is None else name_at(offset, width)

    @property
    def describe(self) -> Callable[[int, int, int], str] | None:
        """A function that describes a value, if the device has one."""
        describe: Callable[[int, int, int], str] | None = getattr(self.names, "describe", None)
        return describe

    def register_view(self, offset: int, width: int, direction: Direction) -> "Region":
        """Return the region with the names that hold for this access now."""
        naming = getattr(self.device, "naming", None)
        if naming is None:
            return self
        names = naming(offset, width, direction)
        view = self._views.get(names)
        if view is None:
            view = self._views[names] = evolve(self, names=names)
            view.whole = self
        return view

    def __str__(self) -> str:
        return f"{self.start:#x}..{self.end:#x} {self.name!r}"


class Limits(dict[int, int]):
    """The last plain address by width; a width that is not there is plain nowhere."""

    def __missing__(self, width: int) -> int:
        return -1


@define(eq=False)
class Segment:
    """A stretch of addresses where one region is on top, and where all bytes are watched or none is.

    `limits` says for each width the last address at which an access of that width needs no thought: it ends inside the
    segment and neither the region's policy nor a watchpoint has anything to say. Every other access takes the long way.
    `label` is the region as records have it, None for the ground. Where names depend on more than the offset there is
    no short way, and each part has a `view` of the region.
    """

    start: int
    end: int
    region: Region
    watched: bool = False
    limits: Limits = field(init=False)
    base: int = field(init=False)
    recorded: bool = field(init=False)
    recorded_region: Region | None = field(init=False)
    read: Callable[[int, int], int] = field(init=False)
    write: Callable[[int, int, int], None] = field(init=False)
    _pieces: dict[int, tuple[Pieces, Any]] = field(init=False, factory=dict)  # by width, and `holes`

    def __attrs_post_init__(self) -> None:
        plain = () if self.watched or self.optional("naming") is not None else self.region.policy.plain_widths
        self.limits = Limits((width, self.end - width) for width in plain)
        self.base = self.region.start
        self.recorded = self.region.recorded
        self.recorded_region = None if self.region.is_background else self.region
        self.read = self.region.device.read
        self.write = self.region.device.write

    def pieces(self, address: int, width: int) -> Pieces:
        """Return the pieces of an access that is split because it is too wide for the device; none for any other.

        None either where more than the width counts: a border, a watched or missing byte, alignment, changing names.
        """
        if not self.start <= address <= self.end - width:
            return ()
        known = self._pieces.get(width)
        if known is None:
            policy = self.region.policy
            more = self.watched or self.optional("naming") is not None or policy.unaligned != "pass"
            found = () if more or width <= max(policy.widths) else policy.pieces(0, width)
            known = self._pieces[width] = found if isinstance(found, tuple) else (), self.optional("holes")
        pieces, holes = known
        return () if holes is not None and pieces and holes(address - self.base, width) else pieces

    def holes(self, offset: int, width: int) -> int:
        """Return the mask of those bytes of an access where the device has nothing; 0 when it does not say."""
        holes: Callable[[int, int], int] | None = self.optional("holes")
        return 0 if holes is None else holes(offset, width)

    def optional(self, method: str) -> Any:
        """Return the device's bound method of this name, or None."""
        return getattr(self.region.device, method, None)


class Watcher(Protocol):
    """Receiver of the accesses that touch its bytes; `Watch` is one."""

    @property
    def start(self) -> int:
        """Its first byte."""

    @property
    def end(self) -> int:
        """One past its last byte."""

    @arguments_of(lambda: Watch.seen)
    def seen(self, *access: Any) -> None:
        """Receive an access that has been made. Routes pass the arguments by position."""


_Block: TypeAlias = tuple[list[int], list[Segment]]
"""Neighbouring segments, and their starts."""


class _Layer:
    """Regions that do not overlap, in address order."""

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.regions: list[Region] = []

    def add(self, region: Region) -> None:
        index = bisect_left(self.starts, region.start)
        for other in self.regions[max(index - 1, 0) : index + 1]:
            if other.start < region.end and region.start < other.end:
                raise MappingError(f"{region} overlaps {other}; to lay one over the other give it a higher priority")
        self.starts.insert(index, region.start)
        self.regions.insert(index, region)

    def __contains__(self, region: Region) -> bool:
        index = bisect_left(self.starts, region.start)
        return self.regions[index : index + 1] == [region]

    def starting_at(self, start: int) -> Region | None:
        index = bisect_left(self.starts, start)
        return self.regions[index] if self.starts[index : index + 1] == [start] else None

    def remove(self, region: Region) -> None:
        index = bisect_left(self.starts, region.start)
        del self.starts[index], self.regions[index]


class RangeMap:
    """All regions of one space, memory or ports.

    Attributes:
        changed: called when what lies where has changed.
    """

    def __init__(self, ground: Region) -> None:
        self.ground = ground
        self.changed: Callable[[], None] = lambda: None
        self.watches: Intervals[Watcher] = Intervals()
        self._layers: dict[int, _Layer] = {}
        # One tuple, replaced as a whole: another thread's look-up sees the old map or the new one.
        self._table: tuple[list[int], list[_Block]] = _table([Segment(ground.start, ground.end, ground)])

    def find(self, address: int) -> Segment:
        """Return the segment around `address`, which must not be negative; past the end, the last one."""
        firsts, blocks = self._table
        try:
            starts, segments = blocks[bisect_right(firsts, address) - 1]
        except TypeError:
            integer("address", address)
            raise
        return segments[bisect_right(starts, address) - 1]

    def stretch_end(self, segment: Segment, enough: int) -> int:
        """Return where the region of a segment stops being on top, or an address from `enough` on where it still is."""
        end = segment.end
        while end < enough and (after := self.find(end)).region is segment.region and after.end > end:
            end = after.end
        return end

    def add(self, region: Region) -> None:
        """Put a region in its layer.

        Raises:
            MappingError: it is empty, does not fit in the space, or overlaps a region of the same priority.
        """
        if region.length <= 0 or region.start < 0 or region.end > self.ground.end:
            raise MappingError(f"{region} is not a range within 0x0..{self.ground.end:#x}")
        layer = self._layers.setdefault(region.priority, _Layer())
        layer.add(region)
        try:
            self._refresh(region.start, region.end)
        except BaseException:  # a device is asked what it is like, by code of its own
            layer.remove(region)
            raise

    def remove(self, region: Region) -> None:
        """Take a region out; what it covered shows again. Raises MappingError when it is not mapped."""
        if region not in self:
            raise MappingError(f"{region} is not mapped")
        self._layers[region.priority].remove(region)
        self._refresh(region.start, region.end)

    def exchange(self, region: Region, device: DeviceLike, names: Any) -> None:
        """Put another device in a region's place. Raises MappingError when the region is not mapped."""
        if region not in self:
            raise MappingError(f"{region} is not mapped")
        region.device, region.names = device, names
        region._views.clear()
        self._refresh(region.start, region.end)

    def watch(self, watcher: Watcher) -> None:
        """Report all accesses that touch a range to a watcher. Raises MappingError when it is not within the space."""
        if not 0 <= watcher.start < watcher.end <= self.ground.end:
            bounds = f"{watcher.start:#x}..{watcher.end:#x}"
            raise MappingError(f"{bounds} cannot be watched, it is not a range within 0x0..{self.ground.end:#x}")
        self.watches = self.watches.added(watcher)
        self._refresh(watcher.start, watcher.end)

    def unwatch(self, watcher: Watcher) -> None:
        """Stop reporting to a watcher."""
        self.watches = self.watches.removed(watcher)
        self._refresh(watcher.start, watcher.end)

    def starting_at(self, start: int) -> Region | None:
        """Return the topmost region that starts at an address, None when none does."""
        for priority in sorted(self._layers, reverse=True):
            found = self._layers[priority].starting_at(start)
            if found is not None:
                return found
        return None

    def __contains__(self, region: Region) -> bool:
        layer = self._layers.get(region.priority)
        return layer is not None and region in layer

    def __iter__(self) -> Iterator[Region]:
        """All regions, highest priority first, then by address."""
        for priority in sorted(self._layers, reverse=True):
            yield from self._layers[priority].regions

    def _refresh(self, low: int, high: int) -> None:
        """Look down on low..high again, and on a neighbour each side, which may have grown together."""
        low, high = max(low - 1, self.ground.start), min(high, self.ground.end - 1)
        firsts, blocks = self._table
        first, last = bisect_right(firsts, low) - 1, bisect_right(firsts, high)
        segments = [segment for _, block in blocks[first:last] for segment in block]
        begin = bisect_right(segments, low, key=_start) - 1
        end = bisect_right(segments, high, key=_start)
        replaced = segments[begin:end]
        segments[begin:end] = self._from_above(replaced[0].start, replaced[-1].end)
        firsts, blocks = firsts.copy(), blocks.copy()
        firsts[first:last], blocks[first:last] = _table(segments)
        self._table = firsts, blocks
        for segment in replaced:
            segment.limits = Limits()
        self.changed()

    def _from_above(self, address: int, end: int) -> Iterator[Segment]:
        layers = [self._layers[priority] for priority in sorted(self._layers, reverse=True)]
        while address < end:
            region, stop = self.ground, end
            for layer in layers:
                index = bisect_right(layer.starts, address)
                if index and address < layer.regions[index - 1].end:
                    region = layer.regions[index - 1]
                    stop = min(stop, region.end)
                    break
                if index < len(layer.starts):
                    stop = min(stop, layer.starts[index])
            for start, until, watched in self.watches.covered(address, stop):
                yield Segment(start, until, region, watched)
            address = stop


def _table(segments: list[Segment]) -> tuple[list[int], list[_Block]]:
    """Cut segments into blocks; return the blocks with their starts."""
    size = len(segments) if len(segments) <= 2 * _BLOCK else _BLOCK
    cuts = [segments[at : at + size] for at in range(0, len(segments), size)]
    blocks = [([segment.start for segment in block], block) for block in cuts]
    return [starts[0] for starts, _ in blocks], blocks


def _start(segment: Segment) -> int:
    return segment.start
