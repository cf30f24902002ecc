"""Memory of other processes and of what they map, as devices."""

import mmap
import os
from pathlib import Path

import pytest

from mmio.live.memory import BeyondEnd, Unreachable
from mmio.program.memory import DeviceMemory, OwnMemory, RegularFile, TracedMemory, shared_object


@pytest.fixture
def descriptor() -> int:
    """Return a memory file of two pages, 0 1 2 … in each."""
    descriptor = os.memfd_create("device")
    os.write(descriptor, bytes(range(256)) * 32)
    return descriptor


@pytest.mark.parametrize("width", [1, 2, 3, 4, 6, 8, 16, 32, 64])
@pytest.mark.parametrize("offset", [0, 3, 0x40])
def test_device_memory_takes_any_width(descriptor: int, width: int, offset: int) -> None:
    """A second mapping reads and writes any width anywhere, from its offset in the object on."""
    memory = DeviceMemory(descriptor, 0x1000, 0x1000, True)
    assert memory.read(offset, width) == int.from_bytes(bytes(range(offset, offset + width)), "little")
    value = int.from_bytes(b"\xa5" * width, "little")
    memory.write(offset, width, value)
    assert os.pread(descriptor, width + 1, 0x1000 + offset) == b"\xa5" * width + bytes([offset + width])
    memory.close()


def test_device_memory_can_grow(descriptor: int) -> None:
    """A longer mapping of the same place is made when the program's has grown."""
    memory = DeviceMemory(descriptor, 0, 0x1000, False)
    assert memory.resized(0x1000) is memory
    assert memory.resized(0x2000).read(0x1FFF, 1) == 0xFF


def test_what_cannot_be_mapped(tmp_path: Path) -> None:
    """An object that cannot be mapped again is an error that says what was tried."""
    with (
        open("/proc/self/status") as file,
        pytest.raises(OSError, match=r"second mapping of 0x1000 bytes at offset 0x0"),
    ):
        DeviceMemory(file.fileno(), 0, 0x1000, False)


def test_regular_file_ends_where_it_ends(tmp_path: Path) -> None:
    """In the last page zeros follow the end and writes are lost; the page after is a bus error."""
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    file = shared_object(os.open(path, os.O_RDWR | os.O_APPEND), 0, 0x2000, True)
    assert isinstance(file, RegularFile)
    assert file.read(4, 4) == int.from_bytes(b"ef", "little")
    file.write(4, 4, int.from_bytes(b"1234", "little"))
    file.write(0x100, 4, 5)
    assert path.read_bytes() == b"abcd12"
    with pytest.raises(BeyondEnd):
        file.read(0x1000, 4)


def test_blocks_of_a_regular_file(tmp_path: Path) -> None:
    """What the file holds can be moved in one piece; what continues past its end cannot, and is left as it was."""
    path = tmp_path / "file"
    path.write_bytes(b"abcdef")
    file = shared_object(os.open(path, os.O_RDWR), 0, 0x1000, True)
    assert isinstance(file, RegularFile)
    assert file.read_block(2, 4) == b"cdef"
    assert file.read_block(2, 5) is None
    assert file.write_block(2, b"1234")
    assert not file.write_block(3, b"5678")
    assert path.read_bytes() == b"ab1234"
    with pytest.raises(BeyondEnd):
        file.write(0xFFE, 4, 0)
    file.close()


def test_own_memory_reaches_what_is_inaccessible() -> None:
    """A private mapping is read and written in spite of its protection; where nothing is mapped, it is a fault."""
    with mmap.mmap(-1, 0x1000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, 0):
        pass
    address = _constant_page()
    descriptor = os.open("/proc/self/mem", os.O_RDWR)
    memory = OwnMemory(descriptor, address)
    memory.write(0x10, 4, 0x12345678)
    assert memory.read(0x10, 4) == 0x12345678
    with pytest.raises(Unreachable):
        OwnMemory(descriptor, 0x1000).read(0, 4)
    os.close(descriptor)


def test_traced_memory_is_only_what_the_program_could_touch() -> None:
    """What is protected from the program is protected from accesses in its name; the fault names the first byte."""
    address = _constant_page()
    memory = TracedMemory(os.getpid())
    with pytest.raises(Unreachable) as caught:
        memory.write(address + 8, 4, 1)
    assert caught.value.address == address + 8
    with pytest.raises(Unreachable):
        memory.read(address, 4)
    assert memory.fetch(address, 15) == b""


def _constant_page() -> int:
    """Map a page of this process that may not be touched."""
    from mmio.linux import libc

    return libc.map_pages(0x1000)
