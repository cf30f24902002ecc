"""What the arguments of system calls lead to."""

import struct

import pytest

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.linux.syscall_table import NUMBERS
from mmio.live.memory import Unreachable
from mmio.program.syscall_buffers import buffers
from mmio.program.syscall_pointers import Buffer
from mmio.program.thread import Call

Place = tuple[int, int, Direction]


class Memory:
    """Memory a program might have, all of it trapped: pieces by their address."""

    numbers = 100, 101

    def __init__(self, pieces: dict[int, bytes]) -> None:
        self.pieces = pieces

    def read(self, address: int, length: int) -> bytes:
        """Return what is in a piece."""
        for start, data in self.pieces.items():
            if start <= address and address + length <= start + len(data):
                return data[address - start : address - start + length]
        raise Unreachable(address)

    def string(self, address: int, limit: int) -> bytes:
        """Return the string that a piece begins with."""
        data = self.pieces[address][:limit]
        return data[: data.find(b"\0") + 1] or data

    def is_trapped(self, address: int, length: int) -> bool:
        """Return whether there is anything at all."""
        return length > 0


def leaves(buffer: Buffer) -> list[Place]:
    """Return the buffers at the ends of all pointers."""
    if not buffer.pointers:
        return [(buffer.address, buffer.length, buffer.direction)]
    return [leaf for pointer in buffer.pointers for leaf in leaves(pointer.buffer)]


def call(name: str, *arguments: int, bits: int = 64) -> Call:
    """Return a call by its name."""
    return Call(NUMBERS[bits][name], (*arguments, *[0] * (6 - len(arguments))), bits)


@pytest.mark.parametrize(
    ("name", "arguments", "argument", "place"),
    [
        ("read", (3, 0x1000, 20), 1, (0x1000, 20, WRITE)),
        ("write", (3, 0x1000, 20), 1, (0x1000, 20, READ)),
        ("getrandom", (0x1000, 16), 0, (0x1000, 16, WRITE)),
        ("clock_gettime", (0, 0x1000), 1, (0x1000, 16, WRITE)),
        ("ioctl", (3, 0x80047465, 0x1000), 2, (0x1000, 4, WRITE)),
        ("ioctl", (3, 0x541B, 0x1000), 2, (0x1000, 64, READ_WRITE)),
    ],
)
def test_one_buffer(name: str, arguments: tuple[int, ...], argument: int, place: Place) -> None:
    """A call with one buffer has it at its argument, with its length and what the kernel does there."""
    (found,) = buffers(name, call(name, *arguments), Memory({})).items()
    assert (found[0], leaves(found[1])) == (argument, [place])


@pytest.mark.parametrize(("bits", "words"), [(64, "QQ"), (32, "II")])
def test_vectors(bits: int, words: str) -> None:
    """readv and writev name an array of buffers, whose bytes the result counts one after another."""
    array = struct.pack(f"<{words}{words}", 0x2000, 5, 0x3000, 0)
    found = buffers("writev", call("writev", 1, 0x1000, 2, bits=bits), Memory({0x1000: array}))[1]
    assert leaves(found) == [(0x2000, 5, READ), (0x3000, 0, READ)]
    assert [pointer.at for pointer in found.pointers] == [0, len(array) // 2]
    assert all(pointer.buffer.counted for pointer in found.pointers)


@pytest.mark.parametrize(
    ("bits", "header", "words"), [(64, "<QI4xQQQQI4x", "<QQ"), (32, "<IIIIIII", "<II")], ids=["64", "32"]
)
def test_messages(bits: int, header: str, words: str) -> None:
    """sendmsg and recvmsg name an address, an array of buffers, and control data; the structure says what was used."""
    memory = Memory(
        {0x1000: struct.pack(header, 0x2000, 16, 0x3000, 1, 0x4000, 24, 0), 0x3000: struct.pack(words, 0x5000, 100)}
    )
    found = buffers("recvmsg", call("recvmsg", 3, 0x1000, bits=bits), memory)[1]
    assert leaves(found) == [(0x2000, 16, WRITE), (0x5000, 100, WRITE), (0x4000, 24, WRITE)]
    assert found.direction == READ_WRITE
    word = bits // 8
    assert [pointer.used for pointer in found.pointers] == [(word, 4), None, (5 * word, word)]
    assert {
        direction for _, _, direction in leaves(buffers("sendmsg", call("sendmsg", 3, 0x1000, bits=bits), memory)[1])
    } == {READ}


def test_i2c_messages() -> None:
    """I2C_RDWR names an array of messages, each with a buffer that is read or written by its flags."""
    messages = struct.pack("<HHH2xQHHH2xQ", 0x50, 0, 2, 0x3000, 0x50, 1, 8, 0x4000)
    memory = Memory({0x1000: struct.pack("<QI4x", 0x2000, 2), 0x2000: messages})
    found = buffers("ioctl", call("ioctl", 3, 0x0707, 0x1000), memory)[2]
    assert leaves(found) == [(0x3000, 2, READ), (0x4000, 8, WRITE)]


def test_spi_transfers() -> None:
    """SPI_IOC_MESSAGE(n) is an array of n transfers, each with a buffer for either way."""
    transfers = struct.pack("<QQI12xQQI12x", 0x2000, 0x3000, 4, 0, 0x4000, 8)
    found = buffers("ioctl", call("ioctl", 3, 0x40406B00, 0x1000), Memory({0x1000: transfers}))[2]
    assert leaves(found) == [(0x2000, 4, READ), (0x3000, 4, WRITE), (0, 8, READ), (0x4000, 8, WRITE)]


def test_other_calls_have_no_buffers_we_know_of() -> None:
    """A call that is in no table is left alone."""
    assert buffers("munmap", call("munmap", 0x1000, 4096), Memory({})) == {}
