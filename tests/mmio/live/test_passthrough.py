"""Real memory as a device."""

import array
import ctypes
import mmap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, NoRegister, ioremap
from mmio.live.passthrough import Passthrough, _pieces, extent_of
from tests.native import compile_c

WIDTHS = [1, 2, 3, 4, 6, 8, 10, 16, 32, 64]


@given(st.integers(0, 70), st.sampled_from(WIDTHS), st.binary(min_size=64, max_size=64))
def test_any_width_anywhere(offset: int, width: int, data: bytes) -> None:
    """What is written is what the memory holds, and what is read; nothing beside it changes."""
    memory = bytearray(range(200))
    device = Passthrough(memory)
    device.write(offset, width, int.from_bytes(data[:width], "little"))
    assert device.read(offset, width).to_bytes(width, "little") == data[:width]
    expected = bytearray(range(200))
    expected[offset : offset + width] = data[:width]
    assert memory == expected


@pytest.mark.parametrize(
    ("width", "words"), [(16, [8, 8]), (10, [8, 2]), (6, [4, 2]), (3, [2, 1]), (64, [8] * 8), (28, [8, 8, 8, 4])]
)
def test_wide_accesses_are_as_few_words_as_can_be(width: int, words: list[int]) -> None:
    """What is behind the memory may care: it sees words of eight bytes, and smaller ones only at the end."""
    places = [sum(words[:index]) for index in range(len(words))]
    assert _pieces(width) == list(zip(places, words, strict=True))


@pytest.mark.parametrize(("offset", "width"), [(16, 1), (15, 2), (-1, 1), (8, 16), (1 << 40, 4)])
def test_it_ends_where_the_buffer_ends(offset: int, width: int) -> None:
    """Memory beyond is not the device's: no access of any width reaches it."""
    device = Passthrough(bytearray(16))
    with pytest.raises(NoRegister, match="Passthrough has no register at offset"):
        device.read(offset, width)
    with pytest.raises(NoRegister):
        device.write(offset, width, 0)


def test_the_end_is_a_matter_of_policy() -> None:
    """A mapping longer than the buffer answers for the rest as it is told to."""
    memory = bytearray(b"\x11" * 6)
    space = AddressSpace()
    space.map(0x1000, 16, Passthrough(memory), unmapped="ones")
    assert space.read(0x1004, 4) == 0xFFFF1111
    space.write(0x1004, 4, 0x44332222)
    assert memory == b"\x11" * 4 + b"\x22\x22"


def test_a_mapped_file(tmp_path: Path) -> None:
    """Native code works a file through a trapped mapping, and the trace has every access at its width."""
    path = tmp_path / "registers"
    path.write_bytes(bytes(4096))
    library = compile_c(
        "int go(volatile int *r) { r[1] = 0xcafe; return *(volatile unsigned short *)(r + 1); }",
        tmp_path,
    )
    with open(path, "r+b") as file, ioremap(Passthrough(mmap.mmap(file.fileno(), 4096)), name="file") as mapping:
        assert library.go(mapping) == 0xCAFE
    assert [(access.letter, access.offset, access.width, access.value) for access in mapping.trace] == [
        ("W", 4, 4, 0xCAFE),
        ("R", 4, 2, 0xCAFE),
    ]
    assert path.read_bytes()[4:8] == b"\xfe\xca\0\0"


class Pair(ctypes.Structure):
    _fields_ = (("a", ctypes.c_uint32), ("b", ctypes.c_uint64))


@pytest.mark.parametrize(
    ("buffer", "length"),
    [
        (Pair(), 16),
        ((ctypes.c_uint16 * 5)(), 10),
        (ctypes.c_uint32(), 4),
        (bytearray(7), 7),
        (memoryview(bytearray(9))[2:5], 3),
        (array.array("I", [1, 2]), 8),
        (mmap.mmap(-1, 100), 100),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_kind_of_buffer(buffer: Any, length: int) -> None:
    """Its first byte is at the address, and there are as many as it has."""
    extent = extent_of(buffer)
    assert extent.length == length
    memoryview(buffer).cast("B")[0:1] = b"\x5a"
    assert ctypes.string_at(extent.address, 1) == b"\x5a"


def test_a_bytearray_stays_where_it_is() -> None:
    """It cannot be resized while its place is known."""
    memory = bytearray(8)
    extent = extent_of(memory)
    with pytest.raises(BufferError):
        memory.extend(b"x" * 1000)
    del extent
    memory.extend(b"x")


@pytest.mark.parametrize(
    ("buffer", "error", "message"),
    [
        (b"abc", TypeError, "this bytes cannot be written"),
        (memoryview(bytearray(8))[::2], TypeError, "this memoryview is not in one piece"),
        (5, TypeError, "int is not a buffer: expected a ctypes object"),
        (ctypes.pointer(ctypes.c_int()), TypeError, "is a pointer, which knows no length; say (address, length)"),
        (ctypes.c_void_p(4096), TypeError, "c_void_p is a pointer"),
        ((4096,), TypeError, "a place in memory is (address, length), two ints, not (4096,)"),
        ((4096, -1), TypeError, "two ints, not (4096, -1)"),
        (bytearray(), ValueError, "its length is 0"),
        ((4096, 0), ValueError, "its length is 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_buffer(buffer: Any, error: type[Exception], message: str) -> None:
    """It is refused in words."""
    with pytest.raises(error) as caught:
        extent_of(buffer)
    assert message in str(caught.value)
