"""A vfio-user client for the tests, which can also say what no client should, and a function to serve."""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from mmio.device.memory import ProgramMemory
from mmio.guests import messages as m
from mmio.guests.interrupts import Interrupts
from mmio.guests.server import Server


class Bytes:
    """A function of one region of bytes, which notes what is done to it."""

    def __init__(self, size: int = 0x100) -> None:
        self.irqs: Mapping[int, int] = {m.INTX: 1, m.MSI: 4, m.MSIX: 8}
        self.data = bytearray(size)
        self.done: list[str] = []
        self.memory: ProgramMemory | None = None
        self.interrupts: Interrupts | None = None
        self.on_write: Callable[[int, bytes], object] = lambda offset, data: None

    def size(self, region: int) -> int:
        return len(self.data) if region == 0 else 0

    def read(self, region: int, offset: int, count: int) -> bytes:
        return bytes(self.data[offset : offset + count])

    def write(self, region: int, offset: int, data: bytes) -> None:
        self.data[offset : offset + len(data)] = data
        self.on_write(offset, data)

    def attach(self, memory: ProgramMemory, interrupts: Interrupts) -> None:
        self.memory, self.interrupts = memory, interrupts
        self.done.append("attach")

    def detach(self) -> None:
        self.memory = self.interrupts = None
        self.done.append("detach")

    def reset(self) -> None:
        self.done.append("reset")


class Refusal(Exception):
    """The server has answered with an error."""


class Client:
    """One connection to a server."""

    def __init__(self, path: str, *, greet: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self._number = 0
        if greet:
            self.greet()

    def close(self) -> None:
        self.socket.close()

    def send_raw(self, data: bytes, descriptors: Sequence[int] = ()) -> None:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        self.socket.sendmsg([data], ancillary)

    def send(self, command: int, payload: bytes = b"", descriptors: Sequence[int] = (), flags: int = 0) -> int:
        self._number = self._number + 1 & 0xFFFF
        head = m.HEADER.pack(self._number, command, m.HEADER.size + len(payload), flags, 0)
        self.send_raw(head + payload, descriptors)
        return self._number

    def receive(self) -> m.Message | None:
        """Return the next message from the server, None at its end."""
        head = self._exactly(m.HEADER.size)
        if head is None:
            return None
        number, command, size, flags, error = m.HEADER.unpack(head)
        payload = self._exactly(size - m.HEADER.size)
        assert payload is not None
        return m.Message(number, command, flags, error, payload)

    def _exactly(self, length: int) -> bytes | None:
        data = b""
        while len(data) < length:
            try:
                part = self.socket.recv(length - len(data))
            except ConnectionError:
                return None
            if not part:
                return None
            data += part
        return data

    def reply(self, number: int, command: int) -> bytes:
        message = self.receive()
        assert message is not None, "the server has hung up"
        assert (message.number, message.command, message.flags & m.TYPE) == (number, command, m.REPLY)
        if message.flags & m.ERROR:
            assert not message.payload
            raise Refusal(os.strerror(message.error))
        return message.payload

    def ask(self, command: int, payload: bytes = b"", descriptors: Sequence[int] = ()) -> bytes:
        return self.reply(self.send(command, payload, descriptors), command)

    def greet(self, **capabilities: Any) -> dict[str, Any]:
        data = json.dumps({"capabilities": capabilities}).encode() + b"\0"
        answer = self.ask(m.VERSION, m.VERSIONS.pack(0, 0) + data)
        assert m.VERSIONS.unpack_from(answer) == (0, 0)
        found: dict[str, Any] = json.loads(answer[m.VERSIONS.size : -1])["capabilities"]
        return found

    def read(self, region: int, offset: int, count: int) -> bytes:
        payload = m.ACCESS.pack(offset, region, count)
        answer = self.ask(m.REGION_READ, payload)
        assert answer[: len(payload)] == payload
        return answer[len(payload) :]

    def write(self, region: int, offset: int, data: bytes) -> None:
        payload = m.ACCESS.pack(offset, region, len(data))
        assert self.ask(m.REGION_WRITE, payload + data) == payload

    def map(
        self,
        address: int,
        size: int,
        descriptor: int | None = None,
        offset: int = 0,
        flags: int = m.READABLE | m.WRITABLE,
    ) -> None:
        given = () if descriptor is None else (descriptor,)
        self.ask(m.DMA_MAP, m.MAP.pack(m.MAP.size, flags, offset, address, size), given)

    def unmap(self, address: int, size: int) -> None:
        payload = m.UNMAP.pack(m.UNMAP.size, 0, address, size)
        assert self.ask(m.DMA_UNMAP, payload) == payload

    def set_irqs(
        self, flags: int, index: int, start: int, count: int, data: bytes = b"", descriptors: Sequence[int] = ()
    ) -> None:
        self.ask(
            m.DEVICE_SET_IRQS, m.IRQS.pack(m.IRQS.size + len(data), flags, index, start, count) + data, descriptors
        )


class Serving:
    """A server in a thread. `error` is what it has ended with."""

    def __init__(self, path: str, served: Any) -> None:
        self.server = Server(path, served)
        self.path = path
        self.error: BaseException | None = None
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.server.serve()
        except BaseException as error:
            self.error = error

    def wait(self) -> BaseException | None:
        """Wait for the end of the client's connection; return what the server has raised."""
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.error


@contextmanager
def serving(served: Any) -> Iterator[Serving]:
    """Serve a function to one client."""
    with TemporaryDirectory() as folder:
        server = Serving(str(Path(folder, "s")), served)
        try:
            yield server
        finally:
            server.server.close()
            server.wait()
