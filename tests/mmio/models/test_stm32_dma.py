"""The STM32F4's DMA controller: copies, requests, the half and the end, and addresses that are not there."""

import ctypes
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.memory import ProgramMemoryError
from mmio.errors import UnmappedAccess
from mmio.linux.libc import LIBC, PROT_READ, PROT_WRITE, map_exactly
from mmio.models.stm32_dma import (
    CIRC,
    CT,
    DBM,
    EN,
    HTIE,
    HTIF,
    MINC,
    PINC,
    PINCOS,
    TCIE,
    TCIF,
    TEIE,
    TEIF,
    Stm32Dma,
)
from mmio.models.stm32_spi import Stm32Spi
from mmio.models.stm32_usart import Stm32Usart
from tests.needs import need

LISR, HISR, LIFCR, HIFCR = 0, 4, 8, 12
TO_PERIPHERAL, COPY = 1 << 6, 2 << 6
SIZE = 512  # bytes of memory, at BASE
BASE = 0x2000_0000
LOW = 0x2F00_0000  # for a page of this process


class Memory:
    """Memory of a program, some bytes of it."""

    def __init__(self, size: int = SIZE) -> None:
        self.data = bytearray(i * 7 % 251 for i in range(size))

    def _check(self, verb: str, address: int, length: int) -> int:
        at = address - BASE
        if not 0 <= at <= at + length <= len(self.data):
            raise ProgramMemoryError(verb, address, length, 0, "the test")
        return at

    def read(self, address: int, length: int) -> bytes:
        at = self._check("read", address, length)
        return bytes(self.data[at : at + length])

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        at = self._check("write", address, len(data))
        self.data[at : at + len(data)] = data


class Register:
    """A peripheral of one register: what is read comes from `gives`, what is written goes to `taken`."""

    def __init__(self) -> None:
        self.gives = iter(range(1, 1000))
        self.taken: list[tuple[int, int, int]] = []

    def read(self, address: int, width: int) -> int:
        if address >= 0x5000_0000:
            raise UnmappedAccess(f"nothing is at {address:#x}")
        return next(self.gives) & (1 << 8 * width) - 1

    def write(self, address: int, width: int, value: int) -> None:
        self.taken.append((address, width, value))


def controller() -> tuple[Stm32Dma, Memory, Register]:
    """Return a DMA controller with memory and a peripheral."""
    peripheral, memory = Register(), Memory()
    dma = Stm32Dma((peripheral.read, peripheral.write))
    dma.memory = memory
    return dma, memory, peripheral


def start(dma: Stm32Dma, stream: int, control: int, count: int, *addresses: int) -> None:
    """Write the registers of a stream: PAR, M0AR and M1AR, then NDTR and CR."""
    base = 0x10 + 0x18 * stream
    for offset, address in zip((0x08, 0x0C, 0x10), addresses, strict=False):
        dma.write(base + offset, 4, address)
    dma.write(base + 4, 4, count)
    dma.write(base, 4, control | EN)


def flags(dma: Stm32Dma, stream: int) -> int:
    """Return the flags of a stream."""
    return dma.read(HISR if stream > 3 else LISR, 4) >> (0, 6, 16, 22)[stream % 4] & 0x3D


def test_reset_values() -> None:
    """All is 0 but the FIFO registers (10.5.10)."""
    dma = Stm32Dma()
    assert [dma.read(0x10 + 4 * i, 4) for i in range(6)] == [0, 0, 0, 0, 0, 0x21]
    assert dma.layout.extent == 0xD0


@given(
    st.integers(0, 7), st.integers(0, 2), st.integers(0, 64), st.integers(0, 200), st.integers(0, 200), st.booleans(),
    st.booleans(),
)  # fmt: skip
def test_a_copy_is_item_by_item(
    stream: int, size: int, count: int, source: int, target: int, from_many: bool, to_many: bool
) -> None:
    """From memory to memory all is done at once, and is what one item after the other makes, overlapping or not."""
    dma, memory, _ = controller()
    width = 1 << size
    expected = bytearray(memory.data)
    for i in range(count):
        at, to = source + i * width * from_many, target + i * width * to_many
        expected[to : to + width] = expected[at : at + width]
    control = COPY | size << 11 | PINC * from_many | MINC * to_many
    start(dma, stream, control, count, BASE + source, BASE + target)
    assert memory.data == expected
    assert flags(dma, stream) == (HTIF | TCIF if count else 0)
    assert dma.read(0x10 + 0x18 * stream, 4) & EN == (not count)
    assert dma.read(0x14 + 0x18 * stream, 4) == 0


@pytest.mark.parametrize(("source", "target"), [(SIZE - 8, 0), (0, SIZE - 8), (SIZE, 0)])
def test_an_address_that_is_not_there(source: int, target: int) -> None:
    """TEIF, the stream is off, and NDTR says how many items are left."""
    dma, memory, _ = controller()
    before = bytes(memory.data)
    start(dma, 1, COPY | PINC | MINC | TEIE, 20, BASE + source, BASE + target)
    done = min(8, SIZE - source)
    assert (flags(dma, 1) & ~HTIF, dma.ndtr[1].value, dma.cr[1].EN) == (TEIF, 20 - done, 0)
    assert memory.data[target : target + done] == before[source : source + done]
    assert dma.irq1.level
    dma.write(LIFCR, 4, TEIF << 6)
    assert not dma.irq1.level


def test_memory_of_this_process() -> None:
    """Without anything given, addresses are pointers, and a wrong one is TEIF, not a crash."""
    need(map_exactly(LOW, 0x1000, PROT_READ | PROT_WRITE), f"an unused page at {LOW:#x}")
    try:
        ctypes.memmove(LOW, b"by pointer", 10)
        dma = Stm32Dma()
        start(dma, 0, COPY | PINC | MINC, 10, LOW, LOW + 100)
        assert (flags(dma, 0), ctypes.string_at(LOW + 100)) == (HTIF | TCIF, b"by pointer")
        start(dma, 1, COPY | PINC | MINC, 10, LOW, 8)
        assert (flags(dma, 1), dma.cr[1].EN) == (TEIF, 0)
    finally:
        LIBC.munmap(ctypes.c_void_p(LOW), ctypes.c_ulong(0x1000))


@pytest.mark.parametrize("size", [0, 1, 2])
def test_from_a_peripheral(size: int) -> None:
    """An item a request, to the next place in memory; the half and the end have their flags."""
    dma, memory, _ = controller()
    width = 1 << size
    start(dma, 5, MINC | size << 11, 4, 0x4001_1004, BASE)
    seen = []
    for _ in range(4):
        assert dma.request(5)
        seen.append((dma.ndtr[5].value, flags(dma, 5)))
    assert seen == [(3, 0), (2, HTIF), (1, HTIF), (0, HTIF | TCIF)]
    assert memory.data[: 4 * width] == b"".join(i.to_bytes(width, "little") for i in (1, 2, 3, 4))
    assert not dma.request(5)


def test_to_a_peripheral() -> None:
    """Items go to the register, or to registers side by side, which PINCOS puts 4 bytes apart (10.5.5)."""
    dma, memory, peripheral = controller()
    for control, addresses in ((0, (8, 8)), (PINC, (8, 9)), (PINC | PINCOS, (8, 12))):
        start(dma, 3, TO_PERIPHERAL | MINC | control, 2, 8, BASE + 10)
        dma.request(3)
        dma.request(3)
        assert peripheral.taken == [(at, 1, memory.data[10 + i]) for i, at in enumerate(addresses)]
        peripheral.taken.clear()


@given(st.integers(1, 9), st.integers(0, 40))
def test_a_circular_stream_goes_around(count: int, requests: int) -> None:
    """It never ends: memory has the last items, and NDTR begins anew."""
    dma, memory, _ = controller()
    expected = bytearray(memory.data)
    start(dma, 2, MINC | CIRC, count, 8, BASE)
    for i in range(requests):
        assert dma.request(2)
        expected[i % count] = i + 1
    assert memory.data == expected
    assert dma.ndtr[2].value == count - requests % count
    assert bool(flags(dma, 2) & TCIF) == (requests >= count)


def test_two_buffers_take_turns() -> None:
    """With DBM, CT tells which is in use; the other's address may be changed (10.3.10)."""
    dma, memory, _ = controller()
    start(dma, 4, MINC | DBM, 2, 8, BASE, BASE + 100)
    for _ in range(2):
        dma.request(4)
    assert dma.cr[4].value & CT
    dma.write(0x10 + 0x60 + 0x0C, 4, BASE + 200)
    dma.write(0x10 + 0x60 + 0x10, 4, BASE + 300)  # in use
    for _ in range(4):
        dma.request(4)
    assert [bytes(memory.data[at : at + 2]) for at in (0, 100, 200)] == [b"\1\2", b"\3\4", b"\5\6"]
    assert dma.m1ar[4].value == BASE + 100


def test_a_peripheral_that_is_not_there() -> None:
    """An access error of the board is TEIF too."""
    dma, _, _ = controller()
    start(dma, 6, MINC, 2, 0x5000_0000, BASE)
    dma.request(6)
    assert (flags(dma, 6), dma.cr[6].EN) == (TEIF, 0)


def test_interrupts() -> None:
    """Each stream has a line, which is high while an enabled flag is set."""
    dma, _, _ = controller()
    start(dma, 7, MINC | TCIE, 2, 8, BASE)
    start(dma, 0, MINC | HTIE, 2, 8, BASE)
    for stream in (7, 0):
        dma.request(stream)
    assert [irq.level for irq in dma.irqs] == [True] + [False] * 7
    dma.request(7)
    assert dma.irq7.level
    dma.write(LIFCR, 4, HTIF)
    dma.write(HIFCR, 4, TCIF << 22)
    assert not any(irq.level for irq in dma.irqs)


def test_halves_of_the_clear_register() -> None:
    """A half-word that clears one stream's flags leaves those of the others."""
    dma, _, _ = controller()
    for stream in (0, 2):
        start(dma, stream, COPY, 1, BASE, BASE)
    dma.write(LIFCR, 2, 0x3D)
    assert (flags(dma, 0), flags(dma, 2)) == (0, HTIF | TCIF)
    start(dma, 0, COPY, 1, BASE, BASE)
    dma.write(LIFCR + 2, 2, 0x3D)
    assert (flags(dma, 0), flags(dma, 2)) == (HTIF | TCIF, 0)


def test_configuration_stays_while_enabled() -> None:
    """NDTR, the addresses and most of CR can only be written while the stream is off."""
    dma, _, _ = controller()
    start(dma, 0, MINC, 5, 8, BASE)
    for offset, value in ((0x10, EN | TCIE | PINC), (0x14, 99), (0x18, 99), (0x1C, 99), (0x20, 99)):
        dma.write(offset, 4, value)
    assert [dma.read(0x10 + 4 * i, 4) for i in range(5)] == [EN | TCIE | MINC, 5, 8, BASE, 0]


def test_stopping_tells() -> None:
    """A stream that software stops has TCIF, NDTR has what is left, and requests are lost."""
    dma, _, _ = controller()
    start(dma, 0, MINC, 5, 8, BASE)
    dma.request(0)
    dma.write(0x10, 4, MINC)
    assert (flags(dma, 0), dma.ndtr[0].value, dma.request(0)) == (TCIF, 4, False)


@pytest.mark.parametrize("control", [COPY | CIRC, COPY | DBM, 3 << 6, 3 << 11])
def test_a_configuration_that_is_not_allowed(control: int) -> None:
    """The stream does not start."""
    dma, _, _ = controller()
    start(dma, 0, control, 5, BASE, BASE)
    assert (flags(dma, 0), dma.cr[0].EN) == (TEIF, 0)


def on_a_board(*devices: Any) -> tuple[Callable[[int, int], int], Callable[[int, int, int], None]]:
    """Return functions that reach the registers of devices, 0x1000 bytes apart."""
    return (
        lambda address, width: devices[address >> 12].read(address & 0xFFF, width),
        lambda address, width, value: devices[address >> 12].write(address & 0xFFF, width, value),
    )


@given(st.binary(min_size=1, max_size=100), st.booleans())
def test_a_usart_by_dma(data: bytes, timed: bool) -> None:
    """What a USART receives is in memory, and what is in memory is sent, in order and without an instruction."""
    usart = Stm32Usart(timed=timed)
    dma = Stm32Dma(on_a_board(usart))
    dma.memory = memory = Memory()
    dma.connect(usart.rx_dma, 5)
    dma.connect(usart.tx_dma, 6)
    for offset, value in ((8, 16), (0xC, 0x200C), (0x14, 0xC0)):
        usart.write(offset, 4, value)
    start(dma, 5, MINC | TCIE, len(data), 4, BASE)
    start(dma, 6, MINC | TO_PERIPHERAL, len(data), 4, BASE + 256)
    usart.receive(data)
    usart.clock.run_for(10**9)
    assert memory.data[: len(data)] == data
    assert usart.sent == bytes(memory.data[256 : 256 + len(data)])
    assert dma.irq5.level
    assert not usart.sr.ORE


@given(st.binary(min_size=1, max_size=50), st.booleans())
def test_both_ways_over_spi(data: bytes, receiver_first: bool) -> None:
    """Two streams of one transfer go in step, whichever is served first."""

    class Inverter:
        def select(self) -> None: ...
        def deselect(self) -> None: ...
        def exchange(self, byte: int) -> int:
            return byte ^ 0xFF

    spi = Stm32Spi()
    spi.attach(Inverter())
    dma = Stm32Dma(on_a_board(spi))
    dma.memory = memory = Memory()
    memory.data[: len(data)] = data
    receive, send = (0, 3) if receiver_first else (5, 3)
    dma.connect(spi.rx_dma, receive)
    dma.connect(spi.tx_dma, send)
    start(dma, receive, MINC, len(data), 0xC, BASE + 256)
    start(dma, send, MINC | TO_PERIPHERAL, len(data), 0xC, BASE)
    spi.write(4, 4, 3)
    spi.write(0, 4, 0x344)
    assert memory.data[256 : 256 + len(data)] == bytes(byte ^ 0xFF for byte in data)
    assert not spi.sr.OVR


def test_requests_end_with_the_stream() -> None:
    """What was asked for too much is forgotten when the stream is enabled again."""
    dma, _, peripheral = controller()

    def read(address: int, width: int) -> int:
        dma.request(1)
        return peripheral.read(address, width)

    dma._peripheral = read, peripheral.write
    start(dma, 1, MINC, 3, 8, BASE)
    dma.request(1)
    assert dma.ndtr[1].value == 0
    start(dma, 1, MINC, 3, 8, BASE)
    assert dma.ndtr[1].value == 3


def test_priorities() -> None:
    """Of streams that are asked for, the higher PL comes first, then the lower number (10.3.4)."""
    dma, _, peripheral = controller()
    usart = Stm32Usart()
    for stream, level in ((1, 0), (2, 3), (4, 3), (6, 1)):
        dma.connect(usart.irq, stream)
        start(dma, stream, TO_PERIPHERAL | level << 16, 2, stream, BASE)
    usart.irq.set(True)
    assert [address for address, _, _ in peripheral.taken] == [2, 2, 4, 4, 6, 6, 1, 1]


def test_an_endless_transfer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A circular stream to a peripheral that is infinitely fast would never end."""
    monkeypatch.setattr("mmio.models.stm32_dma._ENDLESS", 1000)
    dma, _, _ = controller()
    usart = Stm32Usart()
    usart.irq.set(True)
    dma.connect(usart.irq, 0)
    with pytest.raises(RuntimeError, match=r"stream 0 has moved 1,000 items, .* \(timed=True\)"):
        start(dma, 0, TO_PERIPHERAL | CIRC, 10, 8, BASE)


def test_a_snapshot_goes_on() -> None:
    """A restored controller puts the next item where the first would."""
    dma, _, _ = controller()
    start(dma, 5, MINC, 4, 8, BASE)
    dma.request(5)
    other, memory, _ = controller()
    other.restore(json.loads(json.dumps(dma.snapshot())))
    before = bytes(memory.data)
    other.request(5)
    assert memory.data[:3] == before[:1] + b"\1" + before[2:3]
    assert other.ndtr[5].value == 2


def test_wrong_arguments() -> None:
    """A stream, a line and a pair of functions that are none are refused."""
    with pytest.raises(ValueError, match=r"stream is an int, 0\.\.0x7, not 8"):
        Stm32Dma().request(8)
    with pytest.raises(TypeError, match=r"request is a line of a device, .* not 5"):
        Stm32Dma().connect(5, 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="peripheral is two functions"):
        Stm32Dma((1, 2))  # type: ignore[arg-type]
