"""Per-thread bus: find the region, apply its policy, call the device, record."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeAlias

from decode import READ, WRITE, Instruction
from mmio.arguments import integer, shortened
from mmio.records.rows import Block
from mmio.space.recorder import NOWHERE, KnownSite, Recorder, recording
from mmio.space.region import RangeMap, Segment
from mmio.space.route import Route

_MOST_SITES: Final = 64  # sets of them
_Sites: TypeAlias = tuple[dict[int, KnownSite], dict[int, KnownSite], dict[tuple[int, int], KnownSite]]


class Addressed(Protocol):
    """The part of an address space that an initiator uses."""

    @property
    def memory(self) -> RangeMap:
        """The regions at memory addresses."""

    @property
    def ports(self) -> RangeMap:
        """The regions at IO ports."""

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The lock that is held by each read-modify-write."""

    @property
    def trace(self) -> Recorder | None:
        """The receiver of records where an initiator is given none."""


class Initiator(Route):
    """Bus master of one thread: the view of an address space that this thread has, as a `Bus` for the emulator.

    A bus calls the side that starts a transfer its initiator. Each thread has its own, because two things are the
    thread's: the instruction that is running, and the segments that its last accesses went to, which are tried first.
    For each access it finds the region, applies the region's policy, calls the device, checks the answer and appends
    one record. It is itself the `Route` to memory, which most accesses go to, and holds a second one to the ports.

    Set `ip` and `instruction` before each instruction, or let `Emulator.step` do it: they go into every record and
    every error. Whatever a device raises comes out unchanged; the access that failed is not recorded, those before it
    are.

    Args:
        space: the address space.
        trace: the receiver of records; the space's own trace when left out.
        thread: the thread's number in the records.
    """

    __slots__ = (
        "_flags",
        "_sites",
        "_thread",
        "instruction",
        "ip",
        "piece_sites",
        "port_read",
        "port_write",
        "ports",
        "read_sites",
        "recorder",
        "space",
        "write_sites",
    )

    def __init__(self, space: Addressed, trace: Recorder | None = None, thread: int = 0) -> None:
        if isinstance(space, type) or not all(hasattr(space, name) for name in ("memory", "ports", "lock")):
            raise TypeError(f"space is an AddressSpace, not {shortened(space)}")
        super().__init__(self, "memory", space.memory, space.lock)
        self.space = space
        self.ip = 0
        self.instruction: Instruction | None = None
        self._thread = integer("thread", thread)
        self._flags = 0
        self.trace = space.trace if trace is None else trace
        # Bound methods passed on as they are: a method here that calls the route's would cost each access a frame.
        self.ports = ports = Route(self, "port", space.ports, space.lock)
        self.port_read, self.port_write = ports.read, ports.write

    @property
    def trace(self) -> Recorder | None:
        """The trace that accesses are recorded in; None for none."""
        return None if self.recorder is NOWHERE else self.recorder

    @trace.setter
    def trace(self, trace: Recorder | None) -> None:
        self.recorder: Recorder = NOWHERE if trace is None else recording(trace)
        self._sites: dict[tuple[int, int], _Sites] = {}
        self._choose_sites()

    @property
    def thread(self) -> int:
        """The thread's number in the records."""
        return self._thread

    @thread.setter
    def thread(self, thread: int) -> None:
        self._thread = thread
        self._choose_sites()

    @property
    def flags(self) -> int:
        """Flags of all its records (`mmio/records/flags.py`), besides those of the access itself."""
        return self._flags

    @flags.setter
    def flags(self, flags: int) -> None:
        self._flags = flags
        self._choose_sites()

    def _choose_sites(self) -> None:
        """Remember the sites of each thread, and those with each set of flags, apart."""
        if len(self._sites) >= _MOST_SITES:
            self._sites.clear()
        sites = self._sites.setdefault((self._thread, self._flags), ({}, {}, {}))
        self.read_sites, self.write_sites, self.piece_sites = sites

    def begin(self, instruction: Instruction, ip: int) -> None:
        """Note which instruction is running, for records and errors. `Emulator.step` calls it."""
        self.instruction = instruction
        self.ip = ip

    def read_block(self, address: int, length: int) -> bytes | None:
        """Read plain memory in one piece; None where it is not, lies in several segments, or is watched."""
        segment = self._plain(address, length)
        method: Callable[[int, int], bytes | None] | None = None if segment is None else segment.optional("read_block")
        return None if segment is None or method is None else method(address - segment.base, length)

    def write_block(self, address: int, data: bytes) -> bool:
        """Write plain memory in one piece; False, and nothing written, where `read_block` would return None."""
        segment = self._plain(address, len(data))
        method: Callable[[int, bytes], bool] | None = None if segment is None else segment.optional("write_block")
        return segment is not None and method is not None and method(address - segment.base, data)

    def moved(self, source: int | None, destination: int, width: int, data: bytes, backwards: bool) -> None:
        """Record what a string instruction has moved in one piece, each element as an access of its own."""
        ends = [(WRITE, destination)] if source is None else [(READ, source), (WRITE, destination)]
        segments = [(direction, address, self.find(address)) for direction, address in ends]
        places = [
            (direction, address, found.recorded_region) for direction, address, found in segments if found.recorded
        ]
        if not places or not self.recorder.enabled:
            return
        if backwards:
            data = b"".join(data[end - width : end] for end in range(len(data), 0, -width))
        block = Block(places, -width if backwards else width, width, data)
        self.recorder.record_block(block, self.ip, self.instruction, self.thread)

    def _plain(self, address: int, length: int) -> Segment | None:
        """Return the segment of a block that may go in one piece, as far as the map knows.

        For a string instruction its policy must have nothing to say about any element. Where accesses are recorded it
        takes such an instruction: `moved` is told of its elements.
        """
        segment = self.find(address)
        if segment.watched or address + length > segment.end:
            return None
        if self.instruction is None or not self.instruction.string:
            return None if segment.recorded else segment
        width = self.instruction.accesses[0].width
        return segment if address + length - width <= segment.limits[width] else None

    def fetch(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of code, fewer where memory ends. Fetching is never recorded."""
        code = b""
        while len(code) < length:
            segment = self.find(address + len(code))
            fetch: Callable[[int, int], bytes] | None = segment.optional("fetch")
            wanted = min(length, segment.end - address) - len(code)
            if fetch is None or wanted <= 0:
                break
            got = fetch(address + len(code) - segment.base, wanted)
            code += got
            if len(got) < wanted:
                break
        return code
