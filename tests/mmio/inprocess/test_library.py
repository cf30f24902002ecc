"""The C library on trapped memory: compiled code from elsewhere, with whatever instructions this machine has."""

import ctypes
import random
from collections.abc import Iterator
from ctypes import CDLL, addressof, c_char, c_int, c_size_t, c_void_p, create_string_buffer

import pytest

from mmio.inprocess import Mapping, ioremap
from tests.mmio.inprocess.models import Bytes

libc = CDLL(None)
for name in ("memcpy", "memmove", "memset", "memchr", "memrchr", "strcpy", "strchr"):
    getattr(libc, name).restype = c_void_p
for name in ("strlen", "strnlen"):
    getattr(libc, name).restype = c_size_t
libc.memcpy.argtypes = libc.memmove.argtypes = libc.memcmp.argtypes = (c_void_p, c_void_p, c_size_t)
libc.memset.argtypes = libc.memchr.argtypes = libc.memrchr.argtypes = (c_void_p, c_int, c_size_t)
libc.strlen.argtypes = (c_void_p,)
libc.strnlen.argtypes = (c_void_p, c_size_t)

LENGTHS = [*range(40), *range(40, 300, 7), 63, 64, 65, 127, 128, 129, 255, 256, 257, 300]
ALIGNMENTS = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63]
SIZE = 1024


@pytest.fixture
def device() -> Bytes:
    return Bytes(4096, random.Random(1).randbytes(4096))


@pytest.fixture
def mapping(device: Bytes) -> Iterator[Mapping]:
    with ioremap(device) as mapping:
        mapping.trace.enabled = False
        yield mapping


def touched(device: Bytes, kind: str) -> list[int]:
    """The offsets of every byte that was read or written, as often as it was."""
    return [offset + byte for what, offset, width, *_ in device.log if what == kind for byte in range(width)]


@pytest.mark.parametrize("alignment", range(64))
def test_memcpy_out(device: Bytes, mapping: Mapping, alignment: int) -> None:
    """memcpy from the device gets its bytes at every alignment and length, and reads only them."""
    for length in range(301):
        device.log.clear()
        buffer = create_string_buffer(SIZE)
        libc.memcpy(buffer, mapping.address + alignment, length)
        assert buffer.raw == bytes(device.data[alignment : alignment + length]).ljust(SIZE, b"\0")
        assert set(touched(device, "r")) == set(range(alignment, alignment + length))
        assert not touched(device, "w")


@pytest.mark.parametrize("alignment", range(64))
def test_memcpy_in(device: Bytes, mapping: Mapping, alignment: int) -> None:
    """memcpy to the device leaves there what it should and touches no byte beside."""
    source = create_string_buffer(random.Random(2).randbytes(SIZE), SIZE)
    for length in range(301):
        device.log.clear()
        expected = bytearray(device.data)
        expected[alignment : alignment + length] = source.raw[:length]
        libc.memcpy(mapping.address + alignment, source, length)
        assert device.data == expected
        assert set(touched(device, "w")) == set(range(alignment, alignment + length))
        assert not touched(device, "r")


@pytest.mark.parametrize("distance", [1, 16, 33, 200])
def test_memmove_within(device: Bytes, mapping: Mapping, distance: int) -> None:
    """memmove between overlapping parts of one device, in both directions, is as in memory."""
    for length in LENGTHS:
        for start, end in ((100, 100 + distance), (100 + distance, 100)):
            expected = bytearray(device.data)
            expected[end : end + length] = expected[start : start + length]
            libc.memmove(mapping.address + end, mapping.address + start, length)
            assert device.data == expected


def test_memcpy_between_devices(device: Bytes, mapping: Mapping) -> None:
    """Both sides of a copy may be devices."""
    with ioremap(Bytes(4096)) as other:
        for length in LENGTHS:
            libc.memcpy(other.address + 5, mapping.address + 9, length)
            assert ctypes.string_at(other.address + 5, length) == device.data[9 : 9 + length]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_memset(device: Bytes, mapping: Mapping, alignment: int) -> None:
    """memset fills what it should and touches no byte beside."""
    for length in LENGTHS:
        device.log.clear()
        value = length * 7 + 1 & 0xFF
        expected = bytearray(device.data)
        expected[alignment : alignment + length] = bytes([value]) * length
        libc.memset(mapping.address + alignment, value, length)
        assert device.data == expected
        assert set(touched(device, "w")) == set(range(alignment, alignment + length))


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_searches(device: Bytes, mapping: Mapping, alignment: int) -> None:
    """strlen, strnlen, memchr and memrchr find in the device what they find in the same bytes in memory."""
    start = mapping.address + alignment
    for length in LENGTHS:
        device.data[:] = b"\xee" * 4096
        device.data[alignment + length] = 0
        device.data[alignment + length // 2] = 1 if length else 0
        assert libc.strlen(start) == length
        assert libc.strnlen(start, 150) == min(length, 150)
        for byte in (0, 1, 0x55):
            memory = create_string_buffer(bytes(device.data), 4096)
            for search in (libc.memchr, libc.memrchr):
                expected = search(addressof(memory) + alignment, byte, 320)
                found = search(start, byte, 320)
                assert (found and found - start) == (expected and expected - addressof(memory) - alignment)


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_memcmp(device: Bytes, mapping: Mapping, alignment: int) -> None:
    """memcmp of the device with memory says what it says of memory with memory."""
    for length in LENGTHS:
        for wrong in {0, length // 2, length - 1, length}:
            other = bytearray(device.data[alignment : alignment + length + 1])
            other[wrong] = other[wrong] + 1 & 0xFF if wrong >= 0 else 0
            memory = (c_char * len(other)).from_buffer(other)
            same = create_string_buffer(bytes(device.data[alignment : alignment + length + 1]))
            expected = libc.memcmp(same, memory, length)
            assert sign(libc.memcmp(mapping.address + alignment, memory, length)) == sign(expected)
            assert sign(libc.memcmp(memory, mapping.address + alignment, length)) == -sign(expected)


def test_strings(device: Bytes, mapping: Mapping) -> None:
    """printf and friends read strings from the device."""
    device.data[:12] = b"hello\0world\0"
    buffer = create_string_buffer(64)
    assert libc.snprintf(buffer, c_size_t(64), b"%s, %s!", mapping, c_void_p(mapping.address + 6)) == 13
    assert buffer.value == b"hello, world!"
    assert libc.strcpy(buffer, mapping) == addressof(buffer)
    assert buffer.value == b"hello"


def test_system_calls_do_not_trap(mapping: Mapping) -> None:
    """A system call given the pointer fails with EFAULT: the kernel takes no signal."""
    with pytest.raises(OSError, match="Bad address"), open("/dev/zero", "rb", buffering=0) as zero:
        zero.readinto((c_char * 16).from_address(mapping.address))
