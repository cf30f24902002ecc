"""A signal has taken us out of the program: whose it is, and the access it was about.

As in another process (`mmio.ptrace.faults`): a page that may not be touched, an instruction that user code may not
execute, or the end of a natively completed instruction; anything else is the program's own. The way of an access is as
in this process (`mmio.inprocess.trap`).
"""

from typing import Any, Final

from mmio.errors import UnmappedAccess
from mmio.hosted.context import SignalStack
from mmio.hosted.errors import ADVICE, HostError
from mmio.hosted.frame import Frame
from mmio.hosted.signals import Signals
from mmio.hosted.thread import Thread
from mmio.hosted.trampoline import CAUSE, CODE, VERDICT
from mmio.linux.trampoline import COPIES_START, trampoline
from mmio.live import out_of_line
from mmio.live.fault_signals import SignalInfo, is_guest_fault, signal_of
from mmio.live.instruction_cache import InstructionCache
from mmio.live.signal_frame import FAULT_ADDRESS, RIP
from mmio.program.memory import BeyondEnd

_ACCERR: Final = 2
_KERNEL: Final = 0x80
_SIGBUS: Final = 7
_ADRERR: Final = 2
_ERROR_CODE: Final = 19  # in `Frame.regs`
_FETCH: Final = 0x10
_LEAVE: Final = 1


class Frames(dict[int, tuple[Frame, Any, Thread]]):
    """The frame, its registers and its thread by the address of the ucontext, which lies on the thread's signal stack.

    Attributes:
        threads: by where their signal stacks start.
    """

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[int, Thread] = {}

    def __missing__(self, context: int) -> tuple[Frame, Any, Thread]:
        frame = Frame(context)
        self[context] = found = frame, frame.regs, self.threads[context & -SignalStack.SIZE]
        return found

    def drop(self, thread: Thread) -> None:
        """Forget a thread."""
        start = thread.signals.start
        del self.threads[start]
        for context in [context for context in self if context & -SignalStack.SIZE == start]:
            del self[context]


class Faults:
    """The handlers of SIGSEGV and of the signals that would kill the program.

    Attributes:
        watched: accesses are answered; not so in a child of the program.
    """

    def __init__(self, signals: Signals, frames: Frames) -> None:
        self.watched = True
        self._signals = signals
        self._frames = frames
        self._sites = InstructionCache()

    def on_access(self, context: int, siginfo: int) -> None:
        """Answer a SIGSEGV."""
        frame, regs, thread = self._frames[context]
        try:
            cause = regs[CAUSE]
            process = thread.process
            if cause == _ACCERR:
                if not process.traps(regs[FAULT_ADDRESS]) or regs[_ERROR_CODE] & _FETCH:
                    self._pass_on(thread, frame, siginfo)
                    return
                site = self._sites[regs[CODE]]
            elif cause == _KERNEL:
                known = self._sites.of_a_protection_fault(regs[CODE], regs[RIP])
                if known is None or known.port is None or not process.targets.ports:
                    self._copy_or_pass_on(thread, frame, siginfo)
                    return
                site = known
            else:
                self._pass_on(thread, frame, siginfo)
                return
            if not self.watched:
                raise HostError(
                    f"a child of the program accesses a device, and only the program itself may here: {ADVICE}"
                )
            bus = thread.bus
            bus.ip = regs[RIP]
            bus.instruction = site.instruction
            site.run(frame, bus)
        except BaseException as error:
            self._settle(thread, frame, error)

    def on_signal(self, context: int, siginfo: int) -> None:
        """Answer any signal but SIGSEGV and SIGSYS."""
        frame, _, thread = self._frames[context]
        try:
            self._pass_on(thread, frame, siginfo)
        except BaseException as error:
            leave(thread, frame, error)

    def _settle(self, thread: Thread, frame: Frame, error: BaseException) -> None:
        """Find the right place for what was raised on the way."""
        try:
            if isinstance(error, UnmappedAccess) and frame.regs[CAUSE] == _KERNEL:
                if not thread.process.port_rights.granted:  # it has no right to this port, and no device answers there
                    self._signals.deliver(thread, frame, SignalInfo(number=11, code=_KERNEL))
                    return
            elif is_guest_fault(error):
                number, code, address = signal_of(error, frame.regs[RIP])
                if isinstance(error, BeyondEnd):
                    number, code, address = type(number)(_SIGBUS), _ADRERR, frame.regs[FAULT_ADDRESS]
                self._signals.deliver(thread, frame, SignalInfo(number=number, code=code, address=address))
                return
        except BaseException as more:
            error = more
        leave(thread, frame, error)

    def _copy_or_pass_on(self, thread: Thread, frame: Frame, siginfo: int) -> None:
        """Deal with a natively completed instruction that has reached its HLT."""
        copy = _copy_at(frame.regs[RIP])
        if copy is None or frame.regs[RIP] != copy.end:
            self._pass_on(thread, frame, siginfo)
            return
        copy.release()
        out_of_line.finish(copy, frame, thread.bus)

    def _pass_on(self, thread: Thread, frame: Frame, siginfo: int) -> None:
        """Deliver a signal to the program; a fault in an out-of-line copy is reported at the original instruction."""
        info = SignalInfo.from_buffer_copy(SignalInfo.from_address(siginfo))
        copy = _copy_at(frame.regs[RIP])
        if copy is not None and info.code > 0:
            if info.address == frame.regs[RIP]:
                info.address = copy.ip
            frame.regs[RIP] = copy.ip
            copy.release()
        self._signals.deliver(thread, frame, info)


def leave(thread: Thread, frame: Frame, outcome: BaseException) -> None:
    """Make a thread leave the program when its handler returns."""
    thread.outcome = outcome
    frame.regs[VERDICT] = _LEAVE


def _copy_at(ip: int) -> out_of_line.Copy | None:
    """Return the copy of an instruction that an address lies in."""
    words = trampoline().words
    inside = words[COPIES_START] and words[COPIES_START] <= ip < words[COPIES_START] + words[COPIES_START + 1]
    return out_of_line.copy_around(ip) if inside else None
