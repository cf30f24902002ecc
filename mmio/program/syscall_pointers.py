"""Pointers in the arguments of system calls: buffers, and structures that name more buffers.

The tables list the calls people make with device memory. Nothing here touches a process: what a structure holds is
read by a function that the caller passes.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import field, frozen

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.linux.syscall_table import I2C_TRANSFER, IFCONF, MESSAGES, SPI_MASK, SPI_TRANSFER, VECTORS
from mmio.program.thread import Call

Look: TypeAlias = Callable[[int, int], bytes]
"""`look(address, length)` returns what the program has there."""

_OLD_IOCTL: Final = 64  # bytes that the parameter of an ioctl has whose number does not tell its size, for all we know
_MOST_VECTORS: Final = 1024  # UIO_MAXIOV
_LARGEST: Final = 1 << 30


@frozen
class Buffer:
    """Memory the kernel reads or writes.

    Attributes:
        address, length: where it is, in bytes.
        direction: what the kernel does there.
        counted: it is one of those, in order, whose bytes the call's result counts.
        contents: of a structure.
        pointers: in the structure.
    """

    address: int
    length: int
    direction: Direction
    counted: bool = False
    contents: bytes = b""
    pointers: "tuple[Pointer, ...]" = ()


@frozen
class Pointer:
    """A pointer in a structure.

    Attributes:
        at, width: where in it, and how wide.
        buffer: what it points to.
        used: where in the structure the kernel says how much of that it has used: offset and width.
    """

    at: int
    width: int
    buffer: Buffer
    used: tuple[int, int] | None = field(default=None, kw_only=True)


_SIZED: Final = {  # argument, direction, argument with the length
    "read": (1, WRITE, 2),
    "pread64": (1, WRITE, 2),
    "recvfrom": (1, WRITE, 2),
    "getdents64": (1, WRITE, 2),
    "getrandom": (0, WRITE, 1),
    "write": (1, READ, 2),
    "pwrite64": (1, READ, 2),
    "sendto": (1, READ, 2),
}
_FIXED: Final = {  # argument, bytes written in a 64-bit program
    "stat": (1, 144),
    "lstat": (1, 144),
    "fstat": (1, 144),
    "newfstatat": (2, 144),
    "clock_gettime": (1, 16),
    "gettimeofday": (0, 16),
}


def pointed(name: str, call: Call, look: Look) -> dict[int, Buffer]:
    """Return the buffers of a call that we know of, by the argument that points there."""
    arguments, word = call.arguments, call.bits // 8
    if name in _SIZED:
        argument, direction, length = _SIZED[name]
        counted = direction == WRITE
        return {argument: Buffer(arguments[argument], min(arguments[length], _LARGEST), direction, counted)}
    if name in _FIXED and call.bits == 64:
        argument, size = _FIXED[name]
        return {argument: Buffer(arguments[argument], size, WRITE)}
    if name in VECTORS:
        direction = READ if "write" in name else WRITE
        return {1: _vectors(arguments[1], arguments[2], direction, word, look)}
    if name in MESSAGES:
        return {1: _message(arguments[1], READ if name == "sendmsg" else WRITE, word, look)}
    if name == "ioctl":
        return {2: _parameter(arguments[1] & 0xFFFFFFFF, arguments[2], call.bits, look)}
    return {}


def _word(data: bytes, at: int, width: int) -> int:
    return int.from_bytes(data[at : at + width], "little")


def _vectors(address: int, count: int, direction: Direction, word: int, look: Look) -> Buffer:
    """Return an array of struct iovec."""
    length = 2 * word * min(count, _MOST_VECTORS)
    data = look(address, length)
    pointers = tuple(
        Pointer(at, word, Buffer(_word(data, at, word), _word(data, at + word, word), direction, True))
        for at in range(0, length, 2 * word)
    )
    return Buffer(address, length, READ, contents=data, pointers=pointers)


def _message(address: int, direction: Direction, word: int, look: Look) -> Buffer:
    """Return a struct msghdr: seven words, of which name, vectors and control data are pointers before lengths."""
    data = look(address, 7 * word)
    name = Buffer(_word(data, 0, word), _word(data, word, 4), direction)
    vectors = _vectors(_word(data, 2 * word, word), _word(data, 3 * word, word), direction, word, look)
    control = Buffer(_word(data, 4 * word, word), min(_word(data, 5 * word, word), _LARGEST), direction)
    pointers = (
        Pointer(0, word, name, used=(word, 4)),
        Pointer(2 * word, word, vectors),
        Pointer(4 * word, word, control, used=(5 * word, word)),
    )
    return Buffer(address, 7 * word, READ_WRITE if direction == WRITE else READ, contents=data, pointers=pointers)


def _parameter(request: int, address: int, bits: int, look: Look) -> Buffer:
    """Return what the last argument of an ioctl points to."""
    size, moved = request >> 16 & 0x3FFF, request >> 30 & 3  # asm-generic/ioctl.h; its WRITE is our READ
    if bits == 64 and request == IFCONF:
        data = look(address, 16)
        whole = Buffer(_word(data, 8, 8), _word(data, 0, 4), WRITE)
        return Buffer(address, 16, READ_WRITE, contents=data, pointers=(Pointer(8, 8, whole, used=(0, 4)),))
    if bits == 64 and request == I2C_TRANSFER:
        data = look(address, 16)
        messages = _i2c_messages(_word(data, 0, 8), _word(data, 8, 4), look)
        return Buffer(address, 16, READ, contents=data, pointers=(Pointer(0, 8, messages),))
    if bits == 64 and request & SPI_MASK == SPI_TRANSFER:
        data = look(address, size)
        pointers = tuple(
            Pointer(at + side, 8, Buffer(_word(data, at + side, 8), _word(data, at + 16, 4), direction))
            for at in range(0, size, 32)  # struct spi_ioc_transfer
            for side, direction in ((0, READ), (8, WRITE))
        )
        return Buffer(address, size, READ, contents=data, pointers=pointers)
    if size and moved:
        return Buffer(address, size, Direction(moved))
    return Buffer(address, _OLD_IOCTL, READ_WRITE)


def _i2c_messages(address: int, count: int, look: Look) -> Buffer:
    """Return an array of struct i2c_msg: address, flags (1: a read), length, and a pointer."""
    length = 16 * min(count, 42)  # I2C_RDWR_IOCTL_MAX_MSGS
    data = look(address, length)
    pointers = tuple(
        Pointer(
            at + 8,
            8,
            Buffer(_word(data, at + 8, 8), _word(data, at + 4, 2), WRITE if _word(data, at + 2, 2) & 1 else READ),
        )
        for at in range(0, length, 16)
    )
    return Buffer(address, length, READ, contents=data, pointers=pointers)
