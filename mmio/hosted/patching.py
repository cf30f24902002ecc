"""Decide which trapped instructions of a hosted program are patched, and count the accesses.

An instruction that has faulted some times is made to call the handler (`mmio/patching`, `stub_entry.py`). Nothing else
depends on it: a stub's range says only when the handler is asked. The handler looks itself whether the address is
trapped now, and has the instruction executed as it is where it is not.
"""

from collections import Counter
from collections.abc import Iterable
from ctypes import c_uint64
from typing import Any, Final

from attrs import define

from decode.refusal import MAX_LENGTH
from emulate.flags import AC
from mmio.hosted.context import SignalStack
from mmio.hosted.process import Process
from mmio.hosted.program_area import AREA, Area
from mmio.hosted.rewinding import Rewinding
from mmio.hosted.stub_area import StubArea
from mmio.hosted.thread import Thread
from mmio.hosted.trampoline import (
    CAUSE,
    CODE,
    COPY,
    IN_DIRECT_CALL,
    STUB,
    Crossing,
)
from mmio.linux.fork_locks import fork_lock
from mmio.linux.io_ports import PORTS
from mmio.linux.libc import PAGE
from mmio.live import code_overlay
from mmio.live.direct_calls import CALLS_UNTIL, Caller, DirectCalls
from mmio.live.fault_signals import ACCERR, KERNEL, TRAP_FLAG
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import FAULT_ADDRESS, RFLAGS, RIP, Frame
from mmio.patching import stub
from mmio.patching.jumps import JUMP
from mmio.patching.memory import NearMemory
from mmio.patching.sites import NO_ROOM, NotPatched, Site, Sites, text_mapping
from mmio.patching.stats import TrapStats
from mmio.space.recorder import Recorder

FAULTS: Final = 32
"""Faults of an instruction until it is patched."""

ERROR_CODE: Final = 19
"""Index in `Frame.regs`."""
FETCH: Final = 0x10
"""Bit of a page fault's error code: an instruction was to be fetched."""

ONLY_FRAMES: Final = False
"""No device is called directly, for tests."""

MISSES: Final = 8
"""Accesses elsewhere, with none to where a stub is aimed between them, until it is aimed there."""

_NEVER: Final = 1 << 60
_TRIES: Final = 4


@define(eq=False)
class _Met:
    """An instruction that has faulted.

    Attributes:
        faults: how often, until it is decided what becomes of it.
        settled: each access is a signal, for there is no stub.
        refused: why there is none.
        site: its stub, if it has one.
        start: of what the stub is aimed at, one trapped mapping.
        end: of it.
        misses: accesses elsewhere since the stub's last call.
        calls: those of the stub at the last of them.
        direct: the device may be called directly.
        calls_until: calls by a frame until it is looked again whether it can be.
    """

    faults: int = 0
    settled: bool = False
    refused: str = ""
    site: Site | None = None
    start: int = 0
    end: int = 0
    misses: int = 0
    calls: int = 0
    direct: bool = False
    calls_until: int = 0


class Patching:
    """The instructions of a program that have faulted at what traps.

    Args:
        crossing: the machine code that stubs call.
        area: has room for stubs.
        ranges: addresses that are trapped whatever lies there.
        instructions: the cache of the handler.
        trace: where accesses are recorded.

    Attributes:
        faults: see `FAULTS`.
        only_files: instructions are patched only where they come from a file; other code may be changed by its owner.
        direct: the direct calls.
        met: the instructions, by their address.
        signals: accesses that came by a signal.
    """

    def __init__(
        self,
        crossing: Crossing,
        area: Area,
        ranges: Iterable[range],
        instructions: InstructionCache,
        trace: Recorder,
    ) -> None:
        self.faults = FAULTS
        self.only_files = True
        self.direct = DirectCalls(lambda *_: trace, {}, [])
        if ONLY_FRAMES:
            self.direct.forbid()
        self.met: dict[int, _Met] = {}
        self.signals = 0
        self._crossing = crossing
        self._stub_area = StubArea(crossing, area, ranges)
        self._instructions = instructions
        self._rewinding = Rewinding(crossing)
        self._lock = fork_lock()
        self._made: list[Site] = []
        self._patched, self._calls = 0, 0  # in programs that have been replaced by others
        self._unpatched: Counter[str] = Counter()
        self._changes = 0  # of text
        self._tried_again: dict[Thread, tuple[tuple[int, int], int]] = {}  # where, after how many changes; how often
        self._text = range(0)  # of what was patched last
        self._sites: Sites | None = None

    def begin(self, process: Process) -> None:
        """Begin with a program, whose instructions are as they are in its files.

        Args:
            process: its memory.
        """
        crossing = self._crossing
        self._memory = NearMemory(self._stub_area.announce, self._stub_area.map_exactly, process.own_memory)
        self._sites = Sites(crossing.from_stubs, self._memory, stored=crossing.stored, over_followers=True)
        process.space.memory.changed = process.space.ports.changed = self.direct.end_all
        self._original = self._sites.original
        code_overlay.add(self._original)

    def end(self) -> None:
        """Forget a program, whose memory is about to be unmapped, or not used any more."""
        if self._sites is None:
            return
        code_overlay.remove(self._original)
        self.direct.end_all()
        self._patched += len(self._made)
        self._calls += sum(site.calls for site in self._made)
        self._made.clear()
        self._sites, self._text = None, range(0)
        self.met.clear()
        self._tried_again.clear()
        self._stub_area.forget()

    def stop(self, memory_file: int) -> None:
        """Patch nothing more, and aim no stub elsewhere: what a child asks for costs more than any signal.

        Args:
            memory_file: the child's descriptor of its /proc/self/mem, through which it takes jumps back.
        """
        self.faults = _NEVER
        self._memory.memory_file = memory_file

    def learn(self, thread: Thread, met: _Met, regs: Any) -> None:
        """Prepare a direct call for an instruction that has just been executed by a frame, if it can have one."""
        met.calls_until -= 1
        if met.calls_until <= 0 and met.site is not None:
            start = thread.signals.start
            caller = Caller(start, SignalStack.SIZE, start + IN_DIRECT_CALL)
            learnt = self.direct.learn(met.site, caller, regs[FAULT_ADDRESS], thread.bus)
            met.calls_until = MISSES if learnt else CALLS_UNTIL

    @property
    def stats(self) -> TrapStats:
        """Counts of the accesses of this process, without its children."""
        calls = self._calls + sum(site.calls for site in self._made)
        return TrapStats(self.signals, calls, self._patched + len(self._made), dict(self._unpatched))

    def faulted(self, thread: Thread, frame: Frame, regs: Any) -> bool:
        """Count a fault; return whether the thread is to continue, at its stub or at the instruction once more."""
        ip, cause = regs[RIP], regs[CAUSE]
        if cause not in (ACCERR, KERNEL) or self._sites is None:
            return False
        met = self.met.get(ip)
        if regs[COPY]:
            if met is not None and met.site is not None and thread.process.traps(regs[FAULT_ADDRESS]):
                self._missed(met, met.site, thread, regs[FAULT_ADDRESS])
            return False
        site = self._sites.known(ip)
        if site is not None:
            if site.stands:  # it was patched after it had faulted, or while it was executed
                regs[RIP] = site.slot
                return True
            regs[CODE] = _word(frame)  # what the machine code has read may be half of a jump
            if cause == KERNEL and self._tries_again(thread, ip):
                return True
        elif cause == KERNEL and (over := self._sites.over(ip)) is not None:
            if over.stands:
                self._entered(over, regs)
                return True
            if self._tries_again(thread, ip):
                return True
        if not self._is_access(thread, frame, regs):
            return False
        self.signals += 1
        if met is None:
            met = self.met[ip] = _Met()
        if met.site is not None and not (met.site is site and site.stands):  # other code by now, or loaded again
            met = self.met[ip] = _Met()
        met.faults += 1
        if met.faults >= self.faults and not met.settled:
            self._decide(met, thread, frame, regs)
        return False

    def _tries_again(self, thread: Thread, ip: int) -> bool:
        """Return whether a protection fault may be at the HLT of a change that is over; one of its own comes again."""
        before, times = self._tried_again.get(thread, ((0, 0), 0))
        times = times + 1 if before == (ip, self._changes) else 0
        self._tried_again[thread] = (ip, self._changes), times
        return times < _TRIES

    def _entered(self, site: Site, regs: Any) -> None:
        """Send a thread that has jumped to an instruction that a jump stands over to its copy, or restore it."""
        copy = site.copy_of(regs[RIP])
        if copy is not None:
            regs[RIP] = copy
            return
        with self._lock:
            assert self._sites is not None
            if site.stands:  # else another thread has been here
                self._changes += 1
                self._sites.take_back(site.address)
                self._refuse(self.met[site.address], "other code jumps to the instructions behind it")

    def stale(self, regs: Any) -> None:
        """Send a thread to the copy of its instruction: the stub has called for an address that is not trapped."""
        met = self.met.get(regs[RIP])
        regs[RIP] = (_c_word(regs[STUB] + _RETURN_ADDRESS) & -stub.SLOT) + stub.COPY
        if met is not None and met.site is not None:
            met.site.answer_nowhere()
            met.start = met.end = 0

    def text_changes(self, start: int, end: int) -> None:
        """Restore instructions in a range where the program is about to put other code, or may execute such."""
        if self._sites is None or not self.met:
            return
        with self._lock:
            self._text = range(0)
            for site in self._sites.within(start, end):
                try:
                    self._changes += 1
                    self._sites.take_back(site.address)
                except NotPatched:
                    continue

    def rewind(self, frame: Frame, *, stepped: bool = False) -> bool:
        """Take a thread that a signal has interrupted on its way through a stub to the instruction or behind it.

        Args:
            frame: its registers.
            stepped: the signal is a SIGTRAP after an instruction, for RFLAGS.TF.

        Returns:
            Whether the signal is none of the program's: the jump has been stepped over, and the instruction is to be.
        """
        if self._sites is None or not self.met:
            return False
        regs = frame.regs
        ip = regs[RIP]
        ip = self._memory.target(ip) or ip
        slot = self._stub_area.slot(ip)
        if stepped and slot is not None and ip == slot:
            regs[RIP] = slot + stub.COPY
            return True
        if slot is not None:
            regs[RIP] = ip
        self._rewinding.rewind(frame, slot)
        return False

    def _is_access(self, thread: Thread, frame: Frame, regs: Any) -> bool:
        """Return whether a fault is one at what is trapped."""
        if regs[CAUSE] == ACCERR:
            fault = regs[FAULT_ADDRESS]
            fetched = regs[ERROR_CODE] & FETCH or 0 <= fault - regs[RIP] < MAX_LENGTH  # the code itself
            return not fetched and thread.process.traps(fault)
        if not thread.process.targets.ports:
            return False
        known = self._instructions.of_a_protection_fault(regs[CODE], frame)
        return known is not None and known.port is not None

    def _missed(self, met: _Met, site: Site, thread: Thread, fault: int) -> None:
        """Note that a stub's copy has faulted; aim the stub there when that is where its instruction goes now."""
        self.signals += 1
        met.misses = met.misses + 1 if site.calls == met.calls else 1
        met.calls = site.calls
        if (met.misses >= MISSES or met.start == met.end) and self.faults != _NEVER:
            self._aim(met, site, thread, fault)
            met.misses = 0

    def _aim(self, met: _Met, site: Site, thread: Thread, fault: int) -> None:
        for trapped in thread.process.trapped_in(fault, fault + 1):
            met.start, met.end = trapped.start, trapped.end
            site.answer(met.start, met.end)

    def _decide(self, met: _Met, thread: Thread, frame: Frame, regs: Any) -> None:
        """Patch an instruction, or note why not."""
        ip, assigned = regs[RIP], False
        try:
            instruction = self._instructions.at(frame).instruction
            assert instruction is not None
            if regs[RFLAGS] & (TRAP_FLAG | AC):
                raise NotPatched("it is executed step by step, or with alignment checks")
            self._need_text(ip, instruction.length)
            self._stub_area.prepare(frame, regs, self.direct)
            with self._lock:
                assert self._sites is not None
                if met.site is None and self.met.get(ip) is met:
                    self._changes += 1
                    met.site = self._sites.patch(ip, instruction)
                    assigned = True
                    if met.site not in self._made:
                        self._made.append(met.site)
                    self._try_neighbours(ip)
        except NotPatched as refused:
            self._refuse(met, str(refused))
        if not assigned or met.site is None:
            return
        met.direct = self.direct.possible and met.site.plain is not None
        if regs[CAUSE] == KERNEL:
            met.start, met.end = 0, PORTS
            met.site.answer(met.start, met.end)
        else:
            self._aim(met, met.site, thread, regs[FAULT_ADDRESS])

    def _refuse(self, met: _Met, why: str) -> None:
        met.settled, met.refused = True, why
        self._unpatched[why] += 1

    def _try_neighbours(self, ip: int) -> None:
        """Look again at instructions that no jump has led from: the bytes behind them are others by now."""
        for address in range(ip - JUMP + 1, ip):
            met = self.met.get(address)
            if met is not None and met.refused == NO_ROOM:
                self._unpatched[met.refused] -= 1
                self.met[address] = _Met()
        self._unpatched += Counter()  # without those of which there are none

    def _need_text(self, ip: int, length: int) -> None:
        """Refuse code that the program changes itself.

        No thread need be looked at: SIGSEGV is never really blocked while code of the program's is executed.

        Raises:
            NotPatched: it is no text of a file, in the program's area.
        """
        if self._text.start <= ip and ip + length <= self._text.stop:
            return
        found = text_mapping(ip, length, self.only_files)
        if ip not in AREA:
            raise NotPatched("its code lies at an address that the program has chosen, as stubs near it would")
        self._text = range(found.start, found.end)


_RETURN_ADDRESS: Final = 0x70  # where it is in what STUB points to


def _c_word(address: int) -> int:
    return int(c_uint64.from_address(address).value)


def _word(frame: Frame) -> int:
    """Return the eight bytes of code that a frame stands at as one number, 0 when its page ends before."""
    ip = frame.rip
    return int.from_bytes(frame.code(ip, 8), "little") if ip % PAGE <= PAGE - 8 else 0
