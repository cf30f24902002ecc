"""vfio-user server: offers a Python object to a VMM (QEMU, cloud-hypervisor) as a card on its PCI bus.

One Unix socket, one client at a time. Regions cannot be mapped by the client, so every access arrives, one message
each. A command that makes no sense is refused, and the connection continues; a stream that makes none ends it. Nothing
that a client sends can end the server, or reach memory that is not the guest's.
"""

import errno
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from mmio.arguments import path as checked_path
from mmio.closing import Closing
from mmio.device.memory import ProgramMemory
from mmio.guests.channel import Channel
from mmio.guests.interrupts import Interrupts
from mmio.guests.memory import GuestMemory
from mmio.guests.messages import (
    ACCESS,
    DEVICE_GET_INFO,
    DEVICE_GET_IRQ_INFO,
    DEVICE_GET_REGION_INFO,
    DEVICE_RESET,
    DEVICE_SET_IRQS,
    DMA_MAP,
    DMA_UNMAP,
    ERROR,
    INFO,
    IRQ,
    IRQ_TYPES,
    MAP,
    MOST_DATA,
    MOST_DESCRIPTORS,
    NO_REPLY,
    READABLE,
    REGION,
    REGION_READ,
    REGION_WRITE,
    REGIONS,
    REPLY,
    TYPE,
    UNMAP,
    VERSION,
    VERSIONS,
    WRITABLE,
    Message,
    Refused,
    VfioUserError,
)
from mmio.guests.requests import PeerGone, Requests
from mmio.linux.libc import PAGE

_RESETTABLE: Final = 1  # flags of the device
_PCI: Final = 2
_MOST_PATH: Final = 107  # bytes of a socket's path (unix(7))


class Served(Protocol):
    """A PCI function as the server sees it: regions of bytes, interrupts, and memory to be given.

    Attributes:
        irqs: how many interrupts there are of each type, by VFIO's index.
    """

    irqs: Mapping[int, int]

    def size(self, region: int) -> int:
        """Return the size of a region in bytes, 0 if there is none of this index."""

    def read(self, region: int, offset: int, count: int) -> bytes:
        """Return bytes that lie within a region.

        Raises:
            Refused: no device takes such an access.
        """

    def write(self, region: int, offset: int, data: bytes) -> None:
        """Store bytes that lie within a region. Raises as `read`."""

    def attach(self, memory: ProgramMemory, interrupts: Interrupts) -> None:
        """Take the memory and the interrupts of a client that has come."""

    def detach(self) -> None:
        """Forget them: the client has gone."""

    def reset(self) -> None:
        """Do what a reset of the function does."""


class Server(Closing):
    """Serves a function at a Unix socket.

        with Server("/run/nic.sock", card) as server:
            server.serve()

    Args:
        path: of the socket, at most 107 bytes. One that an ended server has left is replaced.
        served: the function.

    Raises:
        OSError: the socket cannot be made there.
        ValueError: the path is too long.
    """

    def __init__(self, path: str | os.PathLike[str], served: Served) -> None:
        self.path = checked_path("path", path)
        self._served = served
        self._listener = _listening(self.path)
        self._channel: Channel | None = None
        self._closed = False
        self.commands = 0
        """How many commands were received."""

    def serve(self) -> bool:
        """Serve one client from its connection to its end.

        Returns:
            whether a client came; False when `stop` was called before.

        Raises:
            VfioUserError: the client broke the protocol.
            Exception: what the device model raised.
        """
        try:
            connection, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EBADF):  # stopped
                return False
            raise
        with Channel(connection) as self._channel:
            _Session(self, self._channel, self._served).run()
        self._channel = None
        return True

    def stop(self) -> None:
        """End `serve`, from any thread."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        channel = self._channel
        if channel is not None:
            channel.hang_up()

    def close(self) -> None:
        """Stop, and remove the socket."""
        if not self._closed:
            self._closed = True
            self.stop()
            self._listener.close()
            with suppress(FileNotFoundError):
                os.unlink(self.path)


def _listening(path: str) -> socket.socket:
    """Return a socket that listens at a path."""
    if len(os.fsencode(path)) > _MOST_PATH:
        raise ValueError(f"expected a path of a socket of at most {_MOST_PATH} bytes, got {len(path)}: {path}")
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_left_over(path):
                raise OSError(error.errno, error.strerror, path) from None
            os.unlink(path)
            listener.bind(path)
        listener.listen(1)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_left_over(path: str) -> bool:
    """Return whether a path is a socket at which nothing listens."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return os.path.exists(path) and not os.path.isfile(path)
        except OSError:
            return False
    return False


class _Session:
    """One client's connection."""

    def __init__(self, server: Server, channel: Channel, served: Served) -> None:
        self._server, self._channel, self._served = server, channel, served
        self._requests = Requests(channel)
        self._memory = GuestMemory(self._requests)
        self._interrupts = Interrupts(served.irqs)
        self._greeted = False
        self._commands: dict[int, Callable[[Message], bytes]] = {
            VERSION: self._version,
            DMA_MAP: self._map,
            DMA_UNMAP: self._unmap,
            DEVICE_GET_INFO: self._info,
            DEVICE_GET_REGION_INFO: self._region_info,
            DEVICE_GET_IRQ_INFO: self._irq_info,
            DEVICE_SET_IRQS: self._set_irqs,
            REGION_READ: self._read,
            REGION_WRITE: self._write,
            DEVICE_RESET: self._reset,
        }

    def run(self) -> None:
        """Do the client's commands until it goes."""
        self._served.attach(self._memory, self._interrupts)
        try:
            while (message := self._requests.next()) is not None:
                try:
                    self._do(message)
                finally:
                    message.close()
        except PeerGone:
            pass
        finally:
            self._served.detach()
            self._requests.close()
            self._interrupts.close()
            self._memory.close()

    def _do(self, message: Message) -> None:
        self._server.commands += 1
        if message.flags & TYPE:
            kind = "a reply to no command" if message.flags & TYPE == REPLY else f"type {message.flags & TYPE}"
            raise VfioUserError(f"expected a command, got {kind} ({message.name})")
        if not self._greeted and message.command != VERSION:
            self._reply(message, b"", errno.EINVAL)
            raise VfioUserError(f"expected VERSION as the first command, got {message.name}")
        command = self._commands.get(message.command)
        try:
            if command is None:
                raise Refused(f"{message.name} is not supported", errno.ENOTSUP)
            answer, error = command(message), 0
        except Refused as refused:
            answer, error = b"", refused.errno
        except VfioUserError:
            raise
        except BaseException:
            self._reply(message, b"", errno.EIO)
            raise
        self._reply(message, answer, error)
        if error and message.command == VERSION:
            raise VfioUserError("expected a VERSION of major version 0 with JSON data, once, got another")

    def _reply(self, message: Message, payload: bytes, error: int) -> None:
        if not message.flags & NO_REPLY:
            self._channel.send(message.number, message.command, REPLY | ERROR * bool(error), payload, error)

    def _version(self, message: Message) -> bytes:
        major, _ = message.parsed(VERSIONS, exactly=False)
        if major != 0 or self._greeted:
            raise Refused("expected major version 0, once")
        capabilities = _capabilities(message.payload[VERSIONS.size :])
        most = capabilities.get("max_data_xfer_size", MOST_DATA)
        if type(most) is not int or most < 1:
            raise Refused("expected max_data_xfer_size as a number of bytes")
        self._requests.most = min(most, MOST_DATA)
        self._greeted = True
        own = {"max_msg_fds": MOST_DESCRIPTORS, "max_data_xfer_size": MOST_DATA, "pgsizes": PAGE}
        return VERSIONS.pack(0, 0) + json.dumps({"capabilities": own}).encode() + b"\0"

    def _map(self, message: Message) -> bytes:
        _, flags, offset, address, size = message.parsed(MAP)
        descriptors = message.descriptors
        if len(descriptors) > 1:
            raise Refused(f"expected one descriptor or none, got {len(descriptors)}")
        self._memory.map(address, size, flags, offset, descriptors[0] if descriptors else None)
        return b""

    def _unmap(self, message: Message) -> bytes:
        _, _, address, size = message.parsed(UNMAP)
        self._memory.unmap(address, size)
        return message.payload

    def _info(self, message: Message) -> bytes:
        message.parsed(INFO)
        return INFO.pack(INFO.size, _RESETTABLE | _PCI, REGIONS, IRQ_TYPES)

    def _region_info(self, message: Message) -> bytes:
        index = message.parsed(REGION)[2]
        if index >= REGIONS:
            raise Refused(f"there are {REGIONS} regions, got index {index}")
        size = self._served.size(index)
        flags = READABLE | WRITABLE if size else 0
        return REGION.pack(REGION.size, flags, index, 0, size, index << 40)

    def _irq_info(self, message: Message) -> bytes:
        index = message.parsed(IRQ)[2]
        if index >= IRQ_TYPES:
            raise Refused(f"there are {IRQ_TYPES} types of interrupts, got index {index}")
        return IRQ.pack(IRQ.size, self._interrupts.flags(index), index, self._interrupts.count(index))

    def _set_irqs(self, message: Message) -> bytes:
        self._interrupts.set(message)
        return b""

    def _read(self, message: Message) -> bytes:
        offset, region, count = message.parsed(ACCESS)
        self._check(region, offset, count)
        return message.payload + self._served.read(region, offset, count)

    def _write(self, message: Message) -> bytes:
        offset, region, count = message.parsed(ACCESS, exactly=False)
        data = message.payload[ACCESS.size :]
        if len(data) != count:
            raise Refused(f"expected {count} bytes of data, got {len(data)}")
        self._check(region, offset, count)
        self._served.write(region, offset, data)
        return message.payload[: ACCESS.size]

    def _check(self, region: int, offset: int, count: int) -> None:
        size = self._served.size(region)
        if not 0 < count <= MOST_DATA or offset + count > size:
            raise Refused(f"expected an access within the {size:#x} bytes of region {region}, got {offset:#x}+{count}")

    def _reset(self, message: Message) -> bytes:
        if message.payload:
            raise Refused(f"expected no payload, got {len(message.payload)} bytes")
        self._served.reset()
        return b""


def _capabilities(data: bytes) -> dict[str, Any]:
    """Return the capabilities in the data of a VERSION."""
    if not data:
        return {}
    text, nul, rest = data.partition(b"\0")
    try:
        if not nul or rest:
            raise ValueError
        version = json.loads(text)
        capabilities = version.get("capabilities", {})
        if not isinstance(capabilities, dict):
            raise ValueError
    except (ValueError, AttributeError, RecursionError):
        raise Refused("expected an object in JSON that ends with a NUL byte") from None
    return capabilities
