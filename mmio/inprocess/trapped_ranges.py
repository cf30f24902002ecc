"""Ranges that trap in this process, and the owner of each.

There is one address space for the process, with every mapping's regions in it and ordinary memory around them, so that
a copy from one device to another, or to a buffer, is nothing special. The mappings differ in who gets the records.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from attrs import evolve

from decode import Instruction
from mmio.inprocess import pending_exceptions, signals, unwind
from mmio.inprocess.patching import Counts
from mmio.linux.fork_locks import fork_lock
from mmio.linux.libc import PAGE, pages
from mmio.linux.trampoline import PORTS, TRAPS_START, trampoline
from mmio.live.memory import ProcessMemory
from mmio.records.access import Space
from mmio.records.region import RecordedRegion
from mmio.records.rows import Block
from mmio.signatures import arguments_of
from mmio.space.recorder import Recorder, Rows
from mmio.space.region import Region
from mmio.space.space import AddressSpace
from mmio.traces.trace import Trace

# The place of the region among the arguments, of which self is none.
_REGION: Final = Trace.record.__code__.co_varnames.index("region") - 1
_REGION_OF_SITE: Final = Trace.site.__code__.co_varnames.index("region") - 1


class Owner(Protocol):
    """Owner of a region, such as a mapping."""

    @property
    def trace(self) -> Recorder | None:
        """The trace that accesses to the region are recorded in, None if they are not."""

    @property
    def failures(self) -> list[BaseException]:
        """Exceptions that could not come out of any call."""

    @property
    def counts(self) -> Counts:
        """Counts of the accesses to the region."""


class TrappedRanges:
    """The regions that trap, each with its owner; the recorder of their address space.

    Attributes:
        space: where they lie.
        record_to: told where accesses are recorded, when that changes.
        released: told of the first address and the end of memory, or of the ports, that trap no more.
        closing: called before the signal handlers are removed.
        enabled: it is for each trace to say whether it is.
    """

    enabled = True

    def __init__(self) -> None:
        self.space = AddressSpace(self, background=ProcessMemory())
        self.record_to: Callable[[Recorder], None] = lambda recorder: None
        self.released: Callable[[int, int, Space], None] = lambda start, end, space: None
        self.closing: Callable[[], None] = lambda: None
        self._halts = 0  # 1 once an instruction may be found being changed
        self._lock = fork_lock()
        self._owners: dict[RecordedRegion | None, Owner] = {}
        self._memory: dict[Region, range] = {}  # those owned that are memory, and what only their owner has, in order

    def claim(self, region: Region, owner: Owner, alone: range | None = None) -> None:
        """Register the owner of a region of the space. The first claim installs the signal handlers.

        Args:
            region: of the space.
            owner: of the region.
            alone: the addresses that only this owner has; the region's whole pages when left out.

        Raises:
            RuntimeError: the handlers were installed, and others have been installed over them.
        """
        with self._lock:
            try:
                signals.install()
                pending_exceptions.install()
                unwind.prepared()
                self._owners[region] = owner
                if region not in self.space.ports:
                    whole = range(region.start, region.start + pages(region.length))
                    self._memory[region] = whole if alone is None else alone
                self._changed()
            except BaseException:  # what fails here must not stand in the way of those that are there, and of the next
                self._forget(region)
                raise

    def release(self, region: Region) -> None:
        """Take a region out of the space. Releasing the last one removes the signal handlers."""
        with self._lock:
            self.space.unmap(region)
            self._forget(region)

    def _forget(self, region: Region) -> None:
        self._owners.pop(region, None)
        if region in self._memory:
            alone = self._memory.pop(region)
            self.released(alone.start, alone.stop, "memory")
        else:
            self.released(region.start, region.end, "port")
        self._changed()
        if not self._owners:
            self.close()

    @property
    def in_use(self) -> bool:
        """Return whether any region is claimed."""
        return bool(self._owners)

    def close(self) -> None:
        """Remove the signal handlers."""
        self.closing()
        signals.restore()
        pending_exceptions.restore()

    def owner_at(self, space: Space, address: int) -> Owner | None:
        """Return the owner of a place, None when it has none."""
        ranges = self.space.memory if space == "memory" else self.space.ports
        return self._owners.get(ranges.find(address).region)

    def trace_at(self, space: Space, address: int) -> Recorder | None:
        """Return the trace that accesses to a place are recorded in, None for none."""
        owner = self.owner_at(space, address)
        return None if owner is None else owner.trace

    def around(self, address: int, space: Space) -> tuple[int, int, Counts]:
        """Return the addresses or ports around one that one owner has: their start, their end, and its counts."""
        if space == "port":
            region = self.space.ports.find(address).region
            owner = self._owners.get(region)
            if region is not None and owner is not None:
                return region.start, region.end, owner.counts
            return 0, 0, Counts(enabled=False)
        for region, alone in list(self._memory.items()):
            owner = self._owners.get(region)
            if owner is not None and alone.start <= address < alone.stop:
                return alone.start, alone.stop, owner.counts
        return 0, 0, Counts(enabled=False)

    def expect_halts(self) -> None:
        """Hand protection faults to the handler: a thread may meet an instruction that is being changed."""
        if not self._halts:
            self._halts = 1
            self._changed()

    def _changed(self) -> None:
        """Update the signal trampoline's ranges, and where initiators record: in the trace itself if there is one."""
        start = min((region.start // PAGE * PAGE for region in self._memory), default=0)
        end = max((pages(region.end) for region in self._memory), default=0)
        words = trampoline().words
        words[TRAPS_START] = start
        words[TRAPS_START + 1] = end - start
        words[PORTS] = len(self._owners) - len(self._memory) + self._halts
        traces = {id(owner.trace): owner.trace for owner in self._owners.values() if owner.trace is not None}
        recorder = next(iter(traces.values())) if len(traces) == 1 else self
        if recorder is not self.space.trace:
            self.space.trace = recorder
            self.record_to(recorder)

    @arguments_of(lambda: Trace.record)
    def record(self, *access: Any) -> None:
        """Record an access in its owner's trace."""
        owner = self._owners.get(access[_REGION])
        if owner is not None and owner.trace is not None:  # else it has been released meanwhile
            owner.trace.record(*access)

    @arguments_of(lambda: Trace.site)
    def site(self, *shared: Any) -> tuple[Rows, int] | None:
        """Return what the owner's trace does."""
        owner = self._owners.get(shared[_REGION_OF_SITE])
        return None if owner is None or owner.trace is None else owner.trace.site(*shared)

    def record_block(self, block: Block, ip: int, instruction: Instruction | None, thread: int) -> None:
        """Record the accesses of a block in the traces of their owners."""
        owners = [self._owners.get(region) for _, _, region in block.places]
        for trace in {id(owner.trace): owner.trace for owner in owners if owner is not None}.values():
            if trace is not None:
                mine = [p for p, owner in zip(block.places, owners, strict=True) if owner and owner.trace is trace]
                trace.record_block(evolve(block, places=mine), ip, instruction, thread)
