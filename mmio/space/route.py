"""Path from an instruction's access to a device and back.

There is a short way and a long way. The short way is for an access inside one segment, of a width the policy has
nothing to say about: one comparison, the device's bound method, one record. Everything else (borders, policies, bytes
where nothing is, atomics, watched bytes) takes the long way, in parts.

The short way is written out in `read` and in `write`: a function for what is the same would cost each access a frame.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from struct import error as StructError
from time import monotonic_ns
from typing import Any, Final, Protocol, TypeAlias

from decode import READ, READ_WRITE, WRITE, Direction, Instruction
from emulate.answer import unsigned
from mmio.arguments import access, integer, shortened
from mmio.errors import AccessError, DeviceError, NoRegister, Where
from mmio.records.access import Space
from mmio.records.flags import ATOMIC
from mmio.records.rows import ROW
from mmio.space.part import Part, contents, cut
from mmio.space.policy import WIDTHS, Pieces
from mmio.space.recorder import NO_SITE, KnownSite, Recorder
from mmio.space.region import Limits, RangeMap, Segment, Watcher

_pack: Final = ROW.pack

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

Operation: TypeAlias = Callable[[int], int]

_BITS: Final = tuple(range(0, 8 * max(WIDTHS) + 1, 8))  # by width in bytes: looking one up is quicker than a shift
_ROW_VALUE: Final = 8  # bytes of a value in a row
_MOST_SITES: Final = 4096  # remembered in each direction
_DIRECTIONS: Final = {"read": READ, "write": WRITE, "update": READ_WRITE}


class Origin(Protocol):
    """Origin of accesses: the instruction that is running in a thread, and the recorder of its accesses.

    `read_sites` and `write_sites` hold, by instruction pointer, the site of the last read and the last write there,
    `piece_sites` those of the pieces of one, by their first bytes, too (negative for a write's).
    """

    ip: int
    instruction: Instruction | None
    thread: int
    flags: int
    recorder: Recorder
    read_sites: dict[int, KnownSite]
    write_sites: dict[int, KnownSite]
    piece_sites: dict[tuple[int, int], KnownSite]


class Route:
    """One thread's way into one range map.

    Args:
        origin: where its accesses come from.
        space: "memory" or "port", for the records.
        ranges: the range map.
        lock: held during indivisible updates.

    Attributes:
        lock: the same.
    """

    __slots__ = ("_map", "_origin", "_read_hit", "_space", "_write_hit", "lock")

    def __init__(self, origin: Origin, space: Space, ranges: RangeMap, lock: AbstractContextManager[object]) -> None:
        self._origin = origin
        self._space: Space = space
        self._map = ranges
        self.lock = lock
        # A copy loop reads here and writes there: one last hit for each keeps both on the short way.
        self._read_hit = self._write_hit = ranges.find(0)

    def find(self, address: int) -> Segment:
        """Return the segment around an address."""
        return self._map.find(address)

    def last_segment(self, written: bool) -> Segment:
        """Return the segment of the last access in a direction that needed no thought."""
        return self._write_hit if written else self._read_hit

    def answer_next(self, address: int, answer: Callable[[], Any] | None) -> None:
        """Answer the access at an address by a function instead of the device there; None ends that.

        Args:
            address: of the access.
            answer: returns what the device does, or raises it.
        """
        hit = self._map.find(address)
        if answer is not None:
            hit, answers = copy(hit), partial(_without_arguments, answer)
            hit.start, hit.limits = address, Limits(dict.fromkeys(WIDTHS, address))
            hit.read, hit.write = answers, answers
        self._read_hit = self._write_hit = hit

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes as an unsigned little-endian int."""
        hit = self._read_hit
        if not hit.start <= address <= hit.limits[width]:
            hit = self._map.find(address)
            if not hit.start <= address <= hit.limits[width]:
                return self.read_parts(address, width)
            self._read_hit = hit
        offset, read = address - hit.base, hit.read  # a call through a slot would be looked up anew each time
        try:
            value = read(offset, width)
        except NoRegister as hole:
            if hole.device is not hit.region.device:
                self._place(hole, "read", address, width)
                raise
            return self.read_parts(address, width)
        except AccessError as error:
            self._place(error, "read", address, width)
            raise
        except (TypeError, ValueError, AttributeError):  # if not the device's own, of what it was given
            self._check(address, width)
            raise
        if type(value) is not int or value >> _BITS[width]:  # a negative one, shifted, is never 0
            value = self._checked(value, address, width)
        if hit.recorded:
            origin = self._origin
            if origin.recorder.enabled:
                known = origin.read_sites.get(origin.ip, NO_SITE)
                instruction, region, known_width, trace, number = known
                if (
                    instruction is origin.instruction
                    and region is hit.recorded_region
                    and known_width == width
                    and trace.enabled
                ):
                    append = trace.append_row
                    try:
                        append(_pack(monotonic_ns(), address, value, number))
                    except StructError:  # the value fits no row
                        self._record_first(READ, origin.read_sites, hit, address, width, value)
                else:
                    self._record_first(READ, origin.read_sites, hit, address, width, value)
        return value

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        hit = self._write_hit
        if not hit.start <= address <= hit.limits[width]:
            hit = self._map.find(address)
            if not hit.start <= address <= hit.limits[width]:
                return self.write_parts(address, width, value)
            self._write_hit = hit
        offset, write = address - hit.base, hit.write
        try:
            write(offset, width, value)
        except NoRegister as hole:
            if hole.device is not hit.region.device:
                self._place(hole, "write", address, width)
                raise
            return self.write_parts(address, width, value)
        except AccessError as error:
            self._place(error, "write", address, width)
            raise
        except (TypeError, ValueError, AttributeError):  # if not the device's own, of what it was given
            self._check(address, width, value)
            raise
        if hit.recorded:
            origin = self._origin
            if origin.recorder.enabled:
                known = origin.write_sites.get(origin.ip, NO_SITE)
                instruction, region, known_width, trace, number = known
                if (
                    instruction is origin.instruction
                    and region is hit.recorded_region
                    and known_width == width
                    and trace.enabled
                ):
                    append = trace.append_row
                    try:
                        append(_pack(monotonic_ns(), address, value, number))
                    except StructError:  # the value fits no row
                        self._record_first(WRITE, origin.write_sites, hit, address, width, value)
                else:
                    self._record_first(WRITE, origin.write_sites, hit, address, width, value)
        return None

    def update(self, address: int, width: int, operation: Operation) -> int:
        """Read, write `operation(old)`, and return old, indivisibly against every other update in the space.

        It makes one record, with both values. When the operation or the write raises, what was read is still
        recorded, as a read.
        """
        if not callable(operation):
            raise TypeError(f"operation is a function of the old value, not {shortened(operation)}")
        with self.lock:
            parts = self._parts("update", address, width)
            by_device: Callable[[int, int, Operation], int] | None = parts[0].segment.optional("update")
            if by_device is not None and len(parts) == 1 and not parts[0].holes:
                old, new = self._update_by_device(parts[0], by_device, operation)
            else:
                old, new = self._update_parts(parts, address, operation)
        watching = self._map.watches.touching(address, address + width)
        self._tell(watching, READ_WRITE, parts[0], address, width, new, old)
        return old

    def _update_parts(self, parts: list[Part], address: int, operation: Operation) -> tuple[int, int]:
        only_read: list[tuple[Part, int]] = []
        try:
            old = 0
            for part in parts:
                value = self._read_part(part, "update")
                only_read.append((part, value))
                old |= value << 8 * (part.address - address)
            new = operation(old)
            for part in parts:
                value = part.of(new, address)
                self._write_part(part, value, "update")
                self._record(READ_WRITE, part, value, ATOMIC, only_read.pop(0)[1])
        finally:
            for part, value in only_read:
                self._record(READ, part, value, ATOMIC)
        return old, new

    def _update_by_device(
        self, part: Part, update: Callable[[int, int, Operation], int], operation: Operation
    ) -> tuple[int, int]:
        new = 0

        def remembered(old: int) -> int:
            nonlocal new
            new = operation(old)
            return new

        old = update(part.offset, part.width, remembered)
        self._record(READ_WRITE, part, new, ATOMIC, old)
        return old, new

    def read_parts(self, address: int, width: int) -> int:
        """Read as `read` does, for an access that is known not to go the short way."""
        hit, whole = self._map.find(address), 0
        if type(width) is int and (pieces := hit.pieces(address, width)):
            return self._in_pieces(READ, hit, pieces, address)
        parts = self._parts("read", address, width)
        for part in parts:
            value = self._read_part(part, "read")
            self._record(READ, part, value)
            whole |= value << 8 * (part.address - address)
        watching = self._map.watches.touching(address, address + width)
        if watching:
            plain = all(part.is_plain for part in parts)
            self._tell(watching, READ, parts[0], address, width, whole, whole if plain else None)
        return whole

    def write_parts(self, address: int, width: int, whole: int) -> None:
        """Write as `write` does, for an access that is known not to go the short way."""
        hit = self._map.find(address)
        if type(width) is type(whole) is int and (pieces := hit.pieces(address, width)):
            self._in_pieces(WRITE, hit, pieces, address, whole)
            return
        parts = self._parts("write", address, width, whole)
        watching = self._map.watches.touching(address, address + width)
        old = contents(parts) if watching else None
        for part in parts:
            value = part.of(whole, address)
            self._write_part(part, value, "write")
            self._record(WRITE, part, value)
        self._tell(watching, WRITE, parts[0], address, width, whole, old)

    def _in_pieces(self, direction: Direction, hit: Segment, pieces: Pieces, address: int, whole: int = 0) -> int:
        """Make an access that is split because of its width only, as a vector's to most devices is."""
        origin, reads = self._origin, direction is READ
        for first, width, flags in pieces:
            at, offset = address + first, address - hit.base + first
            value = whole >> 8 * first & (1 << 8 * width) - 1
            try:
                if reads:
                    value = hit.read(offset, width)
                else:
                    hit.write(offset, width, value)
            except AccessError as error:
                self._place(error, "read" if reads else "write", at, width)
                raise
            if reads:
                if type(value) is not int or value >> _BITS[width]:
                    value = self._checked(value, at, width)
                whole |= value << 8 * first
            if not (hit.recorded and origin.recorder.enabled):
                continue
            key = origin.ip, first if reads else ~first
            instruction, region, known, trace, number = origin.piece_sites.get(key, NO_SITE)
            same = instruction is origin.instruction and region is hit.recorded_region and known == width <= _ROW_VALUE
            if same and trace.enabled:
                trace.append_row(_pack(monotonic_ns(), at, value, number))
            else:
                self._record_first(direction, origin.piece_sites, hit, at, width, value, key, flags)
        return whole

    def _tell(
        self,
        watching: list[Watcher],
        direction: Direction,
        first: Part,
        address: int,
        width: int,
        value: int,
        old: int | None,
    ) -> None:
        """Report a completed access to watchpoints: the whole of it, as the instruction made it."""
        for watcher in watching:
            watcher.seen(self._origin, direction, address, width, value, old, first.recorded_region)

    def _check(self, address: int, width: int, value: int = 0) -> None:
        """Refuse what is no access. Only the long way asks, and what comes after a failure: the short way has no time.

        Raises:
            TypeError: the address, the width or the value is no int.
            ValueError: there is no such width.
        """
        if type(address) is not int or type(width) is not int or width < 1 or type(value) is not int:
            access("port" if self._space == "port" else "address", address, width)
            integer("value", value)

    def _parts(self, verb: str, address: int, width: int, value: int = 0) -> list[Part]:
        self._check(address, width, value)
        try:
            return cut(self._map, address, width, _DIRECTIONS[verb])
        except AccessError as error:
            self._place(error, verb, address, width)
            raise error from None  # the device's NoRegister, if that is how we came here, says the same with less

    def _read_part(self, part: Part, verb: str) -> int:
        value = part.filling
        for first, width in part.runs:
            try:
                answer = part.segment.read(part.offset + first, width)
            except AccessError as error:
                self._place(error, verb, part.address, part.width)
                raise
            value |= self._checked(answer, part.address + first, width, verb) << 8 * first
        return value

    def _write_part(self, part: Part, value: int, verb: str) -> None:
        for first, width in part.runs:
            try:
                part.segment.write(part.offset + first, width, value >> 8 * first & (1 << 8 * width) - 1)
            except AccessError as error:
                self._place(error, verb, part.address, part.width)
                raise

    def _record(self, direction: Direction, part: Part, value: int, flags: int = 0, old: int | None = None) -> None:
        origin = self._origin
        if part.segment.recorded and origin.recorder.enabled:
            where = part.address, part.width, value, origin.ip, origin.instruction, part.recorded_region, part.offset
            flags |= part.flags | origin.flags
            origin.recorder.record(direction, self._space, *where, flags, origin.thread, old)

    def _record_first(
        self, direction: Direction, sites: Any, hit: Segment, address: int, width: int, value: int, *piece: Any
    ) -> None:
        """Record an access, or a piece with key and flags, and its site for those of other times and values."""
        self._check(address, width, value)
        origin, region = self._origin, hit.recorded_region
        ip, instruction, recorder = origin.ip, origin.instruction, origin.recorder
        key, flags = piece or (ip, 0)
        flags, thread, space = flags | origin.flags, origin.thread, self._space
        recorder.record(
            direction, space, address, width, value, ip, instruction, region, address - hit.base, flags, thread
        )
        found = recorder.site(direction, space, width, ip, instruction, region, flags, thread)
        if found is not None:
            if len(sites) >= _MOST_SITES:
                sites.clear()
            sites[key] = instruction, region, width, *found

    def _checked(self, value: Any, address: int, width: int, verb: str = "read") -> int:
        """Return a device's answer as a plain int. Raises DeviceError when it is none that fits."""
        number = unsigned(value, width)
        if number is None:
            problem = f"the device answered {value!r}, expected an int in 0..{(1 << 8 * width) - 1:#x}"
            raise DeviceError(problem, self._where(verb, address, width))
        return number

    def _place(self, error: AccessError, verb: str, address: int, width: int) -> None:
        """Add the access to an error that does not name one yet."""
        if error.where is None:
            error.where = self._where(verb, address, width)

    def _where(self, verb: str, address: int, width: int) -> Where:
        origin = self._origin
        region = self._map.find(max(address, 0)).region
        region = region.register_view(address - region.start, width, _DIRECTIONS[verb])
        return Where(verb, self._space, address, width, origin.ip, origin.instruction, region)


def _without_arguments(answer: Callable[[], Any], *access: int) -> Any:
    return answer()
