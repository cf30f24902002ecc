"""A PCI function as a client of the server meets it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmio
from decode import decode
from mmio import Device, bit, line, register
from mmio.device.memory import ProgramMemoryError
from mmio.guests import messages as m
from mmio.guests.card import Card
from mmio.pci import Bar, Msi, MsiX, PciFunction
from mmio.records.flags import MISFIT, UNMAPPED
from tests.mmio.guests.client import Client, Refusal, serving

COMMAND, BAR0, BAR1 = 0x04, 0x10, 0x14
IO, MEMORY, MASTER = 1, 2, 4


class Timer(Device):
    ctrl = register(0x00, fields=[bit("EN", 0)])
    address = register(0x08, width=8)
    irq = line()

    @ctrl.written
    def _start(self, old: int, new: int) -> None:
        self.irq.set(bool(self.ctrl.EN))


class Port(Device):
    data = register(0x00, width=1)


class Running:
    """The instruction that the test says is running."""

    def __init__(self) -> None:
        self.now: tuple[int, int, Any] = 0, 0, None

    def current(self) -> tuple[int, int, Any]:
        return self.now


class Setup:
    """A function with two regions, and a client that has put them somewhere."""

    def __init__(self, **options: Any) -> None:
        self.timer = Timer()
        self.function = PciFunction(
            0x1234,
            0x5678,
            0x088000,
            bars=[Bar(0, self.timer, size=0x1000), Bar(1, Port(), kind="io", size=0x10), Bar(2, size=0x1000)],
            capabilities=[Msi(vectors=4), MsiX(vectors=2, table=(2, 0), pending=(2, 0x800))],
            name="card",
        )
        self.function.interrupts.follow(self.timer.irq)
        self.trace = mmio.Trace()
        self.space = mmio.AddressSpace(self.trace, unmapped="ones")
        self.running = Running()
        self.card = Card(self.function, self.space, instructions=self.running, **options)

    def place(self, client: Client) -> None:
        client.write(m.CONFIG_REGION, BAR0, (0xFEB80000).to_bytes(4, "little"))
        client.write(m.CONFIG_REGION, BAR1, (0xC000).to_bytes(4, "little"))
        client.write(m.CONFIG_REGION, COMMAND, (IO | MEMORY | MASTER).to_bytes(2, "little"))


@pytest.fixture
def setup() -> Setup:
    return Setup()


@pytest.fixture
def client(setup: Setup) -> Iterator[Client]:
    with serving(setup.card) as server:
        client = Client(server.path)
        yield client
        client.close()
        assert server.wait() is None


def test_configuration_space(client: Client, setup: Setup) -> None:
    """The client reads the numbers, in pieces of any size, and what it writes is there; none of it is recorded."""
    assert client.read(m.CONFIG_REGION, 0, 4) == bytes.fromhex("34127856")
    assert client.read(m.CONFIG_REGION, 1, 2) == bytes.fromhex("1278")
    assert len(client.read(m.CONFIG_REGION, 0, 256)) == 256
    client.write(m.CONFIG_REGION, 0x3C, b"\x0b")
    assert client.read(m.CONFIG_REGION, 0x3C, 1) == b"\x0b"
    client.write(m.CONFIG_REGION, BAR0, b"\xff\xff\xff\xff")
    assert client.read(m.CONFIG_REGION, BAR0, 4) == (0xFFFFF000).to_bytes(4, "little")
    assert len(setup.trace) == 0


def test_configuration_space_recorded() -> None:
    """It is recorded when that is asked for, with the names of its registers."""
    setup = Setup(config=True)
    with serving(setup.card) as server:
        client = Client(server.path)
        client.write(m.CONFIG_REGION, COMMAND, b"\2\0")
        assert client.read(m.CONFIG_REGION, 0, 2) == b"\x34\x12"
        client.close()
        server.wait()
    assert [access.place for access in setup.trace] == ["card.config.COMMAND", "card.config.VENDOR_ID"]


def test_accesses_are_recorded_where_the_guest_put_the_region(client: Client, setup: Setup) -> None:
    """Memory and ports have the addresses that the guest has programmed, from then on."""
    client.write(0, 0, b"\1\0\0\0")  # nothing decodes yet, so nothing is written
    setup.place(client)
    client.write(0, 8, b"\1\2\3\4\5\6\7\x08")
    assert client.read(0, 8, 8) == b"\1\2\3\4\5\6\7\x08"
    client.write(1, 0, b"\x55")
    records = list(setup.trace)[1:]
    assert [(one.letter, one.space, one.address, one.width, one.value) for one in records] == [
        ("W", "memory", 0xFEB80008, 8, 0x0807060504030201),
        ("R", "memory", 0xFEB80008, 8, 0x0807060504030201),
        ("W", "port", 0xC000, 1, 0x55),
    ]
    assert records[0].place == "Timer.ADDRESS"
    assert setup.timer.ctrl.value == 0
    client.write(m.CONFIG_REGION, COMMAND, b"\0\0")
    assert client.read(0, 8, 8) == b"\xff" * 8


def test_a_region_that_cannot_be_where_it_was_put(client: Client, setup: Setup) -> None:
    """Regions over each other, or beyond the last port, answer all the same."""
    client.write(m.CONFIG_REGION, 0x18, (0xFEB80000).to_bytes(4, "little"))
    client.write(m.CONFIG_REGION, BAR1, (0xFFFF_FFF0).to_bytes(4, "little"))
    setup.place(client)
    client.write(m.CONFIG_REGION, BAR1, (0xFFFF_FFF0).to_bytes(4, "little"))
    client.write(0, 8, b"12345678")
    client.write(1, 0, b"\x55")
    assert client.read(0, 8, 8) == b"12345678"
    assert client.read(1, 0, 1) == b"\x55"


@pytest.mark.parametrize(("unmapped", "value"), [("ones", b"\xff" * 4), ("zeros", b"\0" * 4)])
def test_where_the_model_has_no_register(unmapped: Any, value: bytes) -> None:
    """The policy answers, and the record says so."""
    setup = Setup(unmapped=unmapped)
    with serving(setup.card) as server:
        client = Client(server.path)
        setup.place(client)
        assert client.read(0, 0x100, 4) == value
        client.write(0, 0x100, b"abcd")
        client.close()
        assert server.wait() is None
    assert [access.flags for access in setup.trace] == [UNMAPPED, UNMAPPED]


def test_where_the_model_has_no_register_and_that_is_an_error() -> None:
    """The error names the model, the offset and the region."""
    setup = Setup(unmapped="error")
    with serving(setup.card) as server:
        client = Client(server.path)
        setup.place(client)
        with pytest.raises(Refusal):
            client.read(0, 0x100, 4)
        error = server.wait()
    assert isinstance(error, mmio.UnmappedAccess)
    assert "0x100" in str(error)
    assert "'Timer'" in str(error)


@pytest.mark.parametrize("count", [3, 5, 16, 64])
def test_odd_widths(client: Client, setup: Setup, count: int) -> None:
    """An access of a width that no CPU makes is cut as the mapping's policy has it."""
    setup.place(client)
    assert len(client.read(0, 0x40, count)) == count


def test_too_wide(client: Client) -> None:
    """One of more than 64 bytes is refused."""
    with pytest.raises(Refusal):
        client.read(0, 0, 65)


def test_interrupt_pin(client: Client, setup: Setup) -> None:
    """The model's line reaches the client's event."""
    event = os.eventfd(0, os.EFD_NONBLOCK)
    client.set_irqs(4 | 32, m.INTX, 0, 1, b"", [event])
    setup.place(client)
    client.write(0, 0, b"\1\0\0\0")
    assert os.read(event, 8) == (1).to_bytes(8, "little")
    os.close(event)


@pytest.mark.parametrize(("index", "control", "enable"), [(m.MSI, "MSI.CONTROL", 1), (m.MSIX, "MSIX.CONTROL", 1 << 15)])
def test_messages(client: Client, setup: Setup, index: int, control: str, enable: int) -> None:
    """With MSI or MSI-X enabled, the vector's event is signalled, and masks are the client's business."""
    setup.place(client)
    event = os.eventfd(0, os.EFD_NONBLOCK)
    client.set_irqs(4 | 32, index, 0, 1, b"", [event])
    register_ = setup.function.config[control]
    register_.value |= enable
    client.write(0, 0, b"\1\0\0\0")
    assert os.read(event, 8) == (1).to_bytes(8, "little")
    os.close(event)


def test_dma(client: Client, setup: Setup) -> None:
    """A model's memory is the guest's, and nothing before the guest comes."""
    setup.place(client)
    memory = os.memfd_create("guest")
    os.ftruncate(memory, 0x1000)
    client.map(0x8000, 0x1000, memory)
    setup.timer.memory.write(0x8010, b"hello")
    assert os.pread(memory, 5, 0x10) == b"hello"
    os.close(memory)


def test_no_memory_without_a_guest() -> None:
    """Before a client comes, a model that reads memory reads none of this process."""
    setup = Setup()
    setup.function.config.command.MASTER = 1
    with pytest.raises(ProgramMemoryError, match="the guest has no memory"):
        setup.timer.memory.read(id(setup), 8)


def test_reset(client: Client, setup: Setup) -> None:
    """A reset of the function resets its model, and its regions are nowhere."""
    setup.place(client)
    client.write(0, 0, b"\1\0\0\0")
    client.ask(m.DEVICE_RESET)
    assert setup.timer.ctrl.value == 0
    assert client.read(0, 0, 4) == b"\xff" * 4


MOV = decode(bytes.fromhex("8b4710"), bits=64)  # mov eax,[rdi+10h]
ADD = decode(bytes.fromhex("014710"), bits=64)  # add [rdi+10h],eax
OUT = decode(bytes.fromhex("ee"), bits=64)  # out dx,al
MOVSD = decode(bytes.fromhex("f3a5"), bits=64)


@pytest.mark.parametrize(
    ("instruction", "region", "write", "width", "fits"),
    [
        (MOV, 0, False, 4, True),
        (MOV, 0, True, 4, False),
        (MOV, 0, False, 2, False),
        (ADD, 0, False, 4, True),
        (ADD, 0, True, 4, True),
        (OUT, 1, True, 1, True),
        (OUT, 1, False, 1, False),
        (MOVSD, 0, True, 4, True),
        (MOVSD, 0, True, 8, False),
    ],
)
def test_an_access_that_does_not_fit_its_instruction(
    client: Client, setup: Setup, instruction: Any, region: int, write: bool, width: int, fits: bool
) -> None:
    """It is marked; the instruction, its address and the CPU's number are recorded."""
    setup.place(client)
    setup.running.now = 3, 0xFFFFFFFFC0001000, instruction
    if write:
        client.write(region, 0, bytes(width))
    else:
        client.read(region, 0, width)
    access = setup.trace[-1]
    assert (access.thread, access.ip, access.instruction) == (3, 0xFFFFFFFFC0001000, instruction)
    assert bool(access.flags & MISFIT) != fits


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 1, 2, m.CONFIG_REGION]), st.booleans(), st.integers(0, 0x1F), st.binary(max_size=9)
        ),
        max_size=30,
    )
)
@settings(max_examples=40)
def test_arbitrary_accesses(accesses: list[tuple[int, bool, int, bytes]]) -> None:
    """Whatever a client reads and writes, in configuration space too, the server and the function continue."""
    setup = Setup()
    with serving(setup.card) as server:
        client = Client(server.path)
        for region, write, offset, data in accesses:
            try:
                if write:
                    client.write(region, offset, data)
                else:
                    client.read(region, offset, len(data))
            except Refusal:
                assert not data or (region == 1 and offset + len(data) > 0x10)
        client.close()
        assert server.wait() is None
