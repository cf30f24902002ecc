"""Decide which trapped instructions are patched, count the accesses, and aim stubs at mappings.

An instruction that has faulted some times is made to call the handler (`mmio/patching`): a signal costs several times
as much as the access. What cannot be patched keeps its signal, and nothing else depends on it.
"""

import os
from collections import Counter
from ctypes import addressof, c_uint64
from functools import partial
from signal import SIGSEGV
from time import sleep
from typing import Any, Final, Protocol

from attrs import define, field

from decode import Instruction
from emulate.flags import AC
from mmio.inprocess import unwind
from mmio.inprocess.foreign_handlers import ForeignHandlers
from mmio.inprocess.trapped_frames import Stack
from mmio.inprocess.undisturbed import undisturbed
from mmio.linux.fork_locks import fork_lock
from mmio.linux.libc import PAGE
from mmio.linux.loaded_modules import is_runtime
from mmio.linux.proc_files import read_link
from mmio.linux.proc_maps import runs_with_blocked, threads
from mmio.linux.trampoline import (
    ARENAS,
    CAN_SAVE,
    CODE,
    COPY,
    DEVICE_CALL,
    FEATURES,
    MOST_ARENAS,
    RESTORER,
    SEGMENTS,
    SOFTWARE,
    UC_FLAGS,
    XGETBV_1,
    XSAVE_SIZE,
    trampoline,
)
from mmio.live import code_overlay, signal_frame
from mmio.live.direct_calls import CALLS_UNTIL, Caller, DirectCalls
from mmio.live.fault_signals import TRAP_FLAG
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import FAULT_ADDRESS, RFLAGS, RIP, XSAVE, Frame
from mmio.patching import text
from mmio.patching.kernel_frame import kernel_frame
from mmio.patching.memory import NearMemory
from mmio.patching.sites import NotPatched, Site, Sites, text_mapping, width_of
from mmio.patching.stats import TrapStats
from mmio.records.access import Space
from mmio.space.initiator import Initiator

FAULTS: Final = 32
"""Faults of an instruction until it is patched, which takes as long as some eighty signals."""

MISSES: Final = 8
"""Accesses to another mapping, with none to the one that a stub is aimed at between them, until it is aimed there."""

_LOOKS: Final = 5  # at threads: the C library blocks signals for a moment where one begins and where it ends
_PAUSE: Final = 0.0005  # seconds between them


@define(eq=False)
class Counts:
    """Counts of one mapping.

    Attributes:
        enabled: its instructions are patched.
        hold_signals: signals are blocked while its device is called directly.
        signals: see `TrapStats`.
        calls: those of stubs that have been aimed elsewhere since.
        patched: the addresses of instructions.
        unpatched: the addresses of others, and why.
    """

    enabled: bool = True
    hold_signals: bool = True
    signals: int = 0
    calls: int = 0
    patched: set[int] = field(factory=set)
    unpatched: dict[int, str] = field(factory=dict)


_NOWHERE: Final = 0, 0, Counts(enabled=False)


@define(eq=False)
class _Met:
    """An instruction that has faulted.

    Attributes:
        space: what it accesses.
        start: of the pages or ports that it accesses, one mapping's.
        end: of them.
        counts: that mapping's.
        faults: how often it has faulted, until it is decided what becomes of it.
        decided: it is.
        settled: each access is a signal, for there is no stub or the mapping wants none.
        site: its stub, if it has one.
        calls: those of the stub before it was aimed at this mapping.
        other: the pages or ports, and whose they are, where the stub has missed last.
        misses: how often it has since its last call.
        calls_before: those of the stub when it missed last.
        direct: the device may be called directly.
        calls_until: those by a frame until it is looked again whether it can be.
    """

    space: Space = "memory"
    start: int = 0
    end: int = 0
    counts: Counts = field(factory=Counts)
    faults: int = 0
    decided: bool = False
    settled: bool = False
    site: Site | None = None
    calls: int = 0
    other: tuple[int, int, Counts] = _NOWHERE
    misses: int = 0
    calls_before: int = 0
    direct: bool = False
    calls_until: int = 0


class Ranges(Protocol):
    """The ranges that trap; `TrappedRanges` has them."""

    def around(self, address: int, space: Space) -> tuple[int, int, Counts]:
        """Return the addresses or ports around one that one owner has: their start, their end, and its counts."""

    def expect_halts(self) -> None:
        """Hand protection faults to the handler: a thread may meet an instruction that is being changed."""


class Patching:
    """The instructions of this process that have faulted in trapped ranges.

    Args:
        ranges: what traps.
        instructions: the cache of the handler.
        direct: the direct calls.

    Attributes:
        faults: see `FAULTS`.
        only_files: instructions are patched only where they come from a file; other code may be changed by its owner.
        only_frames: no device is called directly, for tests.
        met: the instructions, by their address.
    """

    def __init__(self, ranges: Ranges, instructions: InstructionCache, direct: DirectCalls) -> None:
        self.faults = FAULTS
        self.only_files = True
        self.only_frames = False
        self.met: dict[int, _Met] = {}
        self._ranges = ranges
        self._instructions = instructions
        self._direct = direct
        self._lock = fork_lock()
        memory = NearMemory(_announce)
        self.sites = Sites(trampoline().from_stubs, memory)
        self._handlers = ForeignHandlers(memory)
        self._ready = False
        self._text = range(0)  # of the module whose instruction was patched last
        code_overlay.add(self.sites.original)

    def halted(self, frame: Frame, regs: Any) -> bool:
        """Return whether a protection fault is one at an instruction that has changed since; then go to its stub.

        Args:
            frame: where.
            regs: its registers.
        """
        site = None if regs[COPY] else self.sites.known(regs[RIP])
        if site is None:
            stub = self._handlers.stub_of(regs[RIP])
            regs[RIP] = stub or regs[RIP]
            return stub is not None
        if site.is_port and not site.stands:  # it faults by itself
            regs[CODE] = _word(frame)
            return False
        regs[RIP] = site.slot
        return True

    def faulted(self, frame: Frame, regs: Any, port: int | None = None) -> bool:
        """Take note of a fault; return whether the thread has been sent to the instruction's stub instead.

        Args:
            frame: where.
            regs: its registers.
            port: that an IN or OUT accesses; None for a page fault.
        """
        ip, fault = regs[RIP], regs[FAULT_ADDRESS] if port is None else port
        met = self.met.get(ip)
        if regs[COPY] and met is not None and met.site is not None:
            self._missed(met, met.site, fault)
            return False
        site = self.sites.known(ip)
        if site is not None and not regs[COPY]:
            if site.stands:  # it was patched after it had faulted
                regs[RIP] = site.slot
                return True
            regs[CODE] = _word(frame)  # what the trampoline has read may be half of a jump
        space: Space = "memory" if port is None else "port"
        if met is None or met.space != space:
            if met is not None:  # other code by now
                self._aim_nowhere(met)
            met = self.met[ip] = _Met(space)
        if met.site is not None and not (met.site is site and site.stands):  # other code by now, or loaded again
            self._aim_nowhere(met)
            met.site, met.decided, met.settled, met.faults = None, False, False, 0
        if not met.start <= fault < met.end:
            self._aim(met, fault)
        met.counts.signals += 1
        if not (met.decided or met.settled):
            met.faults += 1
            if met.faults >= self.faults:
                self._decide(met, ip, frame, regs)
        return False

    def _missed(self, met: _Met, site: Site, fault: int) -> None:
        """Note that a stub's copy has faulted; aim the stub there when that is where its instruction goes now.

        An accessor that serves two devices in turns stays aimed at one of them.
        """
        start, end, counts = met.other
        if not start <= fault < end:
            start, end, counts = met.other = self._ranges.around(fault, met.space)
        counts.signals += 1
        met.misses = met.misses + 1 if site.calls == met.calls_before else 1
        met.calls_before = site.calls
        if counts.enabled and (met.misses >= MISSES or met.start == met.end):
            self._aim(met, fault)
            met.misses = 0

    def learn(self, met: _Met, stack: Stack, regs: Any, bus: Initiator) -> None:
        """Prepare a direct call for the instruction that has just been executed by a frame, if it can have one.

        Args:
            met: the instruction.
            stack: of this thread.
            regs: its registers.
            bus: the thread's.
        """
        self._handlers.look()
        met.calls_until -= 1
        if met.calls_until <= 0 and met.site is not None:
            learnt = stack.floor > 0 and self._direct.learn(met.site, _caller(stack), regs[FAULT_ADDRESS], bus)
            met.calls_until = MISSES if learnt else CALLS_UNTIL

    def released(self, start: int, end: int, space: Space) -> None:
        """Aim no stub at a range any more."""
        for met in [each for each in list(self.met.values()) if each.space == space]:
            if start <= met.start < end:
                self._aim_nowhere(met)
            if start <= met.other[0] < end:
                met.other = _NOWHERE

    def take_all_back(self) -> None:
        """Restore every instruction: nothing traps any more, and faults are not looked at here."""
        undisturbed(self._take_all_back)

    def _take_all_back(self) -> None:
        with self._lock:
            for met in list(self.met.values()):
                self._aim_nowhere(met)
            self._direct.end_all()
            self.met.clear()
            self._text = range(0)
            if self.sites.take_all_back():
                text.let_pass()

    def stats(self, counts: Counts) -> TrapStats:
        """Return what has been counted for a mapping."""
        live = sum(met.site.calls - met.calls for met in list(self.met.values()) if met.site and met.counts is counts)
        reasons = Counter(counts.unpatched.values())
        return TrapStats(counts.signals, counts.calls + live, len(counts.patched), dict(reasons))

    def _aim(self, met: _Met, fault: int) -> None:
        """Note which mapping an instruction accesses now, and have its stub call the handler for that."""
        self._aim_nowhere(met)
        met.start, met.end, met.counts = self._ranges.around(fault, met.space)
        met.settled = not met.counts.enabled or (met.decided and met.site is None)
        if met.site is not None and met.counts.enabled:
            met.site.answer(met.start, met.end, met.counts.hold_signals)
            met.counts.patched.add(met.site.address)

    def _aim_nowhere(self, met: _Met) -> None:
        if met.site is not None:
            met.site.answer_nowhere()
            met.counts.calls += met.site.calls - met.calls
            met.calls = met.site.calls
        met.start = met.end = 0
        met.counts = Counts()

    def _decide(self, met: _Met, ip: int, frame: Frame, regs: Any) -> None:
        """Patch an instruction, or note why not."""
        try:
            instruction = self._instructions.at(frame).instruction
            assert instruction is not None
            if regs[RFLAGS] & (TRAP_FLAG | AC):
                raise NotPatched("it is executed step by step, or with alignment checks")
            width_of(instruction)  # refuses most, before text and threads are looked at
            self._prepare(frame, regs)
        except NotPatched as refused:
            self._refuse(met, ip, refused)
            return
        undisturbed(partial(self._patch, met, ip, instruction))

    def _patch(self, met: _Met, ip: int, instruction: Instruction) -> None:
        with self._lock:
            if met.decided or self.met.get(ip) is not met:  # by another thread, or nothing traps any more
                return
            try:
                self._need_text(ip, instruction.length)
                self._ranges.expect_halts()
                met.site = self.sites.patch(ip, instruction)
            except NotPatched as refused:
                self._refuse(met, ip, refused)
                return
            met.decided = True
            met.direct = self._direct.possible and not self.only_frames and met.site.plain is not None
            met.calls = met.site.calls
            met.site.answer(met.start, met.end, met.counts.hold_signals)
            met.counts.patched.add(ip)
            if met.direct and met.counts.hold_signals:
                self._handlers.watch()

    def _refuse(self, met: _Met, ip: int, why: NotPatched) -> None:
        met.counts.unpatched[ip] = str(why)
        met.decided = met.settled = True

    def _need_text(self, ip: int, length: int) -> None:
        """Refuse code that is not the text of a driver.

        Raises:
            NotPatched: it may change in other ways, or is executed while text is changed.
        """
        if not (self._text.start <= ip and ip + length <= self._text.stop):
            self._text = self._text_around(ip, length)
        for _ in range(_LOOKS):
            if not any(runs_with_blocked(thread, SIGSEGV) for thread in threads(os.getpid())):
                return
            sleep(_PAUSE)
        raise NotPatched("a thread runs with SIGSEGV blocked, which must not meet half a change")

    def _text_around(self, ip: int, length: int) -> range:
        """Return the addresses of the text that an instruction is part of, which nothing else changes.

        Raises:
            NotPatched: it is no such text.
        """
        found = text_mapping(ip, length, self.only_files)
        if (found.path and is_runtime(found.path)) or found.path == read_link(os.getpid(), "exe"):
            raise NotPatched("it is part of the C library or of Python")
        return range(found.start, found.end)

    def _prepare(self, frame: Frame, regs: Any) -> None:
        """Give the trampoline, once, what frames of this kernel have in common, from one of them.

        Raises:
            NotPatched: they have no XSAVE area.
        """
        if self._ready:
            return
        common = kernel_frame(regs[XSAVE])
        words = trampoline().words
        words[SOFTWARE], words[SOFTWARE + 1], words[SOFTWARE + 2] = common.software
        words[XSAVE_SIZE], words[FEATURES], words[XGETBV_1] = common.size, common.features, common.tells_use
        words[RESTORER] = unwind.prepared().signal_return
        words[SEGMENTS] = regs[signal_frame.SEGMENTS]
        words[UC_FLAGS] = c_uint64.from_address(frame.address).value
        words[DEVICE_CALL], words[CAN_SAVE] = self._direct.machine_code.call, self._direct.machine_code.can_save
        self._direct.prepare(common.features, common.tells_use)
        self._ready = True


def _caller(stack: Stack) -> Caller:
    """Return a thread by its stack."""
    return Caller(stack.floor, stack.range.stop - stack.floor, addressof(stack.depth))


def _announce(start: int) -> bool:
    """Note a new arena for the trampoline; return whether there is room for one more."""
    words = trampoline().words
    for index in range(ARENAS, ARENAS + MOST_ARENAS):
        if not words[index]:
            words[index] = start
            return True
    return False


def _word(frame: Frame) -> int:
    """Return the eight bytes of code that a frame stands at as one number, 0 when its page ends before."""
    ip = frame.rip
    return int.from_bytes(frame.code(ip, 8), "little") if ip % PAGE <= PAGE - 8 else 0
