"""The vfio-user server, by a client of the tests' own: every command, and what no client should say."""

from __future__ import annotations

import json
import mmap
import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio.device.memory import ProgramMemoryError
from mmio.guests import messages as m
from mmio.guests.server import Server
from mmio.linux.libc import PAGE
from tests.mmio.guests.client import Bytes, Client, Refusal, Serving, serving

NONE, BOOL, EVENTFD, MASK, UNMASK, TRIGGER = (1 << bit for bit in range(6))


@pytest.fixture
def served() -> Bytes:
    return Bytes()


@pytest.fixture
def server(served: Bytes) -> Iterator[Serving]:
    with serving(served) as server:
        yield server


@pytest.fixture
def client(server: Serving) -> Iterator[Client]:
    client = Client(server.path)
    yield client
    client.close()
    assert server.wait() is None


def counted(descriptor: int) -> int:
    """Return how often an eventfd was signalled since it was last asked."""
    return int.from_bytes(os.read(descriptor, 8), "little") if select.select([descriptor], [], [], 0)[0] else 0


def test_version(server: Serving) -> None:
    """The server has minor version 0, and tells its limits."""
    client = Client(server.path, greet=False)
    assert client.greet(max_msg_fds=8, max_data_xfer_size=1 << 20, migration={"pgsize": 4096}) == {
        "max_msg_fds": 16,
        "max_data_xfer_size": 1 << 20,
        "pgsizes": 4096,
    }
    client.close()
    assert server.wait() is None


def test_device_info(client: Client) -> None:
    """It is a PCI device that can be reset, with VFIO's regions and types of interrupts."""
    answer = client.ask(m.DEVICE_GET_INFO, m.INFO.pack(m.INFO.size, 0, 0, 0))
    assert m.INFO.unpack(answer) == (16, 3, m.REGIONS, m.IRQ_TYPES)


@pytest.mark.parametrize(("index", "size"), [(0, 0x100), (1, 0), (7, 0)])
def test_region_info(client: Client, index: int, size: int) -> None:
    """A region that is there can be read and written, and not be mapped."""
    answer = m.REGION.unpack(client.ask(m.DEVICE_GET_REGION_INFO, m.REGION.pack(m.REGION.size, 0, index, 0, 0, 0)))
    assert answer[:5] == (m.REGION.size, 3 if size else 0, index, 0, size)


@pytest.mark.parametrize(("index", "flags", "count"), [(m.INTX, 7, 1), (m.MSI, 9, 4), (m.MSIX, 9, 8), (3, 9, 0)])
def test_irq_info(client: Client, index: int, flags: int, count: int) -> None:
    """INTx masks itself when it was told of; messages come as a set."""
    answer = m.IRQ.unpack(client.ask(m.DEVICE_GET_IRQ_INFO, m.IRQ.pack(m.IRQ.size, 0, index, 0)))
    assert answer == (m.IRQ.size, flags, index, count)


@given(st.integers(0, 0xFF), st.binary(min_size=1, max_size=0x100))
@settings(max_examples=20)
def test_what_is_written_is_read(offset: int, data: bytes) -> None:
    """An access within a region reaches the function at any width; one that goes beyond is refused."""
    served = Bytes()
    with serving(served) as server:
        client = Client(server.path)
        if offset + len(data) <= 0x100:
            client.write(0, offset, data)
            assert client.read(0, offset, len(data)) == data
        else:
            with pytest.raises(Refusal, match="Invalid argument"):
                client.write(0, offset, data)
            assert served.data == bytes(0x100)
        client.close()
        assert server.wait() is None


def test_no_reply(client: Client, served: Bytes) -> None:
    """A command that wants no reply gets none, and is done before the next."""
    client.send(m.REGION_WRITE, m.ACCESS.pack(4, 0, 2) + b"ab", flags=m.NO_REPLY)
    assert client.read(0, 4, 2) == b"ab"


def test_reset(client: Client, served: Bytes) -> None:
    """DEVICE_RESET resets the function."""
    assert client.ask(m.DEVICE_RESET) == b""
    assert served.done == ["attach", "reset"]


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (m.DMA_MAP, m.MAP.pack(32, 3, 0, 0, 0x1000)[:-1]),
        (m.DMA_MAP, m.MAP.pack(32, 3, 0, 0, 0x1000) + b"x"),
        (m.DMA_MAP, m.MAP.pack(32, 3, 0, 0, 0)),
        (m.DMA_MAP, m.MAP.pack(32, 0, 0, 0, 0x1000)),
        (m.DMA_MAP, m.MAP.pack(32, 3, 0, (1 << 64) - 0x1000, 0x2000)),
        (m.DMA_UNMAP, m.UNMAP.pack(24, 0, 0, 0x1000)),
        (m.DMA_UNMAP, b""),
        (m.DEVICE_GET_INFO, b"123"),
        (m.DEVICE_GET_REGION_INFO, m.REGION.pack(32, 0, 9, 0, 0, 0)),
        (m.DEVICE_GET_REGION_INFO, b""),
        (m.DEVICE_GET_IRQ_INFO, m.IRQ.pack(16, 0, 5, 0)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, NONE | TRIGGER, m.INTX, 0, 2)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, NONE | TRIGGER | MASK, m.INTX, 0, 1)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, NONE | BOOL | TRIGGER, m.INTX, 0, 1)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, BOOL | TRIGGER, m.MSI, 0, 3) + b"\1\1"),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, NONE | TRIGGER, m.MSI, 0xFFFFFFFF, 0xFFFFFFFF)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, 0, m.MSI, 0, 0)),
        (m.DEVICE_SET_IRQS, m.IRQS.pack(20, EVENTFD | UNMASK, m.INTX, 0, 1)),
        (m.DEVICE_SET_IRQS, b"1234"),
        (m.REGION_READ, m.ACCESS.pack(0, 0, 0)),
        (m.REGION_READ, m.ACCESS.pack(0xFF, 0, 2)),
        (m.REGION_READ, m.ACCESS.pack((1 << 64) - 1, 0, 2)),
        (m.REGION_READ, m.ACCESS.pack(0, 8, 4)),
        (m.REGION_READ, m.ACCESS.pack(0, 0xFFFFFFFF, 4)),
        (m.REGION_READ, m.ACCESS.pack(0, 0, 0xFFFFFFFF)),
        (m.REGION_READ, m.ACCESS.pack(0, 0, 4) + b"more"),
        (m.REGION_WRITE, m.ACCESS.pack(0, 0, 4) + b"abc"),
        (m.REGION_WRITE, m.ACCESS.pack(0, 0, 4) + b"abcde"),
        (m.REGION_WRITE, b""),
        (m.DEVICE_RESET, b"x"),
        (6, bytes(16)),
        (m.REGION_WRITE_MULTI, bytes(32)),
        (16, bytes(8)),
        (0, b""),
        (0xFFFF, b""),
    ],
)
def test_a_command_that_makes_no_sense(client: Client, served: Bytes, command: int, payload: bytes) -> None:
    """It is refused, changes nothing, and the connection continues."""
    with pytest.raises(Refusal):
        client.ask(command, payload)
    assert client.read(0, 0, 0x100) == bytes(0x100)
    assert served.done == ["attach"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (m.HEADER.pack(1, m.DEVICE_GET_INFO, 16, 0, 0), "expected VERSION as the first command, got DEVICE_GET_INFO"),
        (m.HEADER.pack(1, m.VERSION, 15, 0, 0), "expected a message of 16 to 1048608 bytes, got one of 15"),
        (m.HEADER.pack(1, m.VERSION, 1 << 31, 0, 0), "got one of 2147483648"),
        (m.HEADER.pack(1, m.VERSION, 20, 0, 0) + m.VERSIONS.pack(1, 0), "expected a VERSION of major version 0"),
        (m.HEADER.pack(1, m.VERSION, 18, 0, 0) + b"\0\0", "expected a VERSION"),
        (m.HEADER.pack(1, m.VERSION, 22, 0, 0) + m.VERSIONS.pack(0, 0) + b"{}", "expected a VERSION"),
        (m.HEADER.pack(1, m.VERSION, 23, 0, 0) + m.VERSIONS.pack(0, 0) + b"[]\0", "expected a VERSION"),
        (m.HEADER.pack(1, m.VERSION, 23, 0, 0) + m.VERSIONS.pack(0, 0) + b"{]\0", "expected a VERSION"),
        (m.HEADER.pack(1, m.VERSION, 16, 1, 0), "expected a command, got a reply to no command"),
        (m.HEADER.pack(1, m.VERSION, 16, 7, 0), "expected a command, got type 7"),
    ],
)
def test_a_stream_that_makes_no_sense(server: Serving, served: Bytes, data: bytes, problem: str) -> None:
    """The connection is ended with an error that says what was expected and what came."""
    client = Client(server.path, greet=False)
    client.send_raw(data)
    while client.receive() is not None:
        pass
    assert isinstance(error := server.wait(), m.VfioUserError)
    assert problem in str(error)
    assert served.done == ["attach", "detach"]


def test_version_twice(server: Serving) -> None:
    """A client greets once."""
    client = Client(server.path)
    with pytest.raises(Refusal):
        client.greet()
    assert isinstance(server.wait(), m.VfioUserError)


def test_deeply_nested_capabilities(server: Serving) -> None:
    """JSON that is nested without end is refused like any other nonsense."""
    client = Client(server.path, greet=False)
    data = b'{"capabilities":' + b"[" * 100_000 + b"\0"
    with pytest.raises(Refusal):
        client.ask(m.VERSION, m.VERSIONS.pack(0, 0) + data)
    assert isinstance(server.wait(), m.VfioUserError)


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 40])
def test_a_client_that_dies(server: Serving, served: Bytes, cut: int) -> None:
    """A client may end anywhere, in the middle of a message too: the function is told, and nothing is an error."""
    client = Client(server.path)
    message = m.HEADER.pack(1, m.REGION_WRITE, 16 + 16 + 64, 0, 0) + m.ACCESS.pack(0, 0, 64) + bytes(64)
    client.send_raw(message[:cut] or b"")
    client.close()
    assert server.wait() is None
    assert served.done == ["attach", "detach"]


def test_a_client_that_hears_nothing(served: Bytes) -> None:
    """A reply that cannot be sent ends the connection, and nothing else."""
    with serving(served) as server:
        client = Client(server.path)
        for _ in range(100):
            client.send(m.REGION_READ, m.ACCESS.pack(0, 0, 0x100))
        client.socket.shutdown(socket.SHUT_RD)
        client.close()
        assert server.wait() is None


def test_stopped_while_a_client_is_silent(server: Serving) -> None:
    """`stop` ends a connection from another thread."""
    client = Client(server.path)
    server.server.stop()
    assert server.wait() is None
    assert client.receive() is None


def test_descriptors_are_not_kept(served: Bytes) -> None:
    """Whatever descriptors come with whatever message, none is open when the connection has ended."""
    before = len(os.listdir("/proc/self/fd"))
    with serving(served) as server:
        client = Client(server.path)
        memory = os.memfd_create("guest")
        os.ftruncate(memory, PAGE)
        event = os.eventfd(0)
        for command, payload, given in (
            (m.DEVICE_GET_INFO, m.INFO.pack(16, 0, 0, 0), [memory] * 16),
            (m.DMA_MAP, m.MAP.pack(32, 3, 0, 0, PAGE), [memory, event]),
            (m.DMA_MAP, m.MAP.pack(32, 3, 0, 0, PAGE), [memory]),
            (m.DEVICE_SET_IRQS, m.IRQS.pack(20, EVENTFD | TRIGGER, m.MSI, 0, 4), [event] * 4),
            (m.DEVICE_SET_IRQS, m.IRQS.pack(20, EVENTFD | TRIGGER, m.MSI, 0, 4), [event] * 3),
            (m.DEVICE_SET_IRQS, m.IRQS.pack(20, NONE | TRIGGER, m.MSI, 0, 1), [event]),
            (77, b"", [memory, memory]),
        ):
            number = client.send(command, payload, given)
            with suppress(Refusal):
                client.reply(number, command)
        client.close()
        assert server.wait() is None
        os.close(memory)
        os.close(event)
    assert len(os.listdir("/proc/self/fd")) == before


def test_more_descriptors_than_agreed(server: Serving) -> None:
    """They end the connection."""
    client = Client(server.path)
    client.send(m.DEVICE_RESET, b"", [client.socket.fileno()] * 17)
    assert client.receive() is None
    assert isinstance(server.wait(), m.VfioUserError)


class Memory:
    """A file of guest memory, and what is in it."""

    def __init__(self, pages: int) -> None:
        self.descriptor = os.memfd_create("guest")
        os.ftruncate(self.descriptor, pages * PAGE)
        self.area = mmap.mmap(self.descriptor, pages * PAGE)

    def close(self) -> None:
        self.area.close()
        os.close(self.descriptor)


@pytest.fixture
def ram() -> Iterator[Memory]:
    memory = Memory(4)
    yield memory
    memory.close()


def test_dma(client: Client, served: Bytes, ram: Memory) -> None:
    """What the device writes is in the guest's memory at once, and the other way round; also across windows."""
    client.map(0x1_0000, PAGE, ram.descriptor, PAGE)
    client.map(0x1_0000 + PAGE, PAGE, ram.descriptor, 3 * PAGE)
    assert served.memory is not None
    served.memory.write(0x1_0000 + PAGE - 2, b"abcd")
    assert ram.area[2 * PAGE - 2 : 2 * PAGE] == b"ab"
    assert ram.area[3 * PAGE : 3 * PAGE + 2] == b"cd"
    ram.area[PAGE : PAGE + 4] = b"wxyz"
    assert served.memory.read(0x1_0000, 4) == b"wxyz"


def test_dma_beyond_the_windows(client: Client, served: Bytes, ram: Memory) -> None:
    """An address where the guest has no memory is an error that says where, and what was before is stored."""
    client.map(0x1_0000, PAGE, ram.descriptor)
    assert served.memory is not None
    with pytest.raises(
        ProgramMemoryError, match=r"^read of 8 bytes at address 0x10ffc .* the guest has .* at 0x11000;"
    ):
        served.memory.read(0x1_0FFC, 8)
    with pytest.raises(ProgramMemoryError, match=r"^write of 4 bytes at address 0x0 .* the guest"):
        served.memory.write(0, b"abcd")
    client.unmap(0x1_0000, PAGE)
    with pytest.raises(ProgramMemoryError):
        served.memory.read(0x1_0000, 1)


def test_dma_directions(client: Client, served: Bytes, ram: Memory) -> None:
    """A window that may only be read is not written, nor the other way round."""
    client.map(0, PAGE, ram.descriptor, flags=m.READABLE)
    client.map(PAGE, PAGE, ram.descriptor, flags=m.WRITABLE)
    client.map(2 * PAGE, PAGE, flags=m.READABLE)  # no message is sent for what is not allowed
    assert served.memory is not None
    with pytest.raises(ProgramMemoryError):
        served.memory.write(0, b"x")
    with pytest.raises(ProgramMemoryError):
        served.memory.write(2 * PAGE, b"x")
    with pytest.raises(ProgramMemoryError):
        served.memory.read(PAGE, 1)
    served.memory.write(PAGE, b"x")
    assert served.memory.read(0, 1) == b"x"


def test_a_file_that_is_truncated_later(client: Client, served: Bytes, ram: Memory) -> None:
    """Memory that the client has taken away is an error, and no SIGBUS."""
    client.map(0, 4 * PAGE, ram.descriptor)
    os.ftruncate(ram.descriptor, PAGE)
    assert served.memory is not None
    with pytest.raises(ProgramMemoryError):
        served.memory.read(2 * PAGE, 8)
    with pytest.raises(ProgramMemoryError):
        served.memory.write(PAGE - 2, b"abcd")
    assert served.memory.read(PAGE - 2, 2) == b"ab"


def lying(kind: str, folder: Path) -> int:
    """Return a descriptor that is no guest memory of a page."""
    if kind == "pipe":
        other, end = os.pipe()
        os.close(other)
        return end
    if kind == "directory":
        return os.open(folder, os.O_RDONLY)
    if kind == "path only":
        return os.open(folder, os.O_PATH)
    if kind == "zero":
        return os.open("/dev/zero", os.O_RDWR)
    if kind == "eventfd":
        return os.eventfd(0)
    file = os.open(folder / "file", os.O_CREAT | (os.O_RDONLY if kind == "read-only" else os.O_RDWR))
    os.truncate(folder / "file", PAGE if kind == "read-only" else PAGE - 1)
    return file


@pytest.mark.parametrize("kind", ["pipe", "directory", "path only", "zero", "eventfd", "read-only", "short"])
def test_descriptors_that_lie(client: Client, served: Bytes, kind: str, tmp_path: Path) -> None:
    """A window whose descriptor does not have it is refused."""
    descriptor = lying(kind, tmp_path)
    with pytest.raises(Refusal):
        client.map(0, PAGE, descriptor)
    os.close(descriptor)
    assert client.read(0, 0, 1) == b"\0"


def test_overlapping_windows(client: Client, ram: Memory) -> None:
    """A window over another is refused as the specification says, and one that does not match is not unmapped."""
    client.map(PAGE, 2 * PAGE, ram.descriptor)
    for address, size in ((0, 2 * PAGE), (2 * PAGE, PAGE), (PAGE, 2 * PAGE), (0, 4 * PAGE)):
        with pytest.raises(Refusal, match="File exists"):
            client.map(address, size, ram.descriptor)
    with pytest.raises(Refusal, match="No such file"):
        client.unmap(PAGE, PAGE)
    client.unmap(PAGE, 2 * PAGE)
    client.map(0, PAGE, ram.descriptor)


def test_dma_by_messages(client: Client, served: Bytes) -> None:
    """Memory without a descriptor is asked for by messages; commands that come meanwhile are done after."""
    client.map(0x1000, PAGE)
    memory = bytearray(PAGE)

    def move(offset: int, data: bytes) -> None:
        if data != b"go":
            return
        assert served.memory is not None
        served.memory.write(0x1010, served.memory.read(0x1000, 3)[::-1])

    served.on_write = move
    memory[:3] = b"abc"
    writing = client.send(m.REGION_WRITE, m.ACCESS.pack(0, 0, 2) + b"go")
    reading = client.send(m.REGION_READ, m.ACCESS.pack(0, 0, 2))
    for command in (m.DMA_READ, m.DMA_WRITE):
        asked = client.receive()
        assert asked is not None
        assert (asked.command, asked.flags) == (command, 0)
        address, count = m.DMA.unpack_from(asked.payload)
        at = address - 0x1000
        if command == m.DMA_READ:
            answer = asked.payload + memory[at : at + count]
        else:
            memory[at : at + count] = asked.payload[m.DMA.size :]
            answer = asked.payload[: m.DMA.size]
        client.send_raw(m.HEADER.pack(asked.number, command, 16 + len(answer), m.REPLY, 0) + answer)
    client.reply(writing, m.REGION_WRITE)
    assert client.reply(reading, m.REGION_READ)[m.ACCESS.size :] == b"go"
    assert memory[0x10:0x13] == b"cba"


@pytest.mark.parametrize("how", ["error", "gone", "other", "short"])
def test_dma_that_the_client_refuses(served: Bytes, how: str) -> None:
    """A client that has no memory, goes, or answers nonsense ends no more than the connection."""
    problems: list[Exception] = []

    def move(offset: int, data: bytes) -> None:
        assert served.memory is not None
        try:
            served.memory.read(0x1000, 4)
        except ProgramMemoryError as error:
            problems.append(error)

    served.on_write = move
    with serving(served) as server:
        client = Client(server.path)
        client.map(0x1000, PAGE)
        writing = client.send(m.REGION_WRITE, m.ACCESS.pack(0, 0, 2) + b"go")
        asked = client.receive()
        assert asked is not None
        if how == "error":
            client.send_raw(m.HEADER.pack(asked.number, asked.command, 16, m.REPLY | m.ERROR, 14))
            client.reply(writing, m.REGION_WRITE)
        elif how != "gone":
            answer = asked.payload + b"abcd"[: 4 if how == "other" else 3]
            command = m.DMA_WRITE if how == "other" else m.DMA_READ
            client.send_raw(m.HEADER.pack(asked.number, command, 16 + len(answer), m.REPLY, 0) + answer)
            assert client.receive() is None
        client.close()
        error = server.wait()
    assert len(problems) == (how == "error")
    assert isinstance(error, m.VfioUserError) == (how in ("other", "short"))


def test_intx(client: Client, served: Bytes) -> None:
    """The line is signalled once and masked, and again after UNMASK when it is still up."""
    event = os.eventfd(0)
    client.set_irqs(EVENTFD | TRIGGER, m.INTX, 0, 1, b"", [event])
    interrupts = served.interrupts
    assert interrupts is not None
    interrupts.set_level(True)
    interrupts.set_level(True)
    assert counted(event) == 1
    client.set_irqs(NONE | UNMASK, m.INTX, 0, 1)
    assert counted(event) == 1
    interrupts.set_level(False)
    client.set_irqs(NONE | UNMASK, m.INTX, 0, 1)
    assert counted(event) == 0
    client.set_irqs(NONE | MASK, m.INTX, 0, 1)
    interrupts.set_level(True)
    assert counted(event) == 0
    client.set_irqs(BOOL | UNMASK, m.INTX, 0, 1, b"\0")
    assert counted(event) == 0
    client.set_irqs(BOOL | UNMASK, m.INTX, 0, 1, b"\1")
    assert counted(event) == 1
    client.set_irqs(NONE | TRIGGER, m.INTX, 0, 0)
    client.set_irqs(NONE | UNMASK, m.INTX, 0, 1)
    assert counted(event) == 0
    os.close(event)


def test_a_line_that_was_up_before(client: Client, served: Bytes) -> None:
    """A client that connects an event to a line that is up is told."""
    assert served.interrupts is not None
    served.interrupts.set_level(True)
    event = os.eventfd(0)
    client.set_irqs(EVENTFD | TRIGGER, m.INTX, 0, 1, b"", [event])
    assert counted(event) == 1
    os.close(event)


@pytest.mark.parametrize("index", [m.MSI, m.MSIX])
def test_messages(client: Client, served: Bytes, index: int) -> None:
    """Each vector has its event; one that has none, or is masked, is not sent."""
    interrupts = served.interrupts
    assert interrupts is not None
    events = [os.eventfd(0), os.eventfd(0)]
    assert not interrupts.send(index, 1)
    client.set_irqs(EVENTFD | TRIGGER, index, 1, 2, b"", events)
    assert [interrupts.send(index, vector) for vector in range(4)] == [False, True, True, False]
    assert [counted(event) for event in events] == [1, 1]
    client.set_irqs(NONE | MASK, index, 2, 1)
    assert [interrupts.send(index, vector) for vector in range(1, 3)] == [True, False]
    client.set_irqs(BOOL | TRIGGER, index, 0, 4, b"\1\1\0\0")
    assert [counted(event) for event in events] == [2, 0]
    client.set_irqs(EVENTFD | TRIGGER, index, 1, 1)  # without a descriptor: not any more
    assert not interrupts.send(index, 1)
    for event in events:
        os.close(event)


def test_an_event_that_is_full(client: Client, served: Bytes) -> None:
    """An eventfd whose counter is at its end holds nothing up."""
    event = os.eventfd((1 << 32) - 1)
    os.write(event, ((1 << 64) - (1 << 32) - 1).to_bytes(8, "little"))
    client.set_irqs(EVENTFD | TRIGGER, m.MSI, 0, 1, b"", [event])
    assert served.interrupts is not None
    assert served.interrupts.send(m.MSI, 0)
    os.close(event)


@pytest.mark.parametrize("kind", ["pipe", "read-only", "zero"])
def test_an_event_that_is_none(client: Client, kind: str, tmp_path: Path) -> None:
    """Only what eventfd(2) returns is an event."""
    descriptor = lying(kind, tmp_path)
    with pytest.raises(Refusal):
        client.set_irqs(EVENTFD | TRIGGER, m.MSI, 0, 1, b"", [descriptor])
    os.close(descriptor)


def test_a_model_that_fails(served: Bytes) -> None:
    """The client gets an error, and what the model raised comes out of `serve` as itself."""

    def fail(offset: int, data: bytes) -> None:
        raise ZeroDivisionError("of the model")

    served.on_write = fail
    with serving(served) as server:
        client = Client(server.path)
        with pytest.raises(Refusal, match="Input/output error"):
            client.write(0, 0, b"x")
        assert isinstance(server.wait(), ZeroDivisionError)
        assert served.done == ["attach", "detach"]


_INTEGERS = st.one_of(
    st.integers(0, 20), st.sampled_from([PAGE, 1 << 31, (1 << 32) - 1]), st.integers(0, (1 << 32) - 1)
)
_MESSAGE = st.tuples(
    st.one_of(st.integers(0, 20), st.integers(0, 0xFFFF)),
    st.one_of(
        st.binary(max_size=64),
        st.lists(_INTEGERS, max_size=10).map(lambda numbers: b"".join(n.to_bytes(4, "little") for n in numbers)),
    ),
    st.lists(st.sampled_from(["memory", "event", "pipe"]), max_size=3),
    st.sampled_from([0, 0, 0, 0, m.NO_REPLY, m.REPLY, 0xFFFFFFFF]),
)


@given(st.lists(_MESSAGE, max_size=30), st.binary(max_size=40))
@settings(max_examples=60)
def test_arbitrary_messages(messages: list[tuple[int, bytes, list[str], int]], rest: bytes) -> None:
    """Whatever comes after the greeting, the server ends when the client does, and writes nothing on its own."""
    served = Bytes()
    descriptors = {"memory": os.memfd_create("guest"), "event": os.eventfd(0)}
    descriptors["pipe"], other = os.pipe()
    os.ftruncate(descriptors["memory"], 4 * PAGE)
    try:
        with serving(served) as server:
            client = Client(server.path)
            try:
                for command, payload, given_, flags in messages:
                    client.send(command, payload, [descriptors[each] for each in given_], flags)
                client.send_raw(rest or b"\0")
                client.socket.shutdown(socket.SHUT_WR)
                while client.receive() is not None:
                    pass
            except ConnectionError:
                pass
            client.close()
            assert isinstance(server.wait(), m.VfioUserError | None)
        assert served.done.count("detach") == 1
        assert os.pread(descriptors["memory"], 4 * PAGE, 0) == bytes(4 * PAGE)
    finally:
        for descriptor in (*descriptors.values(), other):
            os.close(descriptor)


@given(st.binary(max_size=200))
@settings(max_examples=30)
def test_arbitrary_bytes(data: bytes) -> None:
    """A stream of any bytes, the greeting included, ends with the connection."""
    with serving(Bytes()) as server:
        client = Client(server.path, greet=False)
        try:
            client.send_raw(data or b"\0")
            client.socket.shutdown(socket.SHUT_WR)
            while client.receive() is not None:
                pass
        except ConnectionError:
            pass
        client.close()
        assert isinstance(server.wait(), m.VfioUserError | None)


def test_the_socket(tmp_path: Path, served: Bytes) -> None:
    """A socket that an ended server has left is replaced; what is something else is not; it is gone after `close`."""
    path = tmp_path / "nic.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with Server(path, served), pytest.raises(OSError, match="Address already in use"):
        Server(path, served)
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(OSError, match="Address already in use"):
        Server(path, served)
    assert path.read_text() == "precious"
    with pytest.raises(ValueError, match="at most 107 bytes"):
        Server("/tmp/" + "x" * 110, served)
    with pytest.raises(TypeError, match="path is a path"):
        Server(7, served)  # type: ignore[arg-type]


def test_stopped_before_a_client(tmp_path: Path, served: Bytes) -> None:
    """`serve` returns False when it was stopped."""
    server = Serving(str(tmp_path / "s"), served)
    server.server.close()
    assert server.wait() is None


def test_capabilities_of_any_shape() -> None:
    """Capabilities that are no numbers are refused."""
    for value in ("many", -1, 0, 1.5, None, True):
        with serving(Bytes()) as server:
            client = Client(server.path, greet=False)
            with pytest.raises(Refusal):
                client.greet(max_data_xfer_size=value)
            assert isinstance(server.wait(), m.VfioUserError)


def test_a_small_transfer_size(served: Bytes) -> None:
    """DMA messages are no longer than the client wants them."""
    counts: list[int] = []

    def move(offset: int, data: bytes) -> None:
        assert served.memory is not None
        assert served.memory.read(0, 5) == b"\2\2\2\2\1"

    served.on_write = move
    with serving(served) as server:
        client = Client(server.path, greet=False)
        client.greet(max_data_xfer_size=2)
        client.map(0, PAGE)
        writing = client.send(m.REGION_WRITE, m.ACCESS.pack(0, 0, 2) + b"go")
        for _ in range(3):
            asked: Any = client.receive()
            counts.append(m.DMA.unpack(asked.payload)[1])
            answer = asked.payload + bytes([counts[-1]] * counts[-1])
            client.send_raw(m.HEADER.pack(asked.number, m.DMA_READ, 16 + len(answer), m.REPLY, 0) + answer)
        client.reply(writing, m.REGION_WRITE)
        client.close()
        assert server.wait() is None
    assert counts == [2, 2, 1]


def test_the_greeting_is_json() -> None:
    """What the server says of itself ends with a NUL byte, as the specification has it."""
    with serving(Bytes()) as server:
        client = Client(server.path, greet=False)
        answer = client.ask(m.VERSION, m.VERSIONS.pack(0, 5))
        assert answer[-1] == 0
        assert json.loads(answer[4:-1])["capabilities"]["max_msg_fds"] == 16
        client.close()
        assert server.wait() is None
