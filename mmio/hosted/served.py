"""A child of a hosted program: its accesses are made in the process that has the devices, over a channel.

The child is a copy of the whole process, with a copy of each device model that must never be asked. It keeps the map of
what is trapped for itself, finds out there what an instruction is about, and asks for every access that is not to its
ordinary memory alone.
"""

import errno
import os
import signal
from collections.abc import Sequence
from threading import RLock
from typing import Any, Final, NoReturn

from mmio.hosted.channel import Channel, ChannelClosed, Message, pair
from mmio.hosted.mirror import MEMORY, PORT, answer_of, described, error_in
from mmio.hosted.process import Process
from mmio.program.process import Trapped
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.space.initiator import Initiator
from mmio.space.recorder import NOWHERE
from mmio.space.route import Operation
from mmio.space.space import AddressSpace

_ATTEMPTS: Final = 3  # the program may close the descriptor in the moment in which it has a low number


class Client:
    """The child's side.

    Args:
        channel: to the process that has the devices.
        targets: the child's copy of the targets.

    Attributes:
        process: the child's memory.
    """

    def __init__(self, channel: Channel, targets: Targets) -> None:
        self.process: Process | None = None
        self._channel = channel
        self._targets = targets
        self._met = set(targets.met)
        self._granted: int | None = None
        self._lock = RLock()
        self._raised: Exception | None = None  # here, by what the other side has asked for
        self.tell("hello")

    def tell(self, *message: Any) -> None:
        """Send a message that has no answer."""
        with self._lock:
            try:
                self._channel.send([*message])
            except ChannelClosed:
                self._end()

    def request(self, *message: Any, descriptor: int | None = None, operation: Operation | None = None) -> int:
        """Ask for something; return the answer. Raises the error that comes in its place."""
        with self._lock:
            try:
                self._channel.send([*message], descriptor)
                self._raised = None
                while True:
                    match self._channel.receive()[0]:
                        case ["value", value]:
                            return int(value)
                        case ["ask", *question]:
                            self._channel.send(self._answer(question, operation))
                        case answer:
                            raise self._raised or error_in(answer)
            except ChannelClosed:
                self._end()

    def access(
        self,
        bus: "ServedBus",
        verb: str,
        where: str,
        address: int,
        width: int,
        value: int = 0,
        operation: Operation | None = None,
    ) -> int:
        """Make an access. Raises Unreachable, UnmappedAccess, or RemoteError for what a device raised."""
        with self._lock:
            if where == PORT:
                self._tell_rights()
            code = "" if bus.instruction is None else bus.instruction.code.hex()
            place = where, address, width, value
            return self.request("access", verb, *place, bus.ip, code, bus.thread, bus.flags, operation=operation)

    def meet(self) -> None:
        """Report the targets that the program has met since the last time."""
        if len(self._targets.met) > len(self._met):
            new = self._targets.met - self._met
            self._met |= new
            self.tell("met", [index for index, target in enumerate(self._targets) if target in new])

    def fork(self) -> tuple[int, "Client | None"]:
        """Fork; return the PID, and in the child, where that is 0, its own side of a new channel. Raises OSError."""
        with self._lock:
            ours = self._adopted()
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                raise
            if not pid:
                self._channel.close()
                return 0, Client(ours, self._targets)
            ours.close()
            return pid, None

    def fail(self, by_device: bool, problem: str) -> NoReturn:
        """End the whole run, this process with it: by what the device has raised, or with a problem of the child's."""
        with self._lock:
            self.request("failed", by_device, problem)
            self._end()

    def _adopted(self) -> Channel:
        """Return one side of a channel whose other side the process with the devices has taken. Raises OSError."""
        for _ in range(_ATTEMPTS):
            theirs, ours = pair()
            taken = self.request("adopt", descriptor=theirs.number)
            theirs.close()
            if taken:
                return ours
            ours.close()
        raise BlockingIOError(errno.EAGAIN, "the process that has the devices has no descriptor left")

    def _tell_rights(self) -> None:
        assert self.process is not None
        granted = self.process.port_rights.granted
        if granted != self._granted:
            self._granted = granted
            self.tell("rights", f"{granted:x}")

    def begin(self, process: Process) -> None:
        """Begin to serve a program in other memory: a new child, or one that has executed."""
        self.process, self._granted = process, None
        self.tell("begin")

    def _answer(self, question: Message, operation: Operation | None) -> Message:
        """Answer what the other side needs for an access that is being made."""
        try:
            match question:
                case ["operate", old]:
                    assert operation is not None
                    return ["value", operation(old)]
                case [what, address, width, *value]:
                    return ["value", self._reach(what, address, width, *value)]
                case _:
                    raise ValueError(f"expected a question, got {question!r}")
        except Exception as error:
            self._raised = error
            return answer_of(error)

    def _reach(self, what: str, address: int, width: int, value: int | None = None) -> int:
        """Read or write the program's ordinary memory, or the real memory behind what is trapped."""
        process = self.process
        assert process is not None
        place = address
        memory: Any = process.memory
        if what == "real":
            memory, place = process.behind(process.trapped_in(address, address + 1)[0], address), 0
        if value is None:
            return int(memory.read(place, width))
        memory.write(place, width, value)
        return 0

    def _end(self) -> NoReturn:
        """End this process: the one that has the devices is gone, as when a tracer has gone (PTRACE_O_EXITKILL)."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise SystemExit


class ServedBus(Initiator):
    """A thread's bus in a child: ordinary memory is accessed here, and everything else where the devices are.

    Args:
        space: the child's own address space.
        client: its side of the channel.
        where: MEMORY, or the path of the file whose bytes these are.
    """

    __slots__ = ("_client", "_target")

    def __init__(self, space: Any, client: Client, where: str, thread: int) -> None:
        super().__init__(space, NOWHERE, thread)
        self._client, self._target = client, where
        self.port_read, self.port_write = self._port_read, self._port_write

    def read(self, address: int, width: int) -> int:
        """Read `width` bytes."""
        if self._is_ordinary(address, width):
            return super().read(address, width)
        return self._client.access(self, "read", self._target, address, width)

    def write(self, address: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        if self._is_ordinary(address, width):
            super().write(address, width, value)
        else:
            self._client.access(self, "write", self._target, address, width, value)

    def update(self, address: int, width: int, operation: Operation) -> int:
        """Read and write indivisibly: the operation is done here, while the other side holds its lock."""
        if self._is_ordinary(address, width):
            return super().update(address, width, operation)
        return self._client.access(self, "update", self._target, address, width, operation=operation)

    def _port_read(self, address: int, width: int) -> int:
        return self._client.access(self, "read", PORT, address, width)

    def _port_write(self, address: int, width: int, value: int) -> None:
        self._client.access(self, "write", PORT, address, width, value)

    def _is_ordinary(self, address: int, width: int) -> bool:
        if self._target != MEMORY:
            return False
        segment = self.find(address)
        return segment.recorded_region is None and not segment.watched and address + width <= segment.end

    def _plain(self, address: int, length: int) -> Any:
        segment = super()._plain(address, length)
        return None if segment is None or segment.recorded_region is not None else segment


class ServedProcess(Process):
    """A child's memory: what is trapped in it is made known where the devices are."""

    def __init__(self, targets: Targets, places: Sequence[range], client: Client) -> None:
        self._client = client
        super().__init__(targets, None, places)
        client.begin(self)

    def initiator(self, thread: int) -> Initiator:
        """Return a bus for one thread."""
        return ServedBus(self.space, self._client, MEMORY, thread)

    def put(self, trapped: Trapped) -> None:
        """Trap a mapping, here and where the devices are."""
        super().put(trapped)
        self._client.tell("put", described(trapped, self.targets))

    def _take(self, trapped: Trapped) -> None:
        super()._take(trapped)
        self._client.tell("take", trapped.start)


class ServedRedirects(Redirects):
    """The files that devices answer for, in a child."""

    def __init__(self, targets: Targets, client: Client) -> None:
        super().__init__(targets, AddressSpace)
        self._client = client

    def initiator(self, path: str, thread: int) -> Initiator:
        """Return a bus for the bytes of a file, which are accessed where the devices are."""
        assert self._client.process is not None
        return ServedBus(self._client.process.space, self._client, path, thread)
