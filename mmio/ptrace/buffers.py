"""System calls that hand a trapped buffer to the kernel.

The kernel cannot touch an inaccessible page: it would answer EFAULT where the program expects data to move. So the call
is made with another buffer, one of ours in the program's memory. What the kernel will read is put there first, through
the devices; what it has written is carried to them afterwards. The records say that a system call did it.

The table lists the calls people make with device memory; any other finds EFAULT, as it would without us find a device
that its driver does not let the kernel copy from. (Memory of the program's own is another matter: `borrowed.py`.)
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from decode import READ, READ_WRITE, WRITE, Direction, decode
from mmio.completion import marked
from mmio.inprocess.memory import Unreachable
from mmio.ptrace import calls
from mmio.ptrace.regs import RIP
from mmio.ptrace.table import VECTORS
from mmio.ptrace.thread import Call, Thread
from mmio.records.flags import KERNEL
from mmio.space.initiator import Initiator

_EFAULT: Final = 14
_OLD_IOCTL: Final = 64  # bytes that the parameter of an ioctl has whose number does not tell its size, for all we know


class Buffer(NamedTuple):
    """A buffer a call is given: which argument points to it, whether the kernel reads or writes it, how long it is.

    `counted`: the call returns how many bytes there are in the end.
    """

    argument: int
    direction: Direction
    length: int
    counted: bool = False


class Piece(NamedTuple):
    """A trapped buffer and the one that stands in for it."""

    address: int
    length: int
    direction: Direction
    counted: bool
    copy: int
    before: bytes


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


def bounce(thread: Thread, name: str, call: Call) -> bool:
    """Give a call other buffers for its trapped ones; return whether it has any. The thread is stopped before it."""
    trapped_in = thread.process.trapped_in
    if name in VECTORS:
        return _bounce_vector(thread, name, call)
    found = _buffer(name, call)
    if found is None:
        return False
    address = call.arguments[found.argument]
    if not found.length or not trapped_in(address, address + found.length):
        return False
    copy = thread.buffer(found.length)
    data = b""
    if found.direction & READ:
        data = _gather(thread, address, found.length)
        calls.write_memory(thread.pid, copy, data)
    piece = Piece(address, found.length, found.direction, found.counted, copy, data)
    thread.set_call(call.number, {found.argument: copy}, call.bits)
    thread.on_exit = lambda: _finish(thread, [piece])
    return True


def _buffer(name: str, call: Call) -> Buffer | None:
    if name in _SIZED:
        argument, direction, length = _SIZED[name]
        return Buffer(argument, direction, min(call.arguments[length], 1 << 30), counted=direction == WRITE)
    if name in _FIXED and call.bits == 64:
        argument, size = _FIXED[name]
        return Buffer(argument, WRITE, size)
    if name == "ioctl":
        request = call.arguments[1]
        size, moved = request >> 16 & 0x3FFF, request >> 30 & 3  # asm-generic/ioctl.h; its WRITE is our READ
        return Buffer(2, Direction(moved), size) if size and moved else Buffer(2, READ_WRITE, _OLD_IOCTL)
    return None


def _bounce_vector(thread: Thread, name: str, call: Call) -> bool:
    """Do the same for the buffers an array of struct iovec names."""
    word = struct.Struct("<QQ" if call.bits == 64 else "<II")
    count = min(call.arguments[2], 1024)  # UIO_MAXIOV
    array = calls.read_memory(thread.pid, call.arguments[1], count * word.size)
    vectors = [word.unpack_from(array, at) for at in range(0, len(array) - word.size + 1, word.size)]
    if not any(thread.process.trapped_in(base, base + length) for base, length in vectors):
        return False
    direction = READ if "write" in name else WRITE
    place = thread.buffer(len(array) + sum(length for _, length in vectors))
    copy = place + len(array)
    pieces = []
    changed = b""
    for base, length in vectors:
        data = _gather(thread, base, length) if direction == READ else b""
        calls.write_memory(thread.pid, copy, data)
        pieces.append(Piece(base, length, direction, True, copy, data))
        changed += word.pack(copy, length)
        copy += length
    calls.write_memory(thread.pid, place, changed)
    thread.set_call(call.number, {1: place}, call.bits)
    thread.on_exit = lambda: _finish(thread, pieces)
    return True


def _finish(thread: Thread, pieces: list[Piece]) -> None:
    """Carry what the kernel has written to where it belongs. The thread is stopped where the call returns."""
    result = thread.call_result
    thread.restore_call()
    left = result
    for piece in pieces:
        length = min(piece.length, max(left, 0)) if piece.counted else piece.length
        left -= length
        if result >= 0 and piece.direction & WRITE:
            data = calls.read_memory(thread.pid, piece.copy, length)
            first, last = _changed(piece.before, data)
            scatter(thread, piece.address + first, data[first:last])


def _changed(before: bytes, after: bytes) -> tuple[int, int]:
    """Return what of a buffer the kernel has written, which may be less than the buffer when it read it, too."""
    if len(before) != len(after):
        return 0, len(after)
    changed = [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    return (changed[0], changed[-1] + 1) if changed else (0, 0)


def _gather(thread: Thread, address: int, length: int) -> bytes:
    """Read a buffer of the program's through its devices."""
    data = b""
    with by_kernel(thread) as bus:
        for at, width in _words(thread, address, length):
            if width > 8:
                data += bus.read_block(at, width) or b""
            else:
                data += bus.read(at, width).to_bytes(width, "little")
    return data


def scatter(thread: Thread, address: int, data: bytes) -> None:
    """Write a buffer of the program's through its devices."""
    with by_kernel(thread) as bus:
        for at, width in _words(thread, address, len(data)):
            piece = data[at - address : at - address + width]
            if width > 8:
                bus.write_block(at, piece)
            else:
                bus.write(at, width, int.from_bytes(piece, "little"))


def gather(thread: Thread, address: int, length: int) -> bytes | None:
    """Read a buffer of the program's; None when it is not all there, and the call's answer is EFAULT."""
    try:
        return _gather(thread, address, length)
    except Unreachable:
        return None


def _words(thread: Thread, address: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a buffer: what is not trapped as it is, what is into aligned words, as the kernel copies it."""
    end = address + length
    while address < end:
        segment = thread.process.space.memory.find(address)
        if segment.label is None and not segment.watched:
            width = min(end, segment.end) - address
            if width <= 8:
                width = 1
        else:
            width = 8
            while address % width or address + width > end:
                width //= 2
        yield address, width
        address += width


@contextmanager
def by_kernel(thread: Thread) -> Iterator[Initiator]:
    """Use a thread's bus for accesses the kernel makes in the system call the thread is at."""
    bus = thread.bus
    thread.frame.load()
    bus.ip = thread.regs[RIP] - 2
    bus.instruction = decode(b"\x0f\x05", 64) if thread.process.bits == 64 else decode(b"\xcd\x80", 32)
    with marked(bus, KERNEL):
        yield bus
