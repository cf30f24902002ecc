"""The memory that a device reaches by itself."""

import mmap
from collections.abc import Iterator
from ctypes import addressof, c_char, create_string_buffer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.memory import ProgramMemory, ProgramMemoryError, ThisProcess
from mmio.linux.libc import PAGE, PROT_NONE, PROT_READ, PROT_WRITE, protect

MEMORY = ThisProcess()


@pytest.fixture
def two_pages() -> Iterator[int]:
    """The address of two pages, the second of which the test may protect."""
    area = mmap.mmap(-1, 2 * PAGE)
    start = addressof(c_char.from_buffer(area))
    yield start
    protect(start, 2 * PAGE, PROT_READ | PROT_WRITE)


@given(st.binary(max_size=64), st.integers(0, 8))
def test_what_is_written_is_there(data: bytes, offset: int) -> None:
    """A device's writes are in the program's buffer, and its reads give what the program put there."""
    buffer = create_string_buffer(80)
    at = addressof(buffer) + offset
    MEMORY.write(at, data)
    assert buffer.raw == bytes(offset) + data + bytes(80 - offset - len(data))
    assert MEMORY.read(at, len(data)) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_data_of_any_bytes(kind: Any) -> None:
    """Bytes, a bytearray and a view of one are data."""
    buffer = create_string_buffer(4)
    MEMORY.write(addressof(buffer), kind(b"abcd"))
    assert buffer.raw == b"abcd"


def test_more_than_is_moved_at_once() -> None:
    """Large buffers come whole."""
    data = bytes(range(251)) * 10_000
    buffer = create_string_buffer(data, len(data))
    assert MEMORY.read(addressof(buffer), len(data)) == data


def test_partly_mapped(two_pages: int) -> None:
    """The error names address, length, and the first address where nothing is. A write has reached what is before."""
    protect(two_pages + PAGE, PAGE, PROT_NONE)
    edge = two_pages + PAGE
    with pytest.raises(
        ProgramMemoryError, match=f"^read of 8 bytes at address {edge - 3:#x} .* to read at {edge:#x};"
    ) as read:
        MEMORY.read(edge - 3, 8)
    assert (read.value.address, read.value.length, read.value.done) == (edge - 3, 8, 3)
    with pytest.raises(
        ProgramMemoryError, match=f"^write of 6 bytes at address {edge - 3:#x} .* write to at {edge:#x};"
    ):
        MEMORY.write(edge - 3, b"abcdef")
    assert MEMORY.read(edge - 3, 3) == b"abc"


def test_read_only(two_pages: int) -> None:
    """What the program may only read is read, and not written."""
    MEMORY.write(two_pages, b"text")
    protect(two_pages, PAGE, PROT_READ)
    with pytest.raises(ProgramMemoryError, match=f"^write of 1 byte at address {two_pages:#x} "):
        MEMORY.write(two_pages, b"x")
    assert MEMORY.read(two_pages, 4) == b"text"


@pytest.mark.parametrize("address", [0, 0x10, 1 << 47, 1 << 63, (1 << 64) - 4])
@pytest.mark.parametrize("length", [8, 1 << 40, 1 << 70])
def test_unmapped(address: int, length: int) -> None:
    """Where nothing is, nothing is read, whatever the length: no crash, and no memory taken for it."""
    with pytest.raises(
        ProgramMemoryError, match=f"^read of {length} bytes at address {address:#x} by a device"
    ) as error:
        MEMORY.read(address, length)
    assert error.value.done == 0
    with pytest.raises(ProgramMemoryError):
        MEMORY.write(address, bytes(8))


def test_a_length_that_is_garbage(two_pages: int) -> None:
    """An enormous length is read no further than memory goes."""
    protect(two_pages + PAGE, PAGE, PROT_NONE)
    with pytest.raises(ProgramMemoryError) as error:
        MEMORY.read(two_pages, 1 << 60)
    assert error.value.done == PAGE


def test_nothing_is_everywhere() -> None:
    """No bytes can be moved anywhere."""
    assert MEMORY.read(0, 0) == b""
    MEMORY.write(0, b"")


@pytest.mark.parametrize("junk", [True, 1.5, "1", None])
def test_no_ints(junk: Any) -> None:
    """Addresses and lengths are ints."""
    for call in (lambda: MEMORY.read(junk, 1), lambda: MEMORY.read(0, junk), lambda: MEMORY.write(junk, b"")):
        with pytest.raises(TypeError, match="is an int, not"):
            call()
    with pytest.raises(TypeError, match=r"^data is bytes, not"):
        MEMORY.write(0, junk)


@pytest.mark.parametrize("address", [-1, 1 << 64])
def test_no_address(address: int) -> None:
    """An address has 64 bits."""
    with pytest.raises(ValueError, match=r"^address is an int, 0\.\.0xffffffffffffffff, not"):
        MEMORY.read(address, 1)
    with pytest.raises(ValueError, match=r"^address is an int"):
        MEMORY.write(address, b"")


def test_it_is_program_memory() -> None:
    """It keeps the contract that a device's `memory` has."""
    memory: ProgramMemory = MEMORY
    assert isinstance(memory, ProgramMemory)
    assert repr(memory) == "ThisProcess()"
