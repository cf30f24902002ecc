"""System calls that hand a trapped buffer to the kernel.

The kernel cannot touch an inaccessible page: it would answer EFAULT where the program expects data to move. So the call
is made with a bounce buffer in the program's memory. What the kernel will read is put there first, through
the devices; what it has written is carried to them afterwards. A structure that names trapped buffers is made again in
our memory as well, with other pointers. The records say that a system call did it.

Calls that `syscall_pointers.py` does not know find EFAULT, as they would without us find a device that its driver does
not let the kernel copy from. (Memory of the program's own is another matter: `bounce_unknown.py`.)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from decode import READ, WRITE, decode
from mmio.linux.process_memory import read_memory, write_memory
from mmio.live.completion import marked
from mmio.live.memory import Unreachable
from mmio.program.syscall_pointers import Buffer, pointed
from mmio.program.thread import Call, StoppedThread
from mmio.records.flags import KERNEL
from mmio.space.initiator import Initiator

_SPACE: Final = 64  # each copy begins at a multiple


class Piece(NamedTuple):
    """A buffer of a call.

    Attributes:
        copy: the address of the one that stands in for it; 0 when none does.
        before: what the program had there, as far as the kernel may read it.
        used: the address and width of the word that will say how much of it was used; None when none does.
    """

    buffer: Buffer
    copy: int
    before: bytes
    used: tuple[int, int] | None


def bounce(thread: StoppedThread, name: str, call: Call) -> bool:
    """Give a call other buffers for its trapped ones; return whether it has any. The thread is stopped before it."""
    try:
        found = pointed(name, call, lambda address, length: _gather(thread, address, length))
    except Unreachable:  # a structure that is not there: the kernel will say so, or something else before
        return False
    found = {argument: buffer for argument, buffer in found.items() if _is_trapped(thread, buffer)}
    if not found:
        return False
    place = thread.buffer(sum(map(_size, found.values())))
    pieces: list[Piece] = []
    changed = {}
    for argument, buffer in found.items():
        changed[argument] = place
        place = _stand_in(thread, buffer, place, pieces)
    thread.set_call(call.number, changed, call.bits)
    thread.on_exit = lambda: _finish(thread, pieces)
    return True


def _is_trapped(thread: StoppedThread, buffer: Buffer) -> bool:
    """Return whether any of a buffer, or of what a structure leads to, is trapped."""
    here = buffer.length and thread.process.trapped_in(buffer.address, buffer.address + buffer.length)
    return bool(here) or any(_is_trapped(thread, pointer.buffer) for pointer in buffer.pointers)


def _size(buffer: Buffer) -> int:
    """Return how many bytes copies of a buffer and of all it leads to may take."""
    return buffer.length + _SPACE + sum(_size(pointer.buffer) for pointer in buffer.pointers)


def _stand_in(
    thread: StoppedThread, buffer: Buffer, copy: int, pieces: list[Piece], used: tuple[int, int] | None = None
) -> int:
    """Put at an address what stands in for a buffer, and behind it what does for what it leads to; return the end."""
    end = copy + buffer.length + _SPACE & -_SPACE
    data = bytearray(buffer.contents)
    if buffer.direction & READ and not data:
        data += _gather(thread, buffer.address, buffer.length)
    for at, width, inner, told in ((p.at, p.width, p.buffer, p.used) for p in buffer.pointers):
        if _is_trapped(thread, inner):
            data[at : at + width] = end.to_bytes(width, "little")
            end = _stand_in(thread, inner, end, pieces, (copy + told[0], told[1]) if told else None)
        else:
            pieces.append(Piece(inner, 0, b"", None))
    write_memory(thread.pid, copy, bytes(data))
    pieces.append(Piece(buffer, copy, buffer.contents or bytes(data), used))
    return end


def _finish(thread: StoppedThread, pieces: list[Piece]) -> None:
    """Carry what the kernel has written to where it belongs. The thread is stopped where the call returns."""
    result = left = thread.call_result
    thread.restore_call()
    if result < 0:
        return
    for buffer, copy, before, used in pieces:
        length = buffer.length
        if buffer.counted:
            length = min(length, left)
            left -= length
        if used is not None:
            length = min(length, int.from_bytes(read_memory(thread.pid, *used), "little"))
        if copy and buffer.direction & WRITE:
            after = bytearray(read_memory(thread.pid, copy, length))
            for pointer in buffer.pointers:  # the program's own stay in place
                where = slice(pointer.at, pointer.at + pointer.width)
                after[where] = before[where]
            first, last = _changed(before, after)
            scatter(thread, buffer.address + first, bytes(after[first:last]))


def _changed(before: bytes, after: bytes | bytearray) -> tuple[int, int]:
    """Return what of a buffer the kernel has written, which may be less than the buffer when it read it, too."""
    if len(before) != len(after):
        return 0, len(after)
    changed = [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    return (changed[0], changed[-1] + 1) if changed else (0, 0)


def _gather(thread: StoppedThread, address: int, length: int) -> bytes:
    """Read a buffer of the program's through its devices."""
    data = b""
    with by_kernel(thread) as bus:
        for at, width in _words(thread, address, length):
            if width > 8:
                data += bus.read_block(at, width) or b""
            else:
                data += bus.read(at, width).to_bytes(width, "little")
    return data


def scatter(thread: StoppedThread, address: int, data: bytes) -> None:
    """Write a buffer of the program's through its devices."""
    with by_kernel(thread) as bus:
        for at, width in _words(thread, address, len(data)):
            piece = data[at - address : at - address + width]
            if width > 8:
                bus.write_block(at, piece)
            else:
                bus.write(at, width, int.from_bytes(piece, "little"))


def gather(thread: StoppedThread, address: int, length: int) -> bytes | None:
    """Read a buffer of the program's; None when it is not all there, and the call's answer is EFAULT."""
    try:
        return _gather(thread, address, length)
    except Unreachable:
        return None


def _words(thread: StoppedThread, address: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a buffer: what is not trapped as it is, what is into aligned words, as the kernel copies it."""
    end = address + length
    while address < end:
        segment = thread.process.space.memory.find(address)
        if segment.recorded_region is None and not segment.watched:
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
def by_kernel(thread: StoppedThread) -> Iterator[Initiator]:
    """Use a thread's bus for accesses the kernel makes in the system call the thread is at."""
    bus = thread.bus
    bus.ip = thread.call_address
    bus.instruction = decode(b"\x0f\x05", 64) if thread.process.bits == 64 else decode(b"\xcd\x80", 32)
    with marked(bus, KERNEL):
        yield bus
