"""Map pages at addresses that the caller chooses, as firmware has them in its header files.

They are reserved by a mapping of their own, inaccessible, where nothing else is. They stay reserved when the last
device has gone, as the pages of every mapping do; another device can be mapped there then. Devices may lie side by side
in one page. What lies in a page beside them answers as the policy of the first device says: with an error, by default,
that names the nearest.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from attrs import frozen

from mmio.errors import MappingError
from mmio.inprocess.patching import Counts
from mmio.inprocess.trapped_ranges import TrappedRanges
from mmio.linux import libc
from mmio.linux.fork_locks import fork_lock
from mmio.linux.libc import PAGE, pages
from mmio.linux.proc_maps import mappings
from mmio.space.recorder import Recorder
from mmio.space.region import UNDER_DEVICES, Region
from mmio.space.void import Beyond, Void

USER_END: Final = (1 << 47) - PAGE
"""The end of the addresses that user code has (Linux, Documentation/arch/x86/x86_64/mm.rst)."""

_LOWEST: Final = 0x1_0000
_MIN_ADDR: Final = Path("/proc/sys/vm/mmap_min_addr")


@frozen
class Placement:
    """The address of a mapping, and what else there is.

    Attributes:
        address: of the device's first byte.
        beside: the rest of its pages answers as `FixedPages` says; a board has something there itself.
        reserve: the pages are to be reserved; not so where they are memory.
        priority: of its region.
        alone: no other device lies within it.
    """

    address: int
    beside: bool = True
    reserve: bool = True
    priority: int = 0
    alone: bool = True


class Neighbour(Protocol):
    """A device at a fixed address."""

    @property
    def region(self) -> Region:
        """Its place."""

    @property
    def trace(self) -> Recorder | None:
        """The recorder of its accesses."""

    @property
    def failures(self) -> list[BaseException]:
        """Exceptions that could not come out of any call."""


class _Gap:
    """The rest of a page, beside the devices in it."""

    def __init__(self, ranges: TrappedRanges, page: int, first: Neighbour) -> None:
        self.counts = Counts(enabled=False)
        self.devices = [first]
        self._ranges = ranges
        self._page = page
        policy = first.region.policy
        rest = Beyond(self._beside) if policy.unmapped == "error" else Void()
        name = f"beside {first.region.name}"
        self._region = ranges.space.map(page, PAGE, rest, name, unmapped=policy.unmapped, priority=UNDER_DEVICES)
        try:
            ranges.claim(self._region, self, range(0))
        except BaseException:
            ranges.space.unmap(self._region)
            raise

    @property
    def trace(self) -> Recorder | None:
        """The trace of the first device."""
        return self.devices[0].trace

    @property
    def failures(self) -> list[BaseException]:
        """Those of the first device."""
        return self.devices[0].failures

    def close(self) -> None:
        """Take it away."""
        self._ranges.release(self._region)

    def _beside(self, offset: int) -> str:
        address = self._page + offset
        return f"touches {address:#x}, {nearest(address, [device.region for device in self.devices])}"


def nearest(address: int, regions: list[Region]) -> str:
    """Say which device is nearest to an address where none is."""
    region = min(regions, key=lambda region: max(region.start - address, address - region.end + 1))
    side = "before" if address < region.start else "beyond"
    return f"{side} the nearest device ({region.name!r}, {region.start:#x}..{region.end:#x})"


class FixedPages:
    """The pages of this process that are reserved for devices, and what is beside the devices in them."""

    def __init__(self, ranges: TrappedRanges) -> None:
        self._ranges = ranges
        self._reserved: list[range] = []  # they neither overlap nor touch, in order
        self._gaps: dict[int, _Gap] = {}
        self._lock = fork_lock()

    def reserve(self, start: int, length: int) -> None:
        """Make sure that the pages around a range of addresses are reserved.

        Raises:
            ValueError: they are no addresses of user code.
            MappingError: something else is there; names it.
            OSError: there is no memory for page tables.
        """
        if start < 0 or length < 1 or start + length > USER_END:
            asked = f"{length:#x} bytes from {start:#x} on"
            raise ValueError(f"{asked} are not within the address space of user code, 0x0..{USER_END:#x}")
        wanted = range(start // PAGE * PAGE, pages(start + length))
        with self._lock:
            new = list(self._missing(wanted))
            for place in new:
                if not libc.map_exactly(place.start, len(place), libc.PROT_NONE):
                    for mapped in new[: new.index(place)]:
                        libc.LIBC.munmap(mapped.start, len(mapped))
                    raise MappingError(_why_not(place))
            for place in new:
                self._add(place)

    def reserve_free(self, start: int, length: int) -> list[range]:
        """Reserve the pages of a range that are free, and leave the others as they are.

        The first 64 KiB stay as they are in any case: an access there is one through a null pointer.

        Returns:
            What has been reserved, for `free`.
        """
        new: list[range] = []
        with self._lock:
            at = max(start, _LOWEST)
            taken = [*((each.start, each.end) for each in mappings(os.getpid())), (start + length, start + length)]
            for first, end in taken:
                if first > at and at < start + length:
                    place = range(at, min(first, start + length))
                    if libc.map_exactly(place.start, len(place), libc.PROT_NONE):
                        self._add(place)
                        new.append(place)
                at = max(at, end)
        return new

    def free(self, places: list[range]) -> None:
        """Unmap what `reserve_free` has reserved, except where there is a device by now."""
        with self._lock:
            for place in places:
                at = place.start
                while at < place.stop:
                    segment = self._ranges.space.memory.find(at)
                    first, end = pages(at), min(segment.end, place.stop) // PAGE * PAGE
                    if segment.region.is_background and first < end:
                        libc.LIBC.munmap(first, end - first)
                        self._remove(range(first, end))
                    at = segment.end

    def lend(self, start: int, length: int) -> None:
        """Make whole pages readable and writable, filled with zeros. Raises as `reserve`."""
        self.reserve(start, length)
        libc.protect(start, length, libc.PROT_READ | libc.PROT_WRITE)

    def give_back(self, start: int, length: int) -> None:
        """Make pages that have been lent inaccessible again; their contents are gone."""
        libc.discard(start, length)
        libc.protect(start, length, libc.PROT_NONE)

    def arrive(self, device: Neighbour) -> None:
        """Answer beside a device that has been mapped."""
        with self._lock:
            for page in _shared(device.region):
                gap = self._gaps.get(page)
                if gap is None:
                    self._gaps[page] = _Gap(self._ranges, page, device)
                else:
                    gap.devices.append(device)

    def leave(self, device: Neighbour) -> None:
        """Forget a device that is about to go."""
        with self._lock:
            for page in _shared(device.region):
                gap = self._gaps.get(page)
                if gap is None or device not in gap.devices:
                    continue
                if len(gap.devices) == 1:
                    del self._gaps[page]
                    gap.close()
                else:
                    gap.devices.remove(device)

    def _missing(self, wanted: range) -> Iterator[range]:
        at = wanted.start
        for reserved in self._reserved:
            if reserved.stop <= at:
                continue
            if reserved.start >= wanted.stop:
                break
            if at < reserved.start:
                yield range(at, reserved.start)
            at = reserved.stop
        if at < wanted.stop:
            yield range(at, wanted.stop)

    def _remove(self, gone: range) -> None:
        kept: list[range] = []
        for each in self._reserved:
            kept += [range(each.start, min(each.stop, gone.start)), range(max(each.start, gone.stop), each.stop)]
        self._reserved = [each for each in kept if each]

    def _add(self, new: range) -> None:
        touching = [each for each in self._reserved if each.start <= new.stop and new.start <= each.stop]
        start, stop = min(each.start for each in [*touching, new]), max(each.stop for each in [*touching, new])
        others = [each for each in self._reserved if each not in touching]
        self._reserved = sorted([*others, range(start, stop)], key=lambda each: each.start)


def _shared(region: Region) -> set[int]:
    """Return the pages that a region lies in without filling them."""
    first, last = region.start // PAGE * PAGE, (region.end - 1) // PAGE * PAGE
    return {page for page in (first, last) if page < region.start or page + PAGE > region.end}


def _why_not(place: range) -> str:
    where = f"{place.start:#x}..{place.stop:#x} cannot be reserved"
    for mapping in mappings(os.getpid()):
        if mapping.start < place.stop and place.start < mapping.end:
            what = mapping.path or "memory of this process"
            return f"{where}: {what} is at {mapping.start:#x}..{mapping.end:#x} ({mapping.permissions})"
    least = int(_MIN_ADDR.read_text()) if _MIN_ADDR.exists() else 0
    if place.start < least:
        return (
            f"{where}: addresses below {least:#x} are for the kernel's safety ({_MIN_ADDR}); "
            "CAP_SYS_RAWIO (root) may map them, or `sysctl vm.mmap_min_addr=0` lets everyone"
        )
    return f"{where}: the kernel refuses"
