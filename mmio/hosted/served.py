"""Client in a child of a hosted program: requests accesses from the process that owns the devices.

The child is a forked copy of the whole process. Its copies of the device models must not be used: the state of a device
is in one process. It keeps its own list of trapped mappings, emulates its instructions, and requests each access that
is not to ordinary memory alone (`children.py` is the server).
"""

import errno
import os
import signal
from collections.abc import Sequence
from threading import RLock
from typing import Any, Final, NoReturn

from mmio.hosted.channel import Channel, ChannelClosed, Message, channel_pair
from mmio.hosted.mirror import MEMORY, PORT, description_of, error_from, error_message
from mmio.hosted.process import Process
from mmio.program.process import Trapped
from mmio.program.redirect import Redirects
from mmio.program.targets import Targets
from mmio.program.uio_opens import UioOpens
from mmio.space.initiator import Initiator
from mmio.space.recorder import NOWHERE
from mmio.space.route import Operation
from mmio.space.space import AddressSpace

_ATTEMPTS: Final = 3  # the program may close the descriptor in the moment in which it has a low number


class Client:
    """The child's end of its channel.

    Args:
        channel: to the process that has the devices.
        targets: the child's copy of the targets.

    Attributes:
        process: the child's process, as an address space.
    """

    def __init__(self, channel: Channel, targets: Targets) -> None:
        self.process: Process | None = None
        self._channel = channel
        self._targets = targets
        self._reported = set(targets.matched)
        self._granted: int | None = None
        self._lock = RLock()
        self._operation_error: Exception | None = None  # raised here while a question was answered
        self.notify("credentials")

    def notify(self, *message: Any) -> None:
        """Send a message that gets no answer."""
        with self._lock:
            try:
                self._channel.send([*message])
            except ChannelClosed:
                self._end_process()

    def request(self, *message: Any, descriptor: int | None = None, operation: Operation | None = None) -> int:
        """Send a request; return the answer, or raise the error that was answered.

        Args:
            message: of which kind, and its fields.
            descriptor: is sent along.
            operation: computes the new value from the old one, for an "update".
        """
        with self._lock:
            try:
                self._channel.send([*message], descriptor)
                self._operation_error = None
                while True:
                    match self._channel.receive()[0]:
                        case ["value", value]:
                            return int(value)
                        case ["ask", *question]:
                            self._channel.send(self._answer(question, operation))
                        case answer:
                            raise self._operation_error or error_from(answer)
            except ChannelClosed:
                self._end_process()

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
                self._send_port_rights()
            code = "" if bus.instruction is None else bus.instruction.code.hex()
            place = where, address, width, value
            return self.request("access", verb, *place, bus.ip, code, bus.thread, bus.flags, operation=operation)

    def report_matched(self) -> None:
        """Report the targets that the program has matched since the last report."""
        if len(self._targets.matched) > len(self._reported):
            new = self._targets.matched - self._reported
            self._reported |= new
            self.notify("matched", [index for index, target in enumerate(self._targets) if target in new])

    def fork(self) -> tuple[int, "Client | None"]:
        """Fork; return the PID, and in the child, where that is 0, its own side of a new channel. Raises OSError."""
        with self._lock:
            ours = self._registered_channel()
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

    def fail_run(self, by_device: bool, problem: str) -> NoReturn:
        """End the run with an error, and this process.

        Args:
            by_device: the error is the exception that a device has raised at this child's last access.
            problem: the message of any other error.
        """
        with self._lock:
            self.request("failed", by_device, problem)
            self._end_process()

    def _registered_channel(self) -> Channel:
        """Return one end of a new channel, whose other end has been passed to the server. Raises OSError."""
        for _ in range(_ATTEMPTS):
            theirs, ours = channel_pair()
            taken = self.request("accept", descriptor=theirs.number)
            theirs.close()
            if taken:
                return ours
            ours.close()
        raise BlockingIOError(errno.EAGAIN, "the process that has the devices has no descriptor left")

    def _send_port_rights(self) -> None:
        assert self.process is not None
        granted = self.process.port_rights.granted
        if granted != self._granted:
            self._granted = granted
            self.notify("rights", f"{granted:x}")

    def begin(self, process: Process) -> None:
        """Announce new memory: that of a new child, or of the program that a child has executed."""
        self.process, self._granted = process, None
        self.notify("begin")

    def _answer(self, question: Message, operation: Operation | None) -> Message:
        """Answer a question of the server about the access that it makes for this child."""
        try:
            match question:
                case ["operate", old]:
                    assert operation is not None
                    return ["value", operation(old)]
                case [what, address, width, *value]:
                    return ["value", self._access_memory(what, address, width, *value)]
                case _:
                    raise ValueError(f"expected a question, got {question!r}")
        except Exception as error:
            self._operation_error = error
            return error_message(error)

    def _access_memory(self, what: str, address: int, width: int, value: int | None = None) -> int:
        """Read or write the program's ordinary memory ("memory"), or that behind a trapped mapping ("real")."""
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

    def _end_process(self) -> NoReturn:
        """Kill this process: the server has ended. A tracee is killed with its tracer, too (PTRACE_O_EXITKILL)."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise SystemExit


class ServedBus(Initiator):
    """Bus of a thread of a child: accesses ordinary memory directly, and requests all other accesses.

    Args:
        space: the child's own address space.
        client: its side of the channel.
        where: MEMORY, or the path of the file whose bytes are accessed.
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
        """Read and write indivisibly: the server holds its lock while it asks this process to do the operation."""
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
    """Process of a child, which reports each change of its trapped mappings to the server."""

    def __init__(self, targets: Targets, places: Sequence[range], client: Client) -> None:
        self._client = client
        super().__init__(targets, None, places)
        client.begin(self)

    def initiator(self, thread: int) -> Initiator:
        """Return a bus for one thread."""
        return ServedBus(self.space, self._client, MEMORY, thread)

    def put(self, trapped: Trapped) -> None:
        """Trap a mapping, here and in the server's mirror."""
        super().put(trapped)
        self._client.notify("trap", description_of(trapped, self.targets))

    def _take(self, trapped: Trapped) -> None:
        super()._take(trapped)
        self._client.notify("untrap", trapped.start)


class _NoUio(UioOpens):
    """The UIO devices of a child: files of registers, for its copies of the models have no interrupts."""

    def device(self, path: str) -> None:
        """Return None."""


class ServedRedirects(Redirects):
    """The files that devices answer for, in a child."""

    def __init__(self, targets: Targets, client: Client) -> None:
        super().__init__(targets, AddressSpace)
        self.uio = _NoUio(targets)
        self._client = client

    def initiator(self, path: str, thread: int) -> Initiator:
        """Return a bus for the bytes of a file, which are accessed where the devices are."""
        assert self._client.process is not None
        return ServedBus(self._client.process.space, self._client, path, thread)
