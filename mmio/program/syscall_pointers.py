"""Buffers of system calls, and of structures that contain pointers to more buffers.

Nothing here touches a process: what a structure holds is read by a `Reader`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from attrs import evolve, field, frozen

from decode import READ, READ_WRITE, WRITE, Direction
from mmio.linux.libc import PAGE
from mmio.linux.syscall_notation import Argument
from mmio.live.memory import Unreachable

MOST_VECTORS: Final = 1024  # UIO_MAXIOV: with more, the call fails before it looks at any
LONGEST_STRING: Final = 1 << 17  # MAX_ARG_STRLEN
_STRINGS: Final = {"path": 4096, "str": LONGEST_STRING, "name": 16}
_INT_MAX: Final = (1 << 31) - 1
_BIT_MAPS: Final = 1 << 16  # bits that a bit map may have: the kernel's own limits are lower


class Reader(Protocol):
    """Reads the program's memory as the kernel would in the call.

    Attributes:
        numbers: the PID and the TID of the caller.
    """

    @property
    def numbers(self) -> tuple[int, ...]:
        """The PID and the TID of the caller."""

    def read(self, address: int, length: int) -> bytes:
        """Read `length` bytes. Raises Unreachable when they are not all there."""

    def string(self, address: int, limit: int) -> bytes:
        """Read up to and including a zero byte, but at most `limit` bytes, and only as far as can be read."""

    def is_trapped(self, address: int, length: int) -> bool:
        """Return whether any of these bytes is in a trapped page."""


@frozen
class Buffer:
    """Memory the kernel reads or writes.

    Attributes:
        address, length: where it is, in bytes.
        direction: what the kernel does there.
        counted: the result of the call counts what is written: in units of so many bytes, through all such buffers
            one after another; 0 when it does not.
        conditional: a call that succeeds does not always write it.
        said: what says afterwards how many bytes are used: an argument that points to an int; None when nothing does.
        message: the message it is a part of, of several.
        contents: of a structure or string that has been read already.
        pointers: in the structure.
    """

    address: int
    length: int
    direction: Direction
    counted: int = 0
    conditional: bool = False
    said: int | None = None
    message: "Message | None" = None
    contents: bytes = b""
    pointers: "tuple[Pointer, ...]" = ()


@frozen
class Message:
    """One of several messages: an int in their array says how many bytes were received, in its buffers in order.

    Attributes:
        index: of the message. The call's result says how many there are.
        array: the address of the array.
        offset: of the int in it.
    """

    index: int
    array: int
    offset: int


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


class Values(NamedTuple):
    """The arguments of a call, of 64 or 32 bits, and how to read what they point to."""

    arguments: tuple[int, ...]
    bits: int
    reader: Reader

    @property
    def word(self) -> int:
        """Bytes in a long."""
        return self.bits // 8

    def number(self, index: int) -> int:
        """Return an argument as the unsigned int that the kernel takes of it."""
        return self.arguments[index] & 0xFFFFFFFF

    def integer(self, address: int, width: int) -> int:
        """Read an unsigned integer. Raises Unreachable."""
        return int.from_bytes(self.reader.read(address, width), "little")

    def has(self, address: int, length: int) -> bool:
        """Return whether anything there is trapped."""
        return self.reader.is_trapped(address, length)


def described(argument: Argument, index: int, values: Values) -> Buffer | None:
    """Return the buffer an argument points to, None when it is none that can be copied.

    Raises:
        Unreachable: a structure in ordinary memory that leads to it is not there.
    """
    address, arguments, word = values.arguments[index], values.arguments, values.word
    count = argument.count if argument.length is None else arguments[argument.length]
    size = argument.sizes[values.bits == 32]
    match argument.kind:
        case "plain":
            unit = size if argument.counted else 0
            return Buffer(address, size * count, argument.direction, unit, argument.conditional)
        case "prefixed":
            return Buffer(address, word + count, argument.direction, conditional=argument.conditional)
        case "valued":
            assert argument.length is not None
            return valued(argument.length, index, values)
        case "path" | "str" | "name":
            return string(address, _STRINGS[argument.kind], values)
        case "page":
            return Buffer(address, PAGE, READ)
        case "nodes":
            return _nodes(address, count, argument, word)
        case "fds":
            return Buffer(address, bitmap(count & 0xFFFFFFFF, word), argument.direction)
        case "iov":
            return vectors(address, count, argument.direction, values)
        case "msg":
            return message(address, argument.direction, values)
        case "mmsg":
            return messages(address, count & 0xFFFFFFFF, argument.direction, values)
        case "argv":
            return strings(address, values)
    return None


def valued(length: int, index: int, values: Values, unit: int = 1) -> Buffer | None:
    """Return a buffer whose length an int says that another argument points to, before and after the call."""
    if not values.arguments[length] or not values.arguments[index]:
        return None
    size = values.integer(values.arguments[length], 4)
    return Buffer(values.arguments[index], 0 if size > _INT_MAX else size * unit, WRITE, said=length)


def _nodes(address: int, count: int, argument: Argument, word: int) -> Buffer:
    """Return a bit map of NUMA nodes, as long as it may be (get_nodes and copy_nodes_to_user of mm/mempolicy.c).

    It is read in words of a long, without the last bit; it is written in 64 bits, and in a 32-bit call with that bit.
    """
    length = bitmap(max(count - 1, 0), 8 if argument.direction == WRITE else word)
    if argument.direction == WRITE and word < 8:
        length = max(length, bitmap(count, word))
    return Buffer(address, length, argument.direction, conditional=argument.conditional)


def bitmap(bits: int, word: int) -> int:
    """Return how many bytes a bit map has: whole words of a long."""
    return -(-min(bits, _BIT_MAPS) // (8 * word)) * word


def string(address: int, limit: int, values: Values) -> Buffer:
    """Return a string, read if any of it may be trapped."""
    if not address or not values.has(address, limit):
        return Buffer(address, 0, READ)
    data = values.reader.string(address, limit)
    goes_on = not data.endswith(b"\0") and len(data) < limit  # into what cannot be read
    return Buffer(address, len(data) + goes_on, READ, contents=data)


def strings(address: int, values: Values) -> Buffer | None:
    """Return a list of strings: pointers up to a null pointer."""
    if not address:
        return None
    word, data, pointers = values.word, b"", []
    while len(data) < LONGEST_STRING:
        data += values.reader.read(address + len(data), word)
        pointer = int.from_bytes(data[-word:], "little")
        if not pointer:
            break
        pointers.append(Pointer(len(data) - word, word, string(pointer, LONGEST_STRING, values)))
    return Buffer(address, len(data), READ, contents=data, pointers=tuple(pointers))


def vectors(address: int, count: int, direction: Direction, values: Values, *, counted: bool = True) -> Buffer | None:
    """Return an array of struct iovec; None when the kernel does not read it."""
    if not 0 < count <= MOST_VECTORS:
        return None
    word = values.word
    try:
        data = values.reader.read(address, 2 * word * count)
    except Unreachable:  # the kernel looks at each as far as it comes
        return Buffer(address, 2 * word * count, READ)
    pointers = tuple(
        Pointer(at, word, Buffer(base, length, direction, int(counted))) for at, base, length in _vectors_in(data, word)
    )
    return Buffer(address, len(data), READ, contents=data, pointers=pointers)


def _vectors_in(data: bytes, word: int) -> Iterator[tuple[int, int, int]]:
    for at in range(0, len(data), 2 * word):
        yield at, integer(data, at, word), integer(data, at + word, word)


def message(address: int, direction: Direction, values: Values) -> Buffer | None:
    """Return a struct msghdr: seven words, of which name, vectors and control data are pointers before lengths."""
    word = values.word
    data = values.reader.read(address, 7 * word)
    name = Buffer(integer(data, 0, word), integer(data, word, 4) & _INT_MAX, direction)
    control = Buffer(integer(data, 4 * word, word), integer(data, 5 * word, word), direction)
    pointers = [
        Pointer(0, word, name, used=(word, 4)),
        Pointer(4 * word, word, control, used=(5 * word, word)),
    ]
    buffers = vectors(integer(data, 2 * word, word), integer(data, 3 * word, word), direction, values)
    if buffers is not None:
        pointers.insert(1, Pointer(2 * word, word, buffers))
    whole = READ_WRITE if direction == WRITE else READ
    return Buffer(address, 7 * word, whole, contents=data, pointers=tuple(pointers))


def messages(address: int, count: int, direction: Direction, values: Values) -> Buffer | None:
    """Return an array of struct mmsghdr: a struct msghdr, and how many bytes of it were sent or received."""
    word = values.word
    size = 8 * word
    count = min(count, MOST_VECTORS)
    data, pointers = b"", []
    for at in range(0, count * size, size):
        try:
            found = message(address + at, direction, values)
            assert found is not None
            data += found.contents + values.reader.read(address + at + 7 * word, word)
        except Unreachable:  # the kernel comes as far
            if not at:
                raise
            break
        for pointer in found.pointers:
            used = pointer.used and (at + pointer.used[0], pointer.used[1])
            inner = pointer.buffer
            if used is None:
                part = Message(at // size, address, at + 7 * word)
                each = (evolve(p, buffer=evolve(p.buffer, counted=0, message=part)) for p in inner.pointers)
                inner = evolve(inner, pointers=tuple(each))
            elif direction == WRITE:
                inner = evolve(inner, conditional=True)
            pointers.append(evolve(pointer, at=at + pointer.at, buffer=inner, used=used))
    return Buffer(address, count * size, READ_WRITE, contents=data, pointers=tuple(pointers)) if data else None


def integer(data: bytes, at: int, width: int) -> int:
    """Return an unsigned integer in a structure."""
    return int.from_bytes(data[at : at + width], "little")
