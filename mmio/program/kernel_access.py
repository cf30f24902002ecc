"""Access a program's memory as the kernel does in a system call: with the program's rights, recorded as the kernel's.

Trapped memory is accessed through its devices, in aligned words as the kernel copies it; other memory directly.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from decode import decode
from mmio.linux.libc import PAGE, PROT_NONE, PROT_WRITE, pages
from mmio.linux.proc_maps import Mapping, mappings
from mmio.linux.syscall_table import CODE
from mmio.live.completion import marked
from mmio.live.memory import Unreachable
from mmio.program.memory import NothingMapped, RegularFile
from mmio.program.process import Trapped
from mmio.program.thread import Call, StoppedThread
from mmio.records.flags import KERNEL
from mmio.space.initiator import Initiator

TOP: Final = (1 << 47) - PAGE
"""The end of a 64-bit program's addresses (TASK_SIZE_MAX of the kernel)."""


class Stretch(NamedTuple):
    """Addresses that may be accessed one after another.

    Attributes:
        start, end: the addresses.
        complete: all that was asked for; otherwise the page at `end` may not be accessed, or where nothing is mapped
            beside a device, the byte.
        read_only: ranges of pages in it that may only be read.
    """

    start: int
    end: int
    complete: bool
    read_only: tuple[range, ...] = ()


class KernelAccess:
    """The kernel's accesses to the program's memory in one system call, which a thread is stopped at.

    Attributes:
        numbers: the PID and the TID of the caller.
    """

    def __init__(self, thread: StoppedThread, call: Call) -> None:
        self._thread = thread
        self._call = call
        self._known: dict[tuple[int, int], bytes] = {}
        self._mappings: list[Mapping] | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The PID and the TID of the caller."""
        return self._thread.group, self._thread.pid

    def is_trapped(self, address: int, length: int) -> bool:
        """Return whether any of some bytes is in a trapped page."""
        return length > 0 and bool(self._thread.process.trapped_in(address, min(address + length, 1 << 64)))

    def read(self, address: int, length: int) -> bytes:
        """Read bytes, once a call. Raises Unreachable when they are not all there."""
        found = self._known.get((address, length))
        if found is None:
            stretch = self.stretch(address, length)
            if not stretch.complete:
                raise Unreachable(stretch.end)
            found = self._known[address, length] = gather(self._thread, address, length, self._call.bits)
        return found

    def string(self, address: int, limit: int) -> bytes:
        """Read up to and including a zero byte, but at most `limit` bytes, and only as far as can be read."""
        found = self._known.get((address, -1))
        if found is None:
            data = b""
            while len(data) < limit and b"\0" not in data:
                at = address + len(data)
                width = 8 if self.is_trapped(at, 1) else PAGE
                length = min(width - at % width, limit - len(data))
                if not self.is_trapped(at, length):  # of one page all can be read, or nothing: no need to look at maps
                    try:
                        data += self._thread.process.memory.read_block(at, length)
                    except Unreachable:
                        break
                    continue
                stretch = self.stretch(at, length)
                data += gather(self._thread, at, stretch.end - at, self._call.bits)
                if not stretch.complete:
                    break
            found = self._known[address, -1] = data[: data.find(b"\0") + 1] or data
        return found

    def stretch(self, address: int, length: int, *, write: bool = False) -> Stretch:
        """Return how far the kernel may read, or write, from an address on."""
        end = address + length
        at = address
        read_only: list[range] = []
        while at < end:
            stop, protection = self._page_run(at)
            if protection == PROT_NONE or (write and not protection & PROT_WRITE):
                return Stretch(address, at, False, tuple(read_only))
            if not protection & PROT_WRITE:
                read_only.append(range(at // PAGE * PAGE, stop))
            at = stop
        return Stretch(address, end, True, tuple(read_only))

    def is_refused(self, address: int, length: int) -> bool:
        """Return whether a buffer goes beyond all addresses, and fails as a whole (`access_ok` of the kernel)."""
        return self._call.bits == 64 and address + length > TOP

    def can_peek(self, address: int) -> tuple[bool, int]:
        """Return whether reading memory at an address has no side effects, and up to where that answer holds."""
        segment = self._thread.process.space.memory.find(address)
        found = self._thread.process.trapped_in(address, address + 1)
        if not found:
            return True, segment.end
        trapped = found[0]
        inside = [s for s in trapped.spans if trapped.origin + s.start <= address < trapped.origin + s.end]
        real = not trapped.stand_in and not any(span.device is not None for span in inside)
        return real and (trapped.source is None or isinstance(trapped.source, RegularFile)), segment.end

    def peek(self, address: int, length: int) -> bytes:
        """Read memory whose reads have no side effects (`can_peek`), without a record; zeros where that fails."""
        found = self._thread.process.trapped_in(address, address + 1)
        try:
            if not found:
                return self._thread.process.memory.read_block(address, length)
            value: int = self._thread.process.behind(found[0], address).read(0, length)
            return value.to_bytes(length, "little")
        except Unreachable:
            return bytes(length)

    def _page_run(self, at: int) -> tuple[int, int]:
        """Return the protection of the page at an address, as the program knows it, and where that ends."""
        found = self._thread.process.trapped_in(at, at + 1)
        if found:
            return _there(found[0], at)
        if self._mappings is None:
            self._mappings = list(mappings(self._thread.pid))
        for mapping in self._mappings:
            if mapping.end > at:
                if mapping.start > at:
                    return mapping.start, PROT_NONE
                next_trapped = [t.start for t in self._thread.process.trapped_in(at, mapping.end)]
                return min([mapping.end, *next_trapped]), mapping.protection
        return TOP, PROT_NONE


def _there(trapped: Trapped, at: int) -> tuple[int, int]:
    """Return how far a trapped mapping continues from an address, and its protection.

    That is none beyond the end of its file, and where nothing is mapped beside a device.
    """
    if isinstance(trapped.source, NothingMapped):
        for span in sorted(trapped.spans, key=lambda span: span.start):
            start, end = max(trapped.origin + span.start, trapped.start), min(trapped.origin + span.end, trapped.end)
            if at < end:
                return (end, trapped.protection) if start <= at else (start, PROT_NONE)
        return trapped.end, PROT_NONE
    if isinstance(trapped.source, RegularFile):
        end = trapped.origin + pages(trapped.source.size)
        if at >= end:
            return trapped.end, PROT_NONE
        return min(trapped.end, end), trapped.protection
    return trapped.end, trapped.protection


def gather(thread: StoppedThread, address: int, length: int, bits: int = 64) -> bytes:
    """Read a buffer of the program's through its devices. Raises Unreachable."""
    data = b""
    with by_kernel(thread, bits) as bus:
        for at, width in _words(thread, address, length):
            if width > 8:
                data += bus.read_block(at, width) or b""
            else:
                data += bus.read(at, width).to_bytes(width, "little")
    return data


def scatter(thread: StoppedThread, address: int, data: bytes, bits: int = 64) -> None:
    """Write a buffer of the program's through its devices. Raises Unreachable."""
    with by_kernel(thread, bits) as bus:
        for at, width in _words(thread, address, len(data)):
            piece = data[at - address : at - address + width]
            if width > 8:
                bus.write_block(at, piece)
            else:
                bus.write(at, width, int.from_bytes(piece, "little"))


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
def by_kernel(thread: StoppedThread, bits: int = 64) -> Iterator[Initiator]:
    """Use a thread's bus for accesses the kernel makes in the system call the thread is at."""
    bus = thread.bus
    bus.ip = thread.call_address
    bus.instruction = decode(CODE[bits], bits)
    with bus.lock, marked(bus, KERNEL):
        yield bus
