"""Copy of a child's address space in the process that owns the devices, where the child's accesses are made.

The child reports its trapped mappings. Devices, policies, watchpoints and the trace are those of this process. For its
ordinary memory, and for the real memory behind a trapped mapping, the child is asked while it waits for its access.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final, NamedTuple

from decode import decode
from mmio.errors import UnmappedAccess
from mmio.hosted.channel import ChannelClosed, Message
from mmio.live.completion import marked
from mmio.live.memory import BeyondEnd, Unreachable
from mmio.live.vendor import cpu_vendor
from mmio.program import process
from mmio.program.memory import DeviceMemory, NothingMapped
from mmio.program.ports import NotGranted
from mmio.program.process import TargetSpan, Trapped
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder

MEMORY: Final = "memory"
PORT: Final = "port"
"""Values of `AccessRequest.where`; any other value is the path of a file that devices answer for."""

MEMORY_ERRORS: Final[dict[str, type[Unreachable]]] = {"Unreachable": Unreachable, "BeyondEnd": BeyondEnd}
UNMAPPED_ERRORS: Final[dict[str, type[UnmappedAccess]]] = {"NotGranted": NotGranted, "UnmappedAccess": UnmappedAccess}
"""Errors for which the child may deliver a signal to its program, by their names in a message."""


class AccessRequest(NamedTuple):
    """Request of a child for one access: the fields of its message.

    Attributes:
        verb: "read", "write" or "update".
        where: MEMORY, PORT or a path.
        value: what is written; 0 for the other verbs.
        code: bytes of the instruction, in hexadecimal digits.
        flags: flags of the record (`mmio.records`).
    """

    verb: str
    where: str
    address: int
    width: int
    value: int
    ip: int
    code: str
    thread: int
    flags: int


class Mirror(process.Process):
    """Trapped mappings of a child, with the devices of this process.

    Args:
        pid: PID of the child.
        ask: asks the child for something while it waits for its access; returns its answer.
        lock: held during every read-modify-write.
    """

    def __init__(
        self,
        pid: int,
        targets: Targets,
        trace: Recorder | None,
        redirects: Redirects,
        ask: Callable[..., Any],
        lock: Any,
    ) -> None:
        self._ask = ask
        self._is_plain = False
        super().__init__(pid, targets, trace, memory=ChildMemory(ask))
        self.space.lock = lock
        self._redirects = redirects
        self._buses: dict[str, Initiator] = {}

    def watch_every_call(self) -> None:
        """Do nothing: the child handles its system calls."""

    def trapped_changed(self) -> None:
        """Do nothing: a hosted program has no crash handler."""

    def behind(self, trapped: Trapped, start: int) -> Any:
        """Return the memory of the child behind a trapped mapping, from an address on."""
        if isinstance(trapped.source, NothingMapped):
            return super().behind(trapped, start)
        return PlainMemory(self._ask, start) if self._is_plain else RealMemory(self._ask, start)

    def trap_described(self, description: Message) -> None:
        """Trap a mapping that the child has trapped (`description_of`)."""
        origin, start, end, protection, stand_in, self._is_plain, is_mapped, offset, spans = description
        found = []
        for first, last, zero, index, name in spans:
            target = list(self.targets)[index]
            self.targets.matched.add(target)
            found.append(TargetSpan(first, last, zero, target.device, name, target.policies))
        source = None if is_mapped else NothingMapped(origin)
        self.put(Trapped(origin, start, end, protection, source, stand_in, found, offset))

    def untrap_at(self, start: int) -> None:
        """Remove the trapped mapping that begins at an address."""
        self._take(next(trapped for trapped in self.trapped if trapped.start == start))

    def perform(self, asked: AccessRequest) -> int:
        """Make an access; return the value read, or 0 for a write. Raises whatever a device raises."""
        bus = self._bus(asked.where)
        bus.ip, bus.thread = asked.ip, asked.thread
        bus.instruction = decode(bytes.fromhex(asked.code), 64, cpu_vendor()) if asked.code else None
        with marked(bus, asked.flags) if asked.flags else nullcontext():
            if asked.where == PORT:
                self.targets.match_ports()
            match asked.verb:
                case "read":
                    read = bus.port_read if asked.where == PORT else bus.read
                    return read(asked.address, asked.width)
                case "write":
                    write = bus.port_write if asked.where == PORT else bus.write
                    write(asked.address, asked.width, asked.value)
                    return 0
                case _:
                    return bus.update(asked.address, asked.width, lambda old: int(self._ask("operate", old)))

    def _bus(self, where: str) -> Initiator:
        bus = self._buses.get(where)
        if bus is None:
            own = where in (MEMORY, PORT)
            bus = self.space.initiator() if own else self._redirects.initiator(where, 0)
            self._buses[where] = bus
        return bus


class ChildMemory:
    """The ordinary memory of a child, as the background of its address space."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes. Raises Unreachable."""
        return int(self._ask("memory", address, width))

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes. Raises Unreachable."""
        self._ask("memory", address, width, value)

    def holes(self, address: int, width: int) -> int:
        """Return 0. Raises Unreachable where a device would have got its part of an access that faults in the end."""
        self.read(address, width)
        return 0

    def read_block(self, address: int, length: int) -> bytes:
        """Read any number of bytes, for the old value that a watchpoint reports."""
        return self.read(address, length).to_bytes(length, "little")


class RealMemory:
    """The real memory behind a mapping that a child has trapped, as a device."""

    def __init__(self, ask: Callable[..., Any], start: int) -> None:
        self._ask = ask
        self._start = start

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes. Raises Unreachable."""
        return int(self._ask("real", self._start + offset, width))

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes. Raises Unreachable."""
        self._ask("real", self._start + offset, width, value)


class PlainMemory(RealMemory):
    """Real memory whose reads have no side effects, so that a watchpoint may read the old value."""

    def read_block(self, offset: int, length: int) -> bytes:
        """Read any number of bytes. Raises Unreachable."""
        return self.read(offset, length).to_bytes(length, "little")


def description_of(trapped: Trapped, targets: Targets) -> Message:
    """Return a trapped mapping as the fields of a message; its targets are indices in `targets`."""
    every = list(targets)
    spans = [
        [
            span.start,
            span.end,
            span.zero,
            next(index for index, target in enumerate(every) if getattr(target, "policies", None) is span.policies),
            span.name,
        ]
        for span in trapped.spans
    ]
    mapping = trapped.origin, trapped.start, trapped.end, trapped.protection
    is_plain = not isinstance(trapped.source, DeviceMemory)
    is_mapped = not isinstance(trapped.source, NothingMapped)
    return [*mapping, trapped.stand_in, is_plain, is_mapped, trapped.offset, spans]


def error_message(error: BaseException) -> Message:
    """Return the message that reports an error to the other end."""
    name = type(error).__name__
    if isinstance(error, Unreachable):
        return ["unreachable", name, error.address, bool((error.error_code or 0) & 2)]
    return ["failed", name, str(error)]


def error_from(answer: Message) -> Exception:
    """Return the error that a message reports."""
    match answer:
        case ["unreachable", name, address, write]:
            return MEMORY_ERRORS.get(name, Unreachable)(address, write=write)
        case ["failed", name, text]:
            return UNMAPPED_ERRORS.get(name, RemoteError)(text)
        case _:
            raise ChannelClosed


class RemoteError(Exception):
    """A device has raised an exception in the process that has the devices; the message is the exception's."""
