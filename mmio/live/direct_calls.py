"""Blocks for direct calls: what an access of a patched instruction needs to call its device.

A stub of a plain load or store finds a block of words (`mmio/linux/direct_entry.py`): the device's method, the
addresses of its segment that need no thought, the trace, and for some threads the number of their site in it. A block
is made when an access by a frame has shown all of that. When any of it may have changed, all blocks are taken away: the
next access is made by a frame, and shows it again.

In place of the method there may be an accessor (`mmio/device/accessor.py`), for an instruction that has accessed one
register only. It is then the only address of the block.
"""

from collections.abc import Callable
from contextlib import suppress
from ctypes import Array, addressof, c_uint64
from itertools import chain
from typing import Any, Final, NamedTuple

from attrs import define

from mmio.device.accessor import accessor, claim
from mmio.errors import NoRegister
from mmio.linux.device_call import DeviceCall
from mmio.live.instruction_cache import CachedInstruction
from mmio.live.signal_frame import FAULT_ADDRESS, RFLAGS, Frame
from mmio.live.wide_access import Made, WideAccess, raised
from mmio.patching import stub
from mmio.patching.direct import Plain
from mmio.patching.sites import Site
from mmio.records.access import Space
from mmio.space.initiator import Initiator
from mmio.space.recorder import NOWHERE, Recorder
from mmio.space.region import Segment
from mmio.space.route import Route
from mmio.traces.trace import Trace

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

OUTCOME: Final = 1 << 63
"""In the flags of a frame: a device has been called directly, and what it did is among the outcomes."""

CALLS_UNTIL: Final = 64
"""Accesses by a frame, where it has been seen that a device cannot be called directly, until it is looked again."""

_FIXED: Final = 11  # words of a block before its entries
_ENTRIES: Final = 4  # threads in a block
_ENTRY: Final = (
    4  # words of each: its stack's lowest address and size, the number of the site, the address of its depth
)
_NARROW: Final = 8  # bytes of the widest value that a device is called with directly
_UNKNOWN: Final = 1 << 32  # no number: nothing has been recorded there yet


class Caller(NamedTuple):
    """A thread that makes direct calls.

    Attributes:
        floor: the lowest address of the stack that it makes them on.
        size: of that stack, in bytes.
        depth: the address of a word that counts the direct calls that the thread is in.
    """

    floor: int
    size: int
    depth: int


class _Call(NamedTuple):
    """Call that an instruction may make in place of a frame.

    Attributes:
        segment: what it has accessed.
        method: reads or writes, given an offset.
        base: the address that offsets count from.
        low: the lowest address for which it may be called.
        span: how many addresses those are.
        trace: that the access is recorded in by its caller, if it is.
        number: of the site there.
        wide: the object of the method, if it makes wide accesses.
    """

    segment: Segment
    method: Callable[..., Any]
    base: int
    low: int
    span: int
    trace: Trace | None
    number: int
    wide: WideAccess | None = None


@define(eq=False)
class _Block:
    """The words of a direct call, and the objects they are about, which live as long."""

    site: Site
    segment: Segment
    method: Callable[..., Any]
    wide: WideAccess | None
    width: int
    trace: Trace | None
    rows: bytearray | None
    append: Callable[[bytes], object] | None
    entries: list[tuple[int, int, int, int]]
    words: "Array[c_uint64]"
    announced: bool = False

    def announce(self) -> None:
        """Write the address of the block to where its stub finds it."""
        self.site.words[stub.DIRECT] = addressof(self.words)
        self.announced = True

    @property
    def is_found(self) -> bool:
        """Return whether the stub finds the block, or is going to."""
        return not self.announced or self.site.words[stub.DIRECT] == addressof(self.words)


class DirectCalls:
    """The direct calls of one engine.

    Args:
        trace_at: returns the trace that accesses to an address in memory or a port are recorded in, None for none.
        pending: see `DeviceCall`.
        waiting: see `DeviceCall`.

    Attributes:
        outcomes: what devices have done that have been called directly, where a frame has been made afterwards: a
            tuple of the answer, or of an exception's type, value and traceback; by a key of the engine's.
        machine_code: what calls devices.
        possible: whether blocks are made; not before `prepare`, and not after `forbid`.
    """

    def __init__(
        self, trace_at: Callable[[Space, int], Recorder | None], pending: dict[int, Any], waiting: list[Any]
    ) -> None:
        self.outcomes: dict[int, tuple[Any, ...]] = {}
        self.machine_code = DeviceCall(pending, waiting, self.outcomes)
        self.possible = False
        self._forbidden = False
        self._trace_at = trace_at
        self._blocks: dict[int, list[_Block]] = {}  # by the address of the instruction; the last is the present one
        self._changes = 0

    def prepare(self, features: int, tells_use: bool) -> None:
        """Find out whether direct calls are possible; the arguments are those of `DeviceCall.prepare`."""
        self.possible = self.machine_code.prepare(features, tells_use) and not self._forbidden

    def forbid(self) -> None:
        """Make no direct call any more, whatever is found out."""
        self._forbidden, self.possible = True, False  # first: a block that is being made is looked at afterwards
        self.end_all()

    def learn(self, site: Site, caller: Caller, address: int, bus: Initiator) -> bool:
        """Make a block for accesses like the one that has just been made; return whether there is one.

        Args:
            site: of the instruction.
            caller: this thread.
            address: that has been accessed, or the port.
            bus: the one that the instruction has accessed.
        """
        changes, plain = self._changes, site.plain  # before it is looked whether they are possible
        if plain is None or not self.possible or bus.flags:
            return False
        found = self._wide(site, address, bus) if plain.wide else self._narrow(site, plain, address, bus)
        if found is None:
            return False
        segment, method, base, low, span, trace, number, wide = found
        rows = None if trace is None else trace.plain_rows(self.end_all)
        append = None if trace is None or rows is not None else trace.append_row
        entries = [(*caller[:2], number, caller.depth)]
        before = self._present(site)
        if before is not None and before.segment is segment and before.trace is trace:
            entries = [each for each in before.entries if each[0] != caller.floor][1 - _ENTRIES :] + entries
        width = plain.width
        words = (c_uint64 * (_FIXED + _ENTRY * _ENTRIES))(
            *(id(method), base, low, span, id(width), 8 * width),
            *(0 if each is None else id(each) for each in (trace, rows, append)),
            plain.stores,
            width - 1 if plain.aligned else 0,  # bits of an address that have to be clear
            *chain.from_iterable(entries),
        )
        block = _Block(site, segment, method, wide, width, trace, rows, append, entries, words)
        blocks = self._blocks.setdefault(site.address, [])
        blocks.append(block)
        block.announce()
        if before is not None and before.site is not site:  # of other code that has been there
            before.site.words[stub.DIRECT] = 0
        _forget_lost(blocks)
        if self._changes != changes:  # by another thread, while this was looked at
            self.end_all()
            return False
        return True

    def forget(self, floor: int) -> None:
        """Forget a thread by its stack: another one may get that, and has another number."""
        for block in [block for blocks in list(self._blocks.values()) for block in blocks]:
            for index, entry in enumerate(block.entries):
                if entry[0] == floor:
                    block.entries[index] = 0, 0, _UNKNOWN, 0
                    block.words[_FIXED + _ENTRY * index + 1] = 0  # its size

    def end_all(self) -> None:
        """Make no direct call any more: what they rely on has changed."""
        self._changes += 1
        for blocks in list(self._blocks.values()):
            for block in list(blocks):
                block.site.words[stub.DIRECT] = 0
            _forget_lost(blocks)

    def finish(self, key: int, frame: Frame, regs: Any, bus: Initiator, cached: CachedInstruction) -> None:
        """Complete an instruction whose device has been called directly, with what that has done.

        Args:
            key: of the outcome.
            frame: where.
            regs: its registers.
            bus: the thread's.
            cached: the instruction.
        """
        outcome, address = self.outcomes.pop(key, None), regs[FAULT_ADDRESS]
        regs[RFLAGS] &= ~OUTCOME
        bus.instruction = cached.instruction
        route: Route = bus if cached.port is None else bus.ports
        if outcome is not None and cached.instruction is not None and cached.instruction.accesses[0].width > _NARROW:
            made: Any = Made(outcome)
            cached.run(frame, made)
            return
        if outcome is not None:  # else there was no memory to keep it
            device = route.find(address).region.device
            route.answer_next(address, lambda: _answer(outcome, device))
        try:
            cached.run(frame, bus)
        finally:
            route.answer_next(address, None)

    def _present(self, site: Site) -> _Block | None:
        """Return the last block that has been made for an instruction at this address, if it may still be used."""
        blocks = self._blocks.get(site.address)
        return blocks[-1] if blocks else None

    def _narrow(self, site: Site, plain: Plain, address: int, bus: Initiator) -> "_Call | None":
        """Return the call of the device itself; None where an access needs more than that."""
        route: Route = bus.ports if plain.port else bus
        segment = route.last_segment(plain.stores)
        if not segment.start <= address <= segment.limits[plain.width]:
            return None
        recorded = self._recorded(site, segment, plain, bus)
        if recorded is None:
            return None
        of_register = self._accessor(site, segment, plain, address)
        if of_register is not None:
            return _Call(segment, of_register, segment.base, address, 1, *recorded)
        method, low = segment.write if plain.stores else segment.read, segment.start
        return _Call(segment, method, segment.base, low, segment.limits[plain.width] + 1 - low, *recorded)

    def _wide(self, site: Site, address: int, bus: Initiator) -> "_Call | None":
        """Return the call of an initiator, which makes the parts of a wide access and records them."""
        plain, segment, before = site.plain, bus.find(address), self._present(site)
        assert plain is not None
        wide = before.wide if before is not None and before.site is site and before.segment is segment else None
        if wide is None:
            wide = WideAccess(segment.base)
        wide.admit(site.address, bus, in_parts=not segment.start <= address <= segment.limits[plain.width])
        span = max(segment.end - plain.width + 1 - segment.start, 0)
        method = wide.write if plain.stores else wide.read
        return _Call(segment, method, segment.base, segment.start, span, None, _UNKNOWN, wide)

    def _accessor(self, site: Site, segment: Segment, plain: Plain, address: int) -> Callable[..., Any] | None:
        """Return the device's function for one register, while that is all that an instruction has accessed."""
        device, offset = segment.region.device, address - segment.base
        if len(site.offsets) < 2:
            site.offsets.add(offset)
        method, its = (segment.write, device.write) if plain.stores else (segment.read, device.read)
        if len(site.offsets) > 1 or method != its:  # it is not the device's any more
            return None
        return accessor(device, offset, plain.width, method, plain.stores, self.end_all)

    def _recorded(self, site: Site, segment: Segment, plain: Plain, bus: Initiator) -> tuple[Trace | None, int] | None:
        """Return the trace that accesses are recorded in, if any, and the site's number there.

        None when they are not recorded by appending a row.
        """
        recorder = bus.recorder
        if recorder is NOWHERE or not segment.recorded:
            return None, _UNKNOWN
        sites = bus.write_sites if plain.stores else bus.read_sites
        instruction, region, width, rows, number = sites.get(site.address, (None, None, 0, None, 0))
        if instruction is bus.instruction and region is segment.recorded_region and width == plain.width:
            return (rows, number) if type(rows) is Trace else None
        trace = self._trace_at("port" if plain.port else "memory", segment.start)
        return (trace, _UNKNOWN) if type(trace) is Trace and not trace.enabled else None


def _forget_lost(blocks: list[_Block]) -> None:
    """Forget blocks that no stub finds any more. Other threads may make one meanwhile, or forget the same.

    Until then a block is kept: a thread that finds it uses its words, and what they name, under the GIL.
    """
    for block in list(blocks):
        if not block.is_found:
            with suppress(ValueError):
                blocks.remove(block)


def _answer(outcome: tuple[Any, ...], device: Any) -> Any:
    """Return what a device has answered, or raise what it or an accessor of it has raised."""
    if len(outcome) == 1:
        return outcome[0]
    error = raised(*outcome)
    if isinstance(error, NoRegister):
        claim(device, error)
    raise error
