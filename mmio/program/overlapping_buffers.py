"""Find overlapping buffers of one system call: their copies must overlap as well.

What the kernel writes to one of them it may afterwards read in another, or write over, in an order of its own. Strings
and structures are left out: the kernel reads them first. So are buffers that a structure names where a device is: their
order is known, and the device is to see each of the writes.
"""

from collections.abc import Iterable, Iterator

from decode import READ_WRITE, WRITE
from mmio.program.kernel_access import KernelAccess, Stretch
from mmio.program.syscall_pointers import Buffer


def overlapping(found: Iterable[Buffer], access: KernelAccess, most: int) -> dict[Buffer, Buffer]:
    """Return the memory that overlapping buffers take together, by each of them; one of them at least is written.

    Args:
        found: the buffers that the arguments point to.
        access: the kernel's view of the program's memory in this call.
        most: how many bytes of a buffer matter.
    """
    leaves = [leaf for buffer in found for leaf in _leaves(buffer)]
    if len(leaves) == 1 or not any(buffer.direction & WRITE for buffer, _ in leaves):
        return {}
    reached = []
    for buffer, nested in leaves:
        stretch = access.stretch(buffer.address, min(buffer.length, most), write=buffer.direction == WRITE)
        if stretch.end > stretch.start and not (nested and _meets_device(stretch, access)):
            reached.append((stretch, buffer))
    wholes: dict[Buffer, Buffer] = {}
    for group in _groups(sorted(reached, key=lambda pair: pair[0].start)):
        if len(group) > 1 and any(buffer.direction & WRITE for _, buffer in group):
            end = max(stretch.end for stretch, _ in group)
            goes_on = any(stretch.end == end and not stretch.complete for stretch, _ in group)  # into what is not there
            start = group[0][0].start
            whole = Buffer(start, end - start + goes_on, READ_WRITE)
            wholes |= {buffer: whole for _, buffer in group}
    return wholes


def _groups(reached: list[tuple[Stretch, Buffer]]) -> list[list[tuple[Stretch, Buffer]]]:
    """Return what overlaps, of buffers in the order of their addresses."""
    groups: list[list[tuple[Stretch, Buffer]]] = []
    end = 0
    for stretch, buffer in reached:
        if stretch.start >= end:
            groups.append([])
        groups[-1].append((stretch, buffer))
        end = max(end, stretch.end)
    return groups


def _leaves(buffer: Buffer, *, nested: bool = False) -> Iterator[tuple[Buffer, bool]]:
    """Yield the buffers without pointers that a buffer leads to, and whether a structure names them."""
    if buffer.length and not buffer.pointers and not buffer.contents:
        yield buffer, nested
    for pointer in buffer.pointers:
        yield from _leaves(pointer.buffer, nested=True)


def _meets_device(stretch: Stretch, access: KernelAccess) -> bool:
    """Return whether any of some memory cannot be looked at without an effect."""
    at = stretch.start
    while at < stretch.end:
        can_peek, at = access.can_peek(at)
        if not can_peek:
            return True
    return False
