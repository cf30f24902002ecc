"""The map of the addresses that a device may use."""

from ctypes import addressof, create_string_buffer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Device, Trace
from mmio.device.dma import Dma, DmaError
from mmio.device.memory import Data, ProgramMemoryError


class Flat:
    """Memory of 256 bytes."""

    def __init__(self) -> None:
        self.data = bytearray(range(256))

    def read(self, address: int, length: int) -> bytes:
        """Return bytes."""
        return bytes(self.data[address : address + length])

    def write(self, address: int, data: Data) -> None:
        """Store bytes."""
        self.data[address : address + len(data)] = data


spans = st.tuples(st.integers(0, 64), st.integers(1, 16), st.integers(0, 240), st.booleans())


@given(st.lists(st.tuples(st.booleans(), spans), max_size=12), st.integers(0, 80), st.binary(max_size=24))
def test_as_a_table_of_bytes(steps: list[tuple[bool, tuple[int, int, int, bool]]], at: int, data: bytes) -> None:
    """A transfer reaches the bytes that a table of single bytes leads to, or none and raises."""
    dma, memory = Dma(flat := Flat()), bytearray(range(256))
    table: dict[int, tuple[int, bool]] = {}
    for mapping, (iova, length, address, writable) in steps:
        span = range(iova, iova + length)
        if mapping:
            if table.keys() & set(span):
                with pytest.raises(ValueError, match="is mapped already"):
                    dma.map(iova, address, length, writable=writable)
                continue
            dma.map(iova, address, length, writable=writable)
            table |= {one: (address + one - iova, writable) for one in span}
        elif found := [one for one in dma if one.iova == iova]:
            dma.unmap(iova)
            for one in range(found[0].iova, found[0].end):
                del table[one]
        else:
            with pytest.raises(ValueError, match="nothing is mapped at"):
                dma.unmap(iova)
    places = [table.get(one) for one in range(at, at + len(data))]
    missing = next((index for index, place in enumerate(places) if place is None), None)
    if missing is None:
        assert dma.read(at, len(data)) == bytes(memory[place[0]] for place in places if place)
    else:
        with pytest.raises(DmaError) as error:
            dma.read(at, len(data))
        assert (error.value.address, error.value.length, error.value.done) == (at, len(data), missing)
    if missing is None and all(place and place[1] for place in places):
        dma.write(at, data)
        for place, byte in zip(places, data, strict=True):
            assert place
            memory[place[0]] = byte
    else:
        with pytest.raises(DmaError):
            dma.write(at, data)
    assert flat.data == memory


def test_error_of_a_wrong_address() -> None:
    """The error names device, address, length, and what is mapped nearby."""
    dma = Dma(Flat(), device="Card")
    with pytest.raises(DmaError) as error:
        dma.read(0x40, 4)
    assert str(error.value) == (
        "read of 4 bytes at address 0x40 by Card: the driver has not mapped it; nothing is mapped"
    )
    for iova in range(0, 0x50, 0x10):
        dma.map(iova, 0, 8, writable=iova != 0x20)
    with pytest.raises(DmaError, match=r"from 0x28 on.* are 0x10\.\.0x18, 0x20\.\.0x28 \(read-only\), 0x30.* 2 m"):
        dma.read(0x24, 8)
    with pytest.raises(
        DmaError, match=r"write of 4 .* 0x20 by Card: 0x20\.\.0x28 \(read-only\) is mapped for reading only"
    ):
        dma.write(0x20, b"abcd")


def test_stale_address() -> None:
    """An address that was mapped is told to be stale, and since which access of the trace."""
    trace = Trace()
    dma = Dma(Flat(), trace=trace, device="Card")
    dma.map(0x100, 0x20, 16)
    trace.mark("one")
    dma.unmap(0x100)
    with pytest.raises(DmaError) as error:
        dma.write(0x104, b"abcd")
    assert str(error.value) == (
        "write of 4 bytes at address 0x104 by Card: the address is stale: 0x100..0x110 was mapped, "
        f"to 0x20, until it was unmapped at access {len(trace)}; nothing is mapped"
    )
    assert error.value.stale is not None
    dma.map(0x100, 0x20, 16)
    assert dma.read(0x104, 4) == bytes(range(0x24, 0x28))


def test_stale_without_a_trace() -> None:
    """Without a trace the device's own transfers count."""
    dma = Dma(Flat())
    dma.map(0, 0, 4)
    dma.read(0, 4)
    dma.read(0, 0)
    dma.unmap(0, 0x1000)
    with pytest.raises(
        DmaError, match=r"by a device: the address is stale: .* unmapped at transfer 2; nothing is mapped"
    ):
        dma.read(0, 4)


def test_memory_of_a_device() -> None:
    """A device whose memory is a map reads and writes through it, at addresses of this process when left out."""
    buffer = create_string_buffer(b"abcdefgh")
    card, dma = Device(), Dma()
    card.memory = dma
    dma.map(0xFFFF_FFFF_0000, addressof(buffer), 8)
    card.memory.write(0xFFFF_FFFF_0002, memoryview(b"XY"))
    assert card.memory.read(0xFFFF_FFFF_0000, 8) == b"abXYefgh"
    dma.map(0x1000, 0x10, 8)
    with pytest.raises(ProgramMemoryError, match="read of 8 bytes at address 0x10 by Device: this process has no"):
        card.memory.read(0x1000, 8)
    assert (len(dma), repr(dma)) == (2, "Dma(2 mapped, 3 transfers)")


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda dma: dma.map(-1, 0, 4), "iova is an int"),
        (lambda dma: dma.map(0, 0, 0), "length is an int"),
        (lambda dma: dma.map((1 << 64) - 4, 0, 5), "length is an int"),
        (lambda dma: dma.map(0, (1 << 64) - 4, 5), "length is an int"),
        (lambda dma: dma.unmap(0x42, 2), r"0x42\.\.0x44 is a part of 0x40\.\.0x48, and a mapping ends as a whole"),
        (lambda dma: dma.unmap(0x50, 8), r"nothing is mapped at 0x50 to be unmapped; mapped are 0x40\.\.0x48"),
        (lambda dma: dma.read(0x40, -1), "length is an int"),
        (lambda dma: dma.read("0", 1), "address is an int, not '0'"),
        (lambda dma: dma.write(0x40, 5), "data is bytes, not 5"),
        (lambda dma: type(dma)(5), "the memory behind a Dma is something with read"),
        (lambda dma: type(dma)(trace=5), "trace is a Trace, not 5"),
    ],
)
def test_mistakes(call: Any, problem: str) -> None:
    """What makes no sense is refused."""
    dma = Dma(Flat())
    dma.map(0x40, 0, 8)
    with pytest.raises((TypeError, ValueError), match=problem):
        call(dma)
    assert len(dma) == 1
