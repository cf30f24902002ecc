"""Blocks for direct calls: what an access of a patched instruction needs to call its device.

A stub of a plain load or store finds a block of words (`mmio/linux/direct_entry.py`): the device's method, the
addresses of its segment that need no thought, the trace, and for some threads the number of their site in it. A block
is made when an access by a frame has shown all of that. When any of it may have changed, all blocks are taken away: the
next access is made by a frame, and shows it again.

In place of the method there may be an accessor (`mmio/device/accessor.py`), for an instruction that has accessed one
register only. It is then the only address of the block.
"""

import sysconfig
from collections.abc import Callable
from ctypes import Array, addressof, c_uint64, c_void_p
from itertools import chain
from typing import Any, Final

from attrs import define

from mmio.device.accessor import accessor, claim
from mmio.errors import NoRegister
from mmio.inprocess import after_access, pending_exceptions
from mmio.inprocess.trapped_frames import Stack
from mmio.linux import xsave
from mmio.linux.trampoline import CODE, ENABLED, FEATURES, LEVEL, OUTCOMES, PENDING, STUB, WAITING, XGETBV_1, trampoline
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import FAULT_ADDRESS, RFLAGS, Frame
from mmio.patching import stub
from mmio.patching.direct import Plain
from mmio.patching.sites import Site
from mmio.space.initiator import Initiator
from mmio.space.recorder import NOWHERE, Recorder
from mmio.space.region import Segment
from mmio.traces.trace import Trace

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

OUTCOME: Final = 1 << 63
"""In the flags of a frame: a device has been called directly, and what it did is among the outcomes."""

_FIXED: Final = 8  # words of a block before its entries
_ENTRIES: Final = 4  # threads in a block
_ENTRY: Final = (
    4  # words of each: its stack's lowest address and size, the number of the site, the address of its depth
)
_UNKNOWN: Final = 1 << 32  # no number: nothing has been recorded there yet
_NAME: Final = "enabled"
_AVX512BW: Final = 1 << 30  # in EBX of CPUID leaf 7


@define(eq=False)
class _Block:
    """The words of a direct call, and the objects they are about, which live as long."""

    site: Site
    segment: Segment
    method: Callable[..., Any]
    width: int
    trace: Trace | None
    rows: bytearray | None
    entries: list[tuple[int, int, int, int]]
    words: "Array[c_uint64]"


class DirectCalls:
    """The direct calls of this process.

    Args:
        trace_at: returns the trace that accesses to a memory address are recorded in, None for none.

    Attributes:
        outcomes: what devices have done that have been called directly, where a frame has been made afterwards: a
            tuple of the answer, or of an exception's type, value and traceback; by the address of the stub's return.
    """

    def __init__(self, trace_at: Callable[[int], Recorder | None]) -> None:
        self.outcomes: dict[int, tuple[Any, ...]] = {}
        self._trace_at = trace_at
        self._blocks: dict[int, _Block] = {}  # by the address of the instruction
        self._changes = 0
        self.possible = False

    def prepare(self) -> None:
        """Give the trampoline what all direct calls have in common. Its words about XSAVE are known by now."""
        words = trampoline().words
        for index, each in (PENDING, pending_exceptions.pending), (WAITING, after_access.waiting):
            words[index] = id(each)
        words[OUTCOMES], words[ENABLED] = id(self.outcomes), id(_NAME)
        features = words[FEATURES]
        wide = features >> xsave.HI16_ZMM & 1
        words[LEVEL] = 2 if wide else features >> xsave.AVX & 1
        known = trampoline().cpuid(7)[1] & _AVX512BW or not wide
        header = c_void_p.from_address(id(_FIXED) + 8).value == id(int)  # where an object has its type
        locked = not sysconfig.get_config_var("Py_GIL_DISABLED")
        self.possible = bool(words[XGETBV_1] and known and header and locked)

    def learn(self, site: Site, stack: Stack, regs: Any, bus: Initiator) -> bool:
        """Make a block for accesses like the one that has just been made; return whether there is one.

        Args:
            site: of the instruction.
            stack: of this thread.
            regs: the registers, after the instruction.
            bus: the one that it has accessed.
        """
        changes, plain, address = self._changes, site.plain, regs[FAULT_ADDRESS]
        if plain is None or not stack.floor or bus.flags:
            return False
        segment = bus.last_segment(plain.stores)
        if not segment.start <= address <= segment.limits[plain.width]:
            return False
        found = self._recorded(site, segment, plain, bus)
        if found is None:
            return False
        trace, number = found
        rows = None if trace is None else trace.plain_rows(self.end_all)
        if trace is not None and rows is None:
            return False
        entry = stack.floor, stack.range.stop - stack.floor, number, addressof(stack.depth)
        entries = [entry]
        before = self._blocks.get(site.address)
        if before is not None and before.segment is segment and before.trace is trace:
            entries = [each for each in before.entries if each[0] != stack.floor][1 - _ENTRIES :] + entries
        method, low, width = segment.write if plain.stores else segment.read, segment.start, plain.width
        count = segment.limits[width] + 1 - low
        of_register = self._accessor(site, segment, plain, address)
        if of_register is not None:
            method, low, count = of_register, address, 1
        words = (c_uint64 * (_FIXED + _ENTRY * _ENTRIES))(
            *(id(method), segment.base, low, count, id(width), 8 * width),
            *(0 if each is None else id(each) for each in (trace, rows)),
            *chain.from_iterable(entries),
        )
        block = _Block(site, segment, method, width, trace, rows, entries, words)
        self._blocks[site.address] = block
        site.words[stub.DIRECT] = addressof(words)
        if self._changes != changes:  # by another thread, while this was looked at
            self.end_all()
            return False
        return True

    def forget(self, stack: Stack) -> None:
        """Forget a thread: another one may get its stack, and has another number."""
        for block in list(self._blocks.values()):
            for index, (floor, *_) in enumerate(block.entries):
                if floor == stack.floor:
                    block.entries[index] = 0, 0, _UNKNOWN, 0
                    block.words[_FIXED + _ENTRY * index + 1] = 0  # its size

    def end_all(self) -> None:
        """Make no direct call any more: what they rely on has changed."""
        self._changes += 1
        for block in list(self._blocks.values()):
            block.site.words[stub.DIRECT] = 0
        self._blocks.clear()

    def finish(self, frame: Frame, regs: Any, bus: Initiator, instructions: InstructionCache) -> None:
        """Complete an instruction whose device has been called directly, with what that has done.

        Args:
            frame: where.
            regs: its registers.
            bus: the thread's.
            instructions: compiled.
        """
        outcome, address = self.outcomes.pop(regs[STUB], None), regs[FAULT_ADDRESS]
        regs[RFLAGS] &= ~OUTCOME
        cached = instructions[regs[CODE]]
        bus.instruction = cached.instruction
        if outcome is not None:  # else there was no memory to keep it
            device = bus.find(address).region.device
            bus.answer_next(address, lambda: _answer(outcome, device))
        try:
            cached.run(frame, bus)
        finally:
            bus.answer_next(address, None)
        if after_access.waiting:
            after_access.call()
        pending_exceptions.check()

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
        trace = self._trace_at(segment.start)
        return (trace, _UNKNOWN) if type(trace) is Trace and not trace.enabled else None


def _answer(outcome: tuple[Any, ...], device: Any) -> Any:
    """Return what a device has answered, or raise what it or an accessor of it has raised."""
    if len(outcome) == 1:
        return outcome[0]
    kind, value, traceback = outcome
    if not isinstance(value, BaseException):  # Python 3.11 makes an instance only when it is needed
        value = kind() if value is None else kind(*value) if isinstance(value, tuple) else kind(value)
        if value.__traceback__ is not None:  # `Carrier` has returned an exception that has been under way
            raise value
    if isinstance(value, NoRegister):
        claim(device, value)
    raise value.with_traceback(traceback)
