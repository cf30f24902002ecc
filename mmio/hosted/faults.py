"""Answer a signal of a hosted program: perform the access, or deliver the signal to the program."""

from collections.abc import Callable
from signal import SIGTRAP
from typing import Any, Final

from mmio.hosted.context import SignalStack
from mmio.hosted.frame import Frame
from mmio.hosted.patching import ERROR_CODE, FETCH, Patching
from mmio.hosted.signals import Signals
from mmio.hosted.thread import Thread
from mmio.hosted.trampoline import CAUSE, CODE, STUB, VERDICT
from mmio.live import out_of_line
from mmio.live.direct_calls import OUTCOME
from mmio.live.fault_signals import OF_INSTRUCTIONS, TRAP_FLAG, SignalInfo, single_step
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import FAULT_ADDRESS, RFLAGS, RIP
from mmio.program.faults import check_fetch, original, perform, signal_for

_LEAVE: Final = 1


class Frames(dict[int, tuple[Frame, Any, Thread]]):
    """The frame, its registers and its thread by the address of the ucontext, which lies on the thread's signal stack.

    Attributes:
        threads: by where their signal stacks start.
        dropped: called with a thread that is forgotten.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dropped: Callable[[Thread], None] = lambda _: None
        self.threads: dict[int, Thread] = {}

    def __missing__(self, context: int) -> tuple[Frame, Any, Thread]:
        frame = Frame(context)
        self[context] = found = frame, frame.regs, self.threads[context & -SignalStack.SIZE]
        return found

    def drop(self, thread: Thread) -> None:
        """Forget a thread."""
        start = thread.signals.start
        del self.threads[start]
        self.dropped(thread)
        for context in [context for context in self if context & -SignalStack.SIZE == start]:
            del self[context]


class Faults:
    """The handlers of SIGSEGV and of the signals that would kill the program."""

    def __init__(self, signals: Signals, frames: Frames, instructions: InstructionCache) -> None:
        self._signals = signals
        self._frames = frames
        self._instructions = instructions

    def on_access(self, context: int, siginfo: int) -> None:
        """Answer a SIGSEGV."""
        frame, regs, thread = self._frames[context]
        cause, address, ip = regs[CAUSE], regs[FAULT_ADDRESS], regs[RIP]
        try:
            if regs[ERROR_CODE] & FETCH or not perform(
                thread, frame, self._instructions, cause, address, ip, regs[CODE]
            ):
                if regs[ERROR_CODE] & FETCH and thread.process.targets.fixed_devices:
                    check_fetch(thread.process, address)  # a device may have been put over the program's code
                self._deliver(thread, frame, siginfo)
            elif regs[RFLAGS] & TRAP_FLAG and regs[RIP] != ip and thread.process.slot_at(regs[RIP]) is None:
                self._signals.deliver(thread, frame, single_step(regs[RIP]))
        except BaseException as error:
            self._deliver_or_leave(thread, frame, error, cause, ip, address)

    def on_signal(self, context: int, siginfo: int) -> None:
        """Answer any signal but SIGSEGV and SIGSYS."""
        frame, _, thread = self._frames[context]
        try:
            self._deliver(thread, frame, siginfo)
        except BaseException as error:
            leave(thread, frame, error)

    def _deliver_or_leave(
        self, thread: Thread, frame: Frame, error: BaseException, cause: int, ip: int, address: int
    ) -> None:
        """Deliver the signal that an exception means to the program; for any other exception, leave the program."""
        try:
            signal = signal_for(thread, frame, error, cause, ip, address)
            if signal is not None:
                self._signals.deliver(thread, frame, signal)
                return
        except BaseException as more:
            error = more
        leave(thread, frame, error)

    def _deliver(self, thread: Thread, frame: Frame, siginfo: int) -> None:
        """Deliver a signal to the program; a fault in an out-of-line copy is reported at the original instruction."""
        info = SignalInfo.from_buffer_copy(SignalInfo.from_address(siginfo))
        slot = thread.process.slot_at(frame.regs[RIP])
        if slot is not None and info.number == SIGTRAP and frame.regs[RIP] == slot.end:  # RFLAGS.TF
            out_of_line.finish(slot, frame, thread.bus)
            info.address = frame.regs[RIP]
        elif slot is not None and info.number in OF_INSTRUCTIONS and info.code > 0:
            original(slot, frame, info)
        self._signals.deliver(thread, frame, info)


class PatchedFaults(Faults):
    """As `Faults`, where instructions are patched that fault often."""

    def __init__(self, signals: Signals, frames: Frames, patching: Patching, instructions: InstructionCache) -> None:
        super().__init__(signals, frames, instructions)
        self._patching = patching
        self._met = patching.met

    def on_access(self, context: int, siginfo: int) -> None:
        """Answer a SIGSEGV."""
        frame, regs, thread = self._frames[context]
        met = self._met.get(regs[RIP])
        if met is not None and met.settled:
            self._patching.signals += 1
        else:
            try:
                if self._patching.faulted(thread, frame, regs):
                    return
            except BaseException as error:
                leave(thread, frame, error)
                return
        super().on_access(context, siginfo)

    def stub_handler(self) -> Callable[[int], None]:
        """Return the function that answers the call of a stub."""
        frames, instructions = self._frames, self._instructions
        stale, deliver_or_leave = self._patching.stale, self._deliver_or_leave
        met, learn, direct = self._met, self._patching.learn, self._patching.direct
        outcomes = direct.outcomes
        rip, code, cause, fault, rflags = RIP, CODE, CAUSE, FAULT_ADDRESS, RFLAGS

        def on_stub(context: int) -> None:
            frame, regs, thread = frames[context]
            ip = regs[rip]
            try:
                cached = instructions[regs[code]]
                if outcomes and regs[rflags] & OUTCOME:  # the device has been called
                    thread.bus.ip = ip
                    direct.finish(regs[STUB], frame, regs, thread.bus, cached)
                    return
                if cached.port is None and not thread.process.traps(regs[fault]):
                    stale(regs)
                    return
                bus = thread.bus
                bus.ip = ip
                bus.instruction = cached.instruction
                run = cached.run  # a call through an attribute that is a slot would be looked up anew each time
                run(frame, bus)
                known = met.get(ip)
                if known and known.direct:
                    learn(thread, known, regs)
            except BaseException as error:
                deliver_or_leave(thread, frame, error, regs[cause], ip, regs[fault])

        return on_stub

    def _deliver(self, thread: Thread, frame: Frame, siginfo: int) -> None:
        info = SignalInfo.from_address(siginfo)
        stepped = info.number == SIGTRAP and info.code > 0 and bool(frame.regs[RFLAGS] & TRAP_FLAG)
        stopped = frame.regs[RIP]
        if not self._patching.rewind(frame, stepped=stepped):
            if info.number in OF_INSTRUCTIONS and info.address == stopped:
                info.address = frame.regs[RIP]
            super()._deliver(thread, frame, siginfo)


def leave(thread: Thread, frame: Frame, outcome: BaseException) -> None:
    """Make a thread leave the program when its handler returns."""
    thread.outcome = outcome
    frame.regs[VERDICT] = _LEAVE
