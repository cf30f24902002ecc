"""The ordinary memory of this process as a bus."""

import ctypes
from ctypes import addressof, create_string_buffer

import pytest

from mmio.linux import libc
from mmio.linux.libc import PAGE, PROT_NONE, PROT_READ, PROT_WRITE
from mmio.live.memory import FloatingMemory, ProcessMemory, Unreachable

MEMORY = ProcessMemory()


@pytest.fixture
def edge() -> int:
    """The address where a readable page ends and an inaccessible one begins."""
    start = libc.map_pages(2 * PAGE, PROT_READ | PROT_WRITE)
    libc.protect(start + PAGE, PAGE, PROT_NONE)
    return start + PAGE


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 8, 10, 16, 32, 64, 512])
def test_any_width(width: int) -> None:
    """Reads and writes take any width, at any alignment, and touch nothing beside."""
    buffer = create_string_buffer(bytes(range(256)) * 4, 1024)
    start = addressof(buffer) + 5
    assert MEMORY.read(start, width) == int.from_bytes(buffer.raw[5 : 5 + width], "little")
    value = int.from_bytes(b"\xa5" * width, "little")
    MEMORY.write(start, width, value)
    assert buffer.raw == bytes(range(5)) + b"\xa5" * width + (bytes(range(256)) * 4)[5 + width :]


def test_blocks() -> None:
    """Blocks go in one piece, across pages."""
    buffer = create_string_buffer(3 * PAGE)
    data = bytes(range(256)) * 40
    assert MEMORY.write_block(addressof(buffer), data)
    assert MEMORY.read_block(addressof(buffer), len(data)) == data
    assert MEMORY.fetch(addressof(buffer), 4) == b"\0\1\2\3"


@pytest.mark.parametrize("address", [0, 8, 1 << 47, (1 << 64) - 64, 0x800000000000 - 4])
def test_nothing_there(address: int) -> None:
    """Where the program would fault there is a page fault with the first address that is wrong."""
    first = max(address, 1 << 47) if address > PAGE else address
    with pytest.raises(Unreachable) as caught:
        MEMORY.read(address, 8)
    assert (caught.value.address, caught.value.error_code) == (first, 4)
    with pytest.raises(Unreachable) as caught:
        MEMORY.write(address, 8, 0)
    assert (caught.value.address, caught.value.error_code) == (first, 6)


def test_across_an_edge(edge: int) -> None:
    """A transfer that begins well faults at the start of the page that is not there."""
    assert MEMORY.read(edge - 8, 8) == 0
    with pytest.raises(Unreachable) as caught:
        MEMORY.read_block(edge - 5, 8)
    assert caught.value.address == edge
    with pytest.raises(Unreachable) as caught:
        MEMORY.write_block(edge - 5, bytes(8))
    assert caught.value.address == edge


def test_read_only() -> None:
    """Memory that may not be written is there for reads only."""
    page = libc.map_pages(PAGE, PROT_READ)
    assert MEMORY.read(page, 4) == 0
    with pytest.raises(Unreachable):
        MEMORY.write(page, 4, 1)


def test_floating(edge: int) -> None:
    """Floating memory reads ones and ignores writes where nothing is, and is ordinary elsewhere."""
    memory = FloatingMemory()
    memory.write(edge - 4, 4, 0x12345678)
    assert memory.read(edge - 4, 4) == ctypes.c_uint32.from_address(edge - 4).value == 0x12345678
    memory.write(edge, 4, 5)
    assert memory.read(edge, 4) == memory.port_read(0x70, 4) == 0xFFFFFFFF
    assert memory.read(edge - 4, 8) == (1 << 64) - 1
    memory.port_write(0x70, 1, 1)
