"""Pages of ordinary memory that trap because some of their bytes are watched.

Watches share pages, so each run of pages counts those who need it, and is as it was when the last has gone.

The handler of a fault is Python. It must never be called where Python or the C library's allocator stands in the middle
of changing its own structures, nor be kept from its own. So their pages are not trapped: not the heap, not stacks, not
the data of the modules that the handler runs in. What can be trapped is what belongs to other code: mappings that
are shared, the static data of other libraries, and memory whose owner says that nothing else lies in its pages.
"""

import os
from typing import Final

from mmio.errors import MappingError
from mmio.inprocess.alias_mapping import Alias
from mmio.inprocess.patching import Counts
from mmio.inprocess.trapped_ranges import TrappedRanges
from mmio.linux.libc import PAGE, PROT_EXEC, pages
from mmio.linux.loaded_modules import is_runtime, segments
from mmio.linux.proc_maps import Mapping, mappings
from mmio.space.policy import ANYTHING
from mmio.space.region import Region

_NAME: Final = "memory"


class Run:
    """Pages that trap, and how many need them to.

    Attributes:
        trace: None, for what is only watched is not recorded.
        failures: exceptions that could come out of no call.
    """

    trace = None

    def __init__(self, memory: Alias) -> None:
        self.memory = memory
        self.users = 0
        self.failures: list[BaseException] = []
        self.counts = Counts(enabled=False)  # pages of ordinary memory, which may be watched no more at any time
        self.region = Region(memory.start, memory.length, memory, _NAME, ANYTHING, recorded=False)


class Pages:
    """All such runs among the trapped ranges."""

    def __init__(self, trapped_ranges: TrappedRanges) -> None:
        self._trapped_ranges = trapped_ranges
        self._runs: dict[Region, Run] = {}

    def trap(self, start: int, length: int, exclusive: bool) -> list[Run]:
        """Make the pages of some bytes inaccessible; return their runs, to be given to `release` once.

        Pages that a mapped device answers for trap already, and are in no run.

        Args:
            start: the address of the first byte.
            length: how many bytes.
            exclusive: nothing else lies in these pages.

        Raises:
            MappingError: some of it is not mapped, or must not trap.
            OSError: the kernel does not do that with these pages.
        """
        at, end = start // PAGE * PAGE, pages(start + length)
        found: list[Run] = []
        space = self._trapped_ranges.space
        with space.lock:
            try:
                while at < end:
                    segment = space.memory.find(at)
                    until = min(space.memory.stretch_end(segment, end), end)
                    run = self._runs.get(segment.region)
                    if segment.region.is_background:
                        for piece in _pieces(at, until, exclusive):
                            found.append(self._new(piece))
                    elif run is not None:
                        run.users += 1
                        found.append(run)
                    at = until
            except BaseException:
                self.release(found)
                raise
        return found

    def release(self, runs: list[Run]) -> None:
        """Need pages no longer."""
        with self._trapped_ranges.space.lock:
            for run in runs:
                run.users -= 1
                if not run.users:
                    self._end(run)

    def close(self) -> None:
        """Give all pages back, also those still in use: the process ends, and others still have work to do in it."""
        with self._trapped_ranges.space.lock:
            for run in list(self._runs.values()):
                self._end(run)

    def _end(self, run: Run) -> None:
        if self._runs.pop(run.region, None) is not None:
            run.memory.restore()
            self._trapped_ranges.release(run.region)

    def _new(self, piece: Mapping) -> Run:
        space = self._trapped_ranges.space
        run = Run(Alias(piece.start, piece.end - piece.start, piece.protection, piece.shared, space.lock))
        space.memory.add(run.region)
        try:
            self._trapped_ranges.claim(run.region, run)
        except BaseException:
            space.memory.remove(run.region)
            raise
        try:
            run.memory.move()
        except BaseException:
            self._trapped_ranges.release(run.region)
            raise
        self._runs[run.region] = run
        run.users = 1
        return run


def _pieces(start: int, end: int, exclusive: bool) -> list[Mapping]:
    """Cut pages into what one mapping each has of them.

    Raises:
        MappingError: there is something that must not trap, or nothing.
    """
    found = []
    loaded = list(segments())
    for mapping in mappings(os.getpid()):
        first, last = max(start, mapping.start), min(end, mapping.end)
        if first < last:
            module = next((part.module for part in loaded if part.start <= first and last <= part.end), None)
            reason = _objection(mapping, module, exclusive)
            if reason:
                raise MappingError(f"{first:#x}..{last:#x} cannot be watched from within this process: {reason}")
            found.append(mapping._replace(start=first, end=last))
    _check_whole(start, end, found)
    return found


def check_mapped(start: int, length: int) -> None:
    """Raise MappingError unless all of some bytes are mapped, and not as code or the main thread's stack."""
    touched = [piece for piece in mappings(os.getpid()) if piece.start < start + length and start < piece.end]
    for piece in touched:
        reason = _objection_of_all(piece)
        if reason:
            raise MappingError(f"{start:#x}..{start + length:#x} cannot be watched: {reason}")
    _check_whole(start, start + length, touched)


def _check_whole(start: int, end: int, pieces: list[Mapping]) -> None:
    for piece in pieces:
        if piece.start > start:
            break
        start = piece.end
    if start < end:
        raise MappingError(f"nothing is mapped at {start:#x}, so it cannot be watched")


def _objection_of_all(mapping: Mapping) -> str:
    """Return why pages of a mapping must not trap at all, "" when they may."""
    if mapping.protection & PROT_EXEC:
        return "there is code, and an instruction cannot be fetched from a page that traps"
    if mapping.path == "[stack]":
        return "that is the stack, which the kernel needs to deliver a fault"
    return ""


def _objection(mapping: Mapping, module: str | None, exclusive: bool) -> str:
    """Return why pages of a mapping must not trap here, "" when they may."""
    reason = _objection_of_all(mapping)
    if reason:
        return reason
    if module is not None:
        needed = is_runtime(module)
        return f"that is data of {module or 'the program'}, which the handler needs itself" if needed else ""
    if mapping.shared or exclusive or (mapping.path and not mapping.path.startswith("[")):
        return ""
    return (
        "it is on the heap or on a stack, in pages that may also hold what Python and malloc need while a fault is "
        "handled; watch it with outside=True, or put the buffer into an mmap.mmap(-1, length)"
    )
