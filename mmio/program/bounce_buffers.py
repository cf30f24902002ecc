"""Make system calls with bounce buffers in place of trapped ones.

The kernel cannot touch an inaccessible page: it would answer EFAULT where the program expects data to move. So the
call is made with *copies* in the program's memory. What the kernel will read is put there first, through the devices;
what it has written is carried to them afterwards. A structure that names trapped buffers is copied as well, with other
pointers. The records say that a system call did it.

A copy may be accessed as far as the original: where that ends, or may only be read, so does the copy. So the kernel
itself says what it says natively, a short count or EFAULT. Copies take `MOST` bytes; a transfer of more is made in
parts.
"""

from random import Random
from typing import Final

from attrs import define, field

from decode import READ, READ_WRITE, WRITE
from mmio.linux.libc import PAGE, PROT_NONE, PROT_READ, PROT_WRITE, pages
from mmio.linux.process_memory import read_memory, write_memory
from mmio.linux.syscall_table import NUMBERS
from mmio.program.kernel_access import KernelAccess, gather, scatter
from mmio.program.overlapping_buffers import overlapping
from mmio.program.syscall_buffers import buffers
from mmio.program.syscall_pointers import Buffer, Message
from mmio.program.thread import Call, StoppedThread
from mmio.program.transfers import goes_on, next_part

MOST: Final = 1 << 21
"""Bytes of a program's buffers that are copied for one call."""

_RESERVED: Final = 64  # bytes at the beginning of a thread's buffer that engines use for themselves
_ALIGNMENT: Final = 64
_STRUCTURE: Final = 1 << 17  # bytes that are always copied: no array or string of the kernel's is longer
_SMALL: Final = 512  # a longer buffer has its copy at the same place in a page, in case the kernel cares (O_DIRECT)
_WORD: Final = 4
_UNKNOWN: Final = Random(PAGE).randbytes(PAGE)
"""What copies hold whose originals cannot be looked at: the kernel has written where something else is afterwards."""

_RESTART_BLOCK: Final = -516  # ERESTART_RESTARTBLOCK of linux/errno.h: to be continued, which would use the copies
_NO_HANDLER: Final = -514  # ERESTARTNOHAND: to be made again, unless a handler runs: then it is interrupted


def bounce(
    thread: StoppedThread,
    name: str,
    call: Call,
    access: KernelAccess,
    found: dict[int, Buffer] | None = None,
    changed: dict[int, int] | None = None,
) -> bool:
    """Give a call copies of its trapped buffers; return whether it has any. The thread is stopped before it.

    Of a transfer that is being made in parts (`thread.done`), prepare the next one.

    Args:
        thread: the thread.
        name: the name of the call.
        call: the call.
        access: the kernel's view of the program's memory in this call.
        found: the call's buffers; as its signature has them when left out.
        changed: other arguments to change.
    """
    done, thread.done = thread.done, 0
    if done:  # the kernel reads an array of buffers once, before the transfer, which may write over it
        found = thread.found
    elif found is None:
        found = buffers(name, call, access)
    copies = Bounce(thread, call, access)
    if not done and not any(map(copies.is_trapped, found.values())):
        return False
    part = next_part(name, call, found, access, done, MOST)
    if not copies.lay_out(part.buffers, all_of_them=done > 0) and not done:
        return False
    copies.fill()
    thread.set_call(call.number, (changed or {}) | part.changed | copies.changed, call.bits)

    def finish() -> None:
        result = thread.call_result
        total: int | None = None
        if done:
            total = done + max(result, 0)
        elif result == _RESTART_BLOCK:
            total = _NO_HANDLER
        thread.restore_call(total)
        copies.finish(result)
        if part.asked is not None and result == part.asked and goes_on(thread, name, call):
            thread.found = found
            thread.call_again(call, done + result)

    thread.on_exit = finish
    return True


@define(eq=False)
class Copy:
    """A copy of a buffer.

    Attributes:
        buffer: the original.
        place: the address of the copy, counted from the start of the thread's buffer until that is known.
        length: how many of the bytes there are.
        filled: what was put there.
        exists: false for a buffer that the kernel is given itself.
        pointer: where the pointer to it is in the copy of the structure that names it, and how wide.
        inner: the copies that it points to.
        said: the address and width of the word that will say how many bytes were used; None when there is none.
    """

    buffer: Buffer
    place: int
    length: int
    filled: bytes = b""
    exists: bool = True
    pointer: tuple[int, int] = (0, 0)
    inner: "list[Copy]" = field(factory=list)
    said: tuple[int, int] | None = None


class Bounce:
    """Copies of the trapped buffers of one call, which a thread is stopped before.

    Args:
        thread: the thread.
        call: the call.
        access: the kernel's view of the program's memory in this call.

    Attributes:
        changed: the arguments with which the call is to be made, by their indices.
    """

    def __init__(self, thread: StoppedThread, call: Call, access: KernelAccess) -> None:
        self._thread, self._call, self._access = thread, call, access
        self._copies: list[Copy] = []
        self._tops: dict[int, Copy] = {}
        self._wholes: dict[Buffer, Buffer] = {}
        self._frames: dict[Buffer, Copy | None] = {}
        self._sharing: list[Copy] = []
        self._protections: list[tuple[range, int]] = []
        self._end = _RESERVED
        self._left = MOST
        self.changed: dict[int, int] = {}

    def lay_out(self, found: dict[int, Buffer], *, all_of_them: bool = False) -> bool:
        """Choose where the copies go, of trapped buffers or of all; return whether there are any."""
        self._wholes = overlapping(found.values(), self._access, MOST)
        for argument, buffer in found.items():
            if all_of_them or self.is_trapped(buffer):
                copy = self._lay_out(buffer)
                if copy is not None:
                    self._tops[argument] = copy
        return bool(self._tops)

    def fill(self) -> None:
        """Fill the copies, and give them the protection of the originals."""
        base = self._thread.buffer(self._end, self._call.bits)
        for copy in self._copies:
            copy.place += base
            for inner in copy.inner:
                if inner.said is not None:
                    inner.said = copy.place + inner.said[0], inner.said[1]
        for copy in self._tops.values():
            if copy.buffer.said is not None:
                top = self._tops.get(copy.buffer.said)
                copy.said = (self._call.arguments[copy.buffer.said] if top is None else top.place), 4
        self.changed |= {argument: copy.place for argument, copy in self._tops.items()}
        # Those that are only written come first: what the kernel reads is not covered by what they may be filled with.
        for copy in sorted(self._copies, key=lambda copy: bool(copy.buffer.direction & READ)):
            if copy.exists:
                copy.filled = self._contents(copy)
                write_memory(self._thread.pid, copy.place, copy.filled)
        for copy in self._sharing:
            copy.filled = read_memory(self._thread.pid, copy.place, copy.length)
        self._protections = [(range(p.start + base, p.stop + base), how) for p, how in self._protections]
        self._protect()

    def finish(self, result: int) -> None:
        """Carry what the kernel has written to where it belongs. The thread is stopped where the call returns."""
        left = max(result, 0) * max((copy.buffer.counted for copy in self._copies), default=1)
        received: dict[Message, int] = {}
        for copy in self._copies:
            length = copy.length
            part, outcome = copy.buffer.message, result
            if part is not None and part.index >= result:
                outcome = -1  # the kernel may have begun with it
            elif part is not None:
                if part not in received:
                    received[part] = self._received(part)
                length = min(length, received[part])
                received[part] -= min(copy.buffer.length, received[part])
            elif copy.buffer.counted:
                length = min(length, left)
                left -= min(copy.buffer.length, left)
            if copy.exists and copy.buffer.direction & WRITE:
                self._carry(copy, length, outcome)
        self._protect(undo=True)

    def _received(self, part: Message) -> int:
        """Return how many bytes of a message have been received."""
        array = next(copy for copy in self._copies if copy.exists and copy.buffer.address == part.array)
        return int.from_bytes(read_memory(self._thread.pid, array.place + part.offset, _WORD), "little")

    def is_trapped(self, buffer: Buffer) -> bool:
        """Return whether any of a buffer, or of what a structure leads to, is trapped."""
        buffer = self._wholes.get(buffer, buffer)
        return self._access.is_trapped(buffer.address, buffer.length) or any(
            self.is_trapped(pointer.buffer) for pointer in buffer.pointers
        )

    def _lay_out(self, buffer: Buffer) -> Copy | None:
        """Choose where the copy of a buffer goes, and of what it leads to; None where the kernel can be given it."""
        if buffer in self._wholes:
            return self._lay_out_in(self._wholes[buffer], buffer)
        copy = self._place(buffer)
        if copy is None:
            return None
        self._copies.append(copy)
        for pointer in buffer.pointers:
            inner = self._lay_out(pointer.buffer) if self.is_trapped(pointer.buffer) else None
            if inner is None:
                self._copies.append(Copy(pointer.buffer, 0, pointer.buffer.length, exists=False))
                continue
            inner.pointer, inner.said = (pointer.at, pointer.width), pointer.used
            copy.inner.append(inner)
        return copy

    def _lay_out_in(self, whole: Buffer, buffer: Buffer) -> Copy | None:
        """Place the copy of a buffer that overlaps others: their copies overlap in the same way."""
        if whole not in self._frames:
            self._frames[whole] = self._place(whole)
        frame = self._frames[whole]
        offset = buffer.address - whole.address
        if frame is None or offset >= frame.length:
            return None
        length = min(buffer.length, frame.length - offset)
        stretch = self._access.stretch(buffer.address, length, write=buffer.direction == WRITE)
        if stretch.end == stretch.start:
            return None
        copy = Copy(buffer, frame.place + offset, stretch.end - stretch.start)
        self._copies.append(copy)
        self._sharing.append(copy)
        return copy

    def _place(self, buffer: Buffer) -> Copy | None:
        """Choose where the copy of a buffer goes; None where nothing of it may be accessed."""
        length = min(buffer.length, max(self._left, _STRUCTURE))
        stretch = self._access.stretch(buffer.address, length, write=buffer.direction == WRITE)
        there = stretch.end - buffer.address
        if there <= 0:
            return None
        complete = stretch.complete and length == buffer.length
        in_part_read_only = stretch.read_only and buffer.direction == READ_WRITE
        bounded = not complete or in_part_read_only
        alignment = PAGE if bounded or there >= _SMALL else _ALIGNMENT
        place = -(-self._end // alignment) * alignment + buffer.address % alignment
        if not stretch.complete and not in_part_read_only:
            place += -(place + there) % PAGE  # a device may end within a page: its copy ends with one
        self._end = place + there
        self._left = max(self._left - there, 0)
        if bounded:
            shift = place - buffer.address
            self._end = pages(self._end)
            for part in stretch.read_only if in_part_read_only else ():
                stop = min(part.stop + shift, self._end)
                self._protections.append((range(part.start + shift, stop), PROT_READ))
            if not complete:
                self._protections.append((range(self._end, self._end + PAGE), PROT_NONE))
                self._end += PAGE
        return Copy(buffer, place, there)

    def _contents(self, copy: Copy) -> bytes:
        """Return what a copy has to hold before the call."""
        buffer, length = copy.buffer, copy.length
        if buffer.contents:
            data = bytearray(buffer.contents[:length].ljust(length, b"\0"))
        elif buffer.direction & READ:
            data = bytearray(gather(self._thread, buffer.address, length, self._call.bits))
        else:
            return self._original(buffer.address, length)
        for inner in copy.inner:
            at, width = inner.pointer
            data[at : at + width] = inner.place.to_bytes(width, "little")
        return bytes(data)

    def _original(self, address: int, length: int) -> bytes:
        """Return what a buffer holds that the kernel only writes, as far as looking at it has no effect."""
        data, end = b"", address + length
        while len(data) < length:
            at = address + len(data)
            can_peek, stop = self._access.can_peek(at)
            size = min(stop, end) - at
            data += self._access.peek(at, size) if can_peek else (_UNKNOWN * (1 + size // PAGE))[:size]
        return data

    def _carry(self, copy: Copy, length: int, result: int) -> None:
        """Carry to a buffer what the kernel has written into its copy."""
        buffer = copy.buffer
        if copy.said is not None and result >= 0:
            length = min(length, int.from_bytes(read_memory(self._thread.pid, *copy.said), "little"))
        after = read_memory(self._thread.pid, copy.place, copy.length)
        if result < 0 or not (buffer.counted or (buffer.direction == WRITE and not buffer.conditional)):
            length = 0
        # There is more than what counts of a packet that the buffer was too short for.
        for first, last in [(0, length), *self._changes(copy, after, length)]:
            if first < last:
                scatter(self._thread, buffer.address + first, after[first:last], self._call.bits)

    def _changes(self, copy: Copy, after: bytes, at: int) -> list[tuple[int, int]]:
        """Return the parts of a copy, from an offset on, in which something else is than was put there.

        What was put there is not what the original holds when that is a device that is only written: then a word is
        written as a whole.
        """
        before, start = copy.filled, copy.buffer.address
        found: list[tuple[int, int]] = []
        step = 1
        if copy.buffer.direction == WRITE and not self._access.can_peek(start)[0]:
            step = _WORD
        while at < len(after):
            if before[at : at + PAGE] == after[at : at + PAGE]:
                at += PAGE
                continue
            size = min(step - (start + at) % step, len(after) - at)
            if before[at : at + size] != after[at : at + size]:
                if found and found[-1][1] == at:
                    found[-1] = found[-1][0], at + size
                else:
                    found.append((at, at + size))
            at += size
        return found

    def _protect(self, *, undo: bool = False) -> None:
        """Give the pages of copies the protection of the originals, or take that back."""
        protect = NUMBERS[self._thread.process.bits]["mprotect"]
        for part, how in self._protections:
            if part:
                protection = PROT_READ | PROT_WRITE if undo else how
                self._thread.make_call(protect, part.start, part.stop - part.start, protection)
