"""A child's address space in the process that has the devices: where the child's accesses are really made.

The child says what it has trapped and where; the devices there, the policies, the watchpoints and the trace are this
process's own. The ordinary memory of the child, and the real memory behind what it has trapped, stay the child's: it is
asked for them.
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
from mmio.program.memory import DeviceMemory
from mmio.program.ports import NotGranted
from mmio.program.process import TargetSpan, Trapped
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder

MEMORY: Final = "memory"
PORT: Final = "port"
"""Where an access goes; anything else is the path of a file that devices answer for."""

UNREACHABLE: Final[dict[str, type[Unreachable]]] = {"Unreachable": Unreachable, "BeyondEnd": BeyondEnd}
NOWHERE: Final[dict[str, type[UnmappedAccess]]] = {"NotGranted": NotGranted, "UnmappedAccess": UnmappedAccess}
"""Errors that the child may have to turn into a signal of its program, by the name they have in a message."""


class Asked(NamedTuple):
    """An access that a child asks for: the parts of its message.

    Attributes:
        verb: "read", "write" or "update".
        where: MEMORY, PORT or a path.
        code: of the instruction, in hexadecimal digits.
        flags: of the record.
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
        pid: of the child.
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
        """Do nothing: the child's system calls are its own."""

    def trapped_changed(self) -> None:
        """Do nothing."""

    def behind(self, trapped: Trapped, start: int) -> Any:
        """Return the memory behind a trapped mapping of the child's, from an address on."""
        return PlainMemory(self._ask, start) if self._is_plain else RealMemory(self._ask, start)

    def put_described(self, description: Message) -> None:
        """Trap a mapping that the child has trapped (`described`)."""
        origin, start, end, protection, stand_in, self._is_plain, offset, spans = description
        found = []
        for first, last, zero, index, name in spans:
            target = list(self.targets)[index]
            self.targets.met.add(target)
            found.append(TargetSpan(first, last, zero, target.device, name, target.policies))
        self.put(Trapped(origin, start, end, protection, None, stand_in, found, offset))

    def take_at(self, start: int) -> None:
        """Take out the mapping that begins at an address."""
        self._take(next(trapped for trapped in self.trapped if trapped.start == start))

    def perform(self, asked: Asked) -> int:
        """Make an access; return what was read, 0 of a write. Raises whatever a device raises."""
        bus = self._bus(asked.where)
        bus.ip, bus.thread = asked.ip, asked.thread
        bus.instruction = decode(bytes.fromhex(asked.code), 64, cpu_vendor()) if asked.code else None
        with marked(bus, asked.flags) if asked.flags else nullcontext():
            if asked.where == PORT:
                self.targets.meet_ports()
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

    def read_block(self, address: int, length: int) -> bytes:
        """Read any number of bytes: plain memory, which a watchpoint may look at."""
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
    """Real memory that can be looked at without any effect."""

    def read_block(self, offset: int, length: int) -> bytes:
        """Read any number of bytes. Raises Unreachable."""
        return self.read(offset, length).to_bytes(length, "little")


def described(trapped: Trapped, targets: Targets) -> Message:
    """Return a message's words for what is trapped, with targets by their places."""
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
    return [*mapping, trapped.stand_in, is_plain, trapped.offset, spans]


def answer_of(error: BaseException) -> Message:
    """Return the message that tells the other side of an error."""
    name = type(error).__name__
    if isinstance(error, Unreachable):
        return ["unreachable", name, error.address, bool((error.error_code or 0) & 2)]
    return ["failed", name, str(error)]


def error_in(answer: Message) -> Exception:
    """Return the error that a message tells of."""
    match answer:
        case ["unreachable", name, address, write]:
            return UNREACHABLE.get(name, Unreachable)(address, write=write)
        case ["failed", name, text]:
            return NOWHERE.get(name, RemoteError)(text)
        case _:
            raise ChannelClosed


class RemoteError(Exception):
    """A device has raised, in the process that has it; the message is that of its exception."""
