"""How one thread of execution reaches the devices: the way of every single access.

On a bus the initiator is the side that starts a transfer. Here it is the Bus the emulator gets: it finds the
region, applies the region's policy, calls the device, checks the answer and appends one record. There is one
per thread, because what it keeps is per thread: which instruction is running, and where the last access went.

Memory and ports work alike, so each is a `Route` over its own range map. A route has a short way and a long
way. The short way is for an access inside one segment, of a width the policy has nothing to say about: one
comparison, the device's bound method, one record. Everything else (borders, policies, bytes where nothing is,
atomics) takes the long way: the access is cut into parts, all of them looked up and checked, and only then
the first device is called.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from operator import index
from typing import Any, Final, Literal, Protocol, TypeAlias

from attrs import frozen

from decode import READ, READ_WRITE, WRITE, Direction, Instruction
from mmio.errors import DeviceError, NoRegister, PolicyError, UnmappedAccess, Where
from mmio.flags import ATOMIC, UNMAPPED
from mmio.region import RangeMap, Region, Segment

Space: TypeAlias = Literal["memory", "port"]
Operation: TypeAlias = Callable[[int], int]

_NOWHERE: Final = -1  # no address is this low


class Recorder(Protocol):
    """Where records go; `Trace` is one."""

    def record(
        self,
        direction: Direction,
        space: Space,
        address: int,
        width: int,
        value: int,
        ip: int,
        instruction: Instruction | None,
        region: Region,
        offset: int,
        flags: int,
        thread: int,
        old: int | None = None,
    ) -> None: ...


class Addressed(Protocol):
    """What an initiator needs of an address space."""

    @property
    def memory(self) -> RangeMap: ...
    @property
    def ports(self) -> RangeMap: ...
    @property
    def lock(self) -> AbstractContextManager[object]: ...
    @property
    def trace(self) -> Recorder | None: ...


@frozen
class _Part:
    """What one device sees of an access, and the bytes of it (a mask) where the device has nothing."""

    segment: Segment
    address: int
    width: int
    flags: int
    holes: int

    @property
    def offset(self) -> int:
        return self.address - self.segment.base

    def of(self, whole: int, start: int) -> int:
        """This part of a value that starts at address `start`."""
        return whole >> 8 * (self.address - start) & (1 << 8 * self.width) - 1

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The stretches without holes, as (first byte, width)."""
        if not self.holes:
            return [(0, self.width)]
        runs: list[tuple[int, int]] = []
        for byte in range(self.width):
            if self.holes >> byte * 8 & 0xFF:
                continue
            if runs and sum(runs[-1]) == byte:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((byte, 1))
        return runs


class Route:
    """One initiator's way into one range map."""

    __slots__ = ("_initiator", "_lock", "_map", "_read_hit", "_space", "_write_hit")

    def __init__(
        self, initiator: "Initiator", space: Space, ranges: RangeMap, lock: AbstractContextManager[object]
    ) -> None:
        self._initiator = initiator
        self._space: Space = space
        self._map = ranges
        self._lock = lock
        # A copy loop reads here and writes there: one last hit for each keeps both on the short way.
        self._read_hit = self._write_hit = ranges.find(0)

    def find(self, address: int) -> Segment:
        """Return the segment around an address."""
        return self._map.find(address)

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes as an unsigned little-endian int."""
        hit = self._read_hit
        if not hit.start <= address <= hit.limits.get(width, _NOWHERE):
            hit = self._map.find(address)
            if not hit.start <= address <= hit.limits.get(width, _NOWHERE):
                return self._read_parts(address, width)
            self._read_hit = hit
        offset = address - hit.base
        try:
            value = hit.read(offset, width)
        except NoRegister as hole:
            if hole.device is not hit.region.device:
                raise
            return self._read_parts(address, width)
        except DeviceError as error:
            raise self._placed(error, "read", address, width) from error.__cause__
        if value.__class__ is not int or value >> (width << 3):
            value = self._checked(value, address, width)
        if hit.recorded:
            initiator = self._initiator
            if initiator.record is not None:
                initiator.record(
                    READ,
                    self._space,
                    address,
                    width,
                    value,
                    initiator.ip,
                    initiator.instruction,
                    hit.region,
                    offset,
                    0,
                    initiator.thread,
                )
        return value

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        hit = self._write_hit
        if not hit.start <= address <= hit.limits.get(width, _NOWHERE):
            hit = self._map.find(address)
            if not hit.start <= address <= hit.limits.get(width, _NOWHERE):
                return self._write_parts(address, width, value)
            self._write_hit = hit
        offset = address - hit.base
        try:
            hit.write(offset, width, value)
        except NoRegister as hole:
            if hole.device is not hit.region.device:
                raise
            return self._write_parts(address, width, value)
        except DeviceError as error:
            raise self._placed(error, "write", address, width) from error.__cause__
        if hit.recorded:
            initiator = self._initiator
            if initiator.record is not None:
                initiator.record(
                    WRITE,
                    self._space,
                    address,
                    width,
                    value,
                    initiator.ip,
                    initiator.instruction,
                    hit.region,
                    offset,
                    0,
                    initiator.thread,
                )
        return None

    def update(self, address: int, width: int, operation: Operation) -> int:
        """Read, write `operation(old)`, and return old, indivisibly against every other update in the space.

        It makes one record, with both values. When the operation or the write raises, what was read is still
        recorded, as a read.
        """
        with self._lock:
            parts = self._parts("update", address, width)
            by_device: Callable[[int, int, Operation], int] | None = parts[0].segment.optional("update")
            if by_device is not None and len(parts) == 1 and not parts[0].holes:
                return self._update_by_device(parts[0], by_device, operation)
            only_read: list[tuple[_Part, int]] = []
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
            return old

    def _update_by_device(self, part: _Part, update: Callable[[int, int, Operation], int], operation: Operation) -> int:
        new = 0

        def remembered(old: int) -> int:
            nonlocal new
            new = operation(old)
            return new

        old = update(part.offset, part.width, remembered)
        self._record(READ_WRITE, part, new, ATOMIC, old)
        return old

    def _read_parts(self, address: int, width: int) -> int:
        whole = 0
        for part in self._parts("read", address, width):
            value = self._read_part(part, "read")
            self._record(READ, part, value)
            whole |= value << 8 * (part.address - address)
        return whole

    def _write_parts(self, address: int, width: int, whole: int) -> None:
        for part in self._parts("write", address, width):
            value = part.of(whole, address)
            self._write_part(part, value, "write")
            self._record(WRITE, part, value)

    def _parts(self, verb: str, address: int, width: int) -> list[_Part]:
        """Cut an access at borders and as the policies say. Nothing has happened yet when this raises."""
        end = address + width
        if address < 0 or end > self._map.ground.end:
            problem = f"the {self._space} space is 0x0..{self._map.ground.end:#x}"
            raise UnmappedAccess(problem, self._where(verb, address, width))
        parts = []
        at = address
        while at < end:
            segment = self._map.find(at)
            stop = min(end, segment.end)
            policy = segment.region.policy
            pieces = policy.pieces(at - segment.base, stop - at, at_border=stop - at < width)
            if isinstance(pieces, str):
                raise PolicyError(pieces, self._where(verb, at, stop - at))
            for first, length, flags in pieces:
                holes = segment.holes(at + first - segment.base, length)
                if holes and policy.unmapped == "error":
                    raise UnmappedAccess(segment.region.absence, self._where(verb, at + first, length))
                parts.append(_Part(segment, at + first, length, flags | (UNMAPPED if holes else 0), holes))
            at = stop
        return parts

    def _read_part(self, part: _Part, verb: str) -> int:
        value = part.holes if part.segment.region.policy.unmapped == "ones" else 0
        for first, width in part.runs:
            try:
                answer = part.segment.read(part.offset + first, width)
            except DeviceError as error:
                raise self._placed(error, verb, part.address, part.width) from error.__cause__
            value |= self._checked(answer, part.address + first, width, verb) << 8 * first
        return value

    def _write_part(self, part: _Part, value: int, verb: str) -> None:
        for first, width in part.runs:
            try:
                part.segment.write(part.offset + first, width, value >> 8 * first & (1 << 8 * width) - 1)
            except DeviceError as error:
                raise self._placed(error, verb, part.address, part.width) from error.__cause__

    def _record(self, direction: Direction, part: _Part, value: int, flags: int = 0, old: int | None = None) -> None:
        initiator = self._initiator
        if part.segment.recorded and initiator.record is not None:
            initiator.record(
                direction,
                self._space,
                part.address,
                part.width,
                value,
                initiator.ip,
                initiator.instruction,
                part.segment.region,
                part.offset,
                part.flags | flags,
                initiator.thread,
                old,
            )

    def _checked(self, value: Any, address: int, width: int, verb: str = "read") -> int:
        """Return a device's answer as a plain int. Anything that Python itself takes for an integer will do."""
        try:
            number = index(value)
        except TypeError:
            number = -1
        if number >> 8 * width:
            problem = f"the device answered {value!r}, expected an int in 0..{(1 << 8 * width) - 1:#x}"
            raise DeviceError(problem, self._where(verb, address, width))
        return number

    def _placed(self, error: DeviceError, verb: str, address: int, width: int) -> DeviceError:
        """Tell an error that a device raised which access it was, unless it knows."""
        if error.where is None:
            error.where = self._where(verb, address, width)
        return error

    def _where(self, verb: str, address: int, width: int) -> Where:
        initiator = self._initiator
        region = self._map.find(max(address, 0)).region
        return Where(verb, self._space, address, width, initiator.ip, initiator.instruction, region)


class Initiator:
    """The Bus of one thread of execution in an address space.

    Set `ip` and `instruction` before each instruction, or let `step` do it: they go into every record and
    every error.

    `trace`: where records go, the space's own trace when left out. `thread`: the number in the records.
    Whatever a device raises comes out unchanged; the access that failed is not recorded, those before it are.
    """

    __slots__ = (
        "_trace",
        "instruction",
        "ip",
        "memory",
        "port_read",
        "port_write",
        "ports",
        "read",
        "record",
        "thread",
        "update",
        "write",
    )

    def __init__(self, space: Addressed, trace: Recorder | None = None, thread: int = 0) -> None:
        self.ip = 0
        self.instruction: Instruction | None = None
        self.thread = thread
        self.trace = space.trace if trace is None else trace
        self.memory = Route(self, "memory", space.memory, space.lock)
        self.ports = Route(self, "port", space.ports, space.lock)
        # Bound methods handed on as they are: a method here that calls the route's would cost each access a frame.
        self.read = self.memory.read
        self.write = self.memory.write
        self.update = self.memory.update
        self.port_read = self.ports.read
        self.port_write = self.ports.write

    @property
    def trace(self) -> Recorder | None:
        """Where records go; None for nowhere."""
        return self._trace

    @trace.setter
    def trace(self, trace: Recorder | None) -> None:
        self._trace = trace
        self.record = None if trace is None else trace.record

    def read_block(self, address: int, length: int) -> bytes | None:
        """Read plain memory in one piece; None where it is not plain, lies in several segments or is recorded."""
        segment = self.memory.find(address)
        read_block: Callable[[int, int], bytes | None] | None = segment.optional("read_block")
        if read_block is None or segment.recorded or address + length > segment.end:
            return None
        return read_block(address - segment.base, length)

    def write_block(self, address: int, data: bytes) -> bool:
        """Write plain memory in one piece; False, and nothing written, where `read_block` would return None."""
        segment = self.memory.find(address)
        write_block: Callable[[int, bytes], bool] | None = segment.optional("write_block")
        if write_block is None or segment.recorded or address + len(data) > segment.end:
            return False
        return write_block(address - segment.base, data)

    def fetch(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code, fewer where memory ends. Fetching is never recorded."""
        code = b""
        while len(code) < length:
            segment = self.memory.find(address + len(code))
            fetch: Callable[[int, int], bytes] | None = segment.optional("fetch")
            wanted = min(length, segment.end - address) - len(code)
            if fetch is None or wanted <= 0:
                break
            got = fetch(address + len(code) - segment.base, wanted)
            code += got
            if len(got) < wanted:
                break
        return code
