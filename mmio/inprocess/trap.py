"""Handle a trapped access in the signal handler, between the machine code's call and its return.

The ordinary way through a handler is short: the frame by the address of its ucontext, what to do by the instruction's
bytes, and that is done. Each step is one look-up in a dictionary that fills itself, and nothing is made anew.

Whatever is raised on that way is put into `_failed`, which takes no call: the recursion limit may have been reached.
The machine code sees that nothing has been done and calls the failure handler, with room under the limit, and that ends
in `_settle`: a fault of the program's own is delivered to it; anything else comes out of the call that entered the
driver, or is kept when there is no such call. What a signal handler of Python's raises when the instruction has been
done comes out at its next access, or when the driver returns.
"""

import os
import sys
import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, ArgumentError, c_void_p
from signal import SIGFPE
from typing import Any, Final

from mmio.inprocess import after_access, finalization, pending_exceptions, unwind
from mmio.inprocess.patching import Patching
from mmio.inprocess.trapped_frames import Trapped, TrappedFrames
from mmio.inprocess.trapped_ranges import Owner, TrappedRanges
from mmio.linux.libc import address_of
from mmio.linux.stacks import need_calls
from mmio.linux.trampoline import (
    CODE,
    COPY_HANDLER,
    FAILURE_HANDLER,
    INSIDE,
    LIMIT,
    PAGE_HANDLER,
    PASS_ON,
    PORT_HANDLER,
    RAISED,
    STUB,
    STUB_HANDLER,
    VERDICT,
    trampoline,
)
from mmio.live import out_of_line
from mmio.live.direct_calls import OUTCOME, DirectCalls
from mmio.live.fault_signals import SignalInfo, deliver, is_guest_fault
from mmio.live.gil import need_gil
from mmio.live.instruction_cache import InstructionCache
from mmio.live.memory import FloatingMemory
from mmio.live.own_slots import own_slots
from mmio.live.signal_frame import EXCEPTION, FAULT_ADDRESS, RFLAGS, RIP, SLOTS, Frame
from mmio.patching.stub import GENERAL_PROTECTION
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_WITH_ROOM: Final = 480  # calls that can be made in the failure handler, unless the limit has been reached

_failed: Final[dict[int, BaseException]] = {}
"""What handlers have raised that is still to be settled, by the address of the ucontext."""


class Trap:
    """The three handlers of faults in the trapped ranges."""

    def __init__(self, trapped_ranges: TrappedRanges) -> None:
        need_gil()
        self.trapped_ranges = trapped_ranges
        self._frames = TrappedFrames(trapped_ranges.space)
        self._instructions = InstructionCache(SLOTS)
        self._floating: Any = FloatingMemory()
        self._direct = DirectCalls(trapped_ranges.trace_at, pending_exceptions.pending, after_access.waiting)
        self._frames.stack_ended = lambda stack: self._direct.forget(stack.floor)
        pending_exceptions.in_direct_call = lambda: self._frames.stack.depth.value > 0
        self.patching = Patching(trapped_ranges, self._instructions, self._direct)
        trapped_ranges.released = self.patching.released
        trapped_ranges.closing = self.patching.take_all_back
        self._callbacks = [
            _install(PAGE_HANDLER, self._page_handler(), 1),
            _install(STUB_HANDLER, self._stub_handler(), 1),
            _install(PORT_HANDLER, self._port_handler(), 1),
            _install(COPY_HANDLER, self._copy_handler(), 2),
            _install(FAILURE_HANDLER, self._failure_handler(), 2),
        ]
        trapped_ranges.record_to = self._record_to
        trapped_ranges.space.memory.changed = trapped_ranges.space.ports.changed = self._direct.end_all
        os.register_at_fork(after_in_child=self._forked)

    def finish(self) -> None:
        """End, as the interpreter is about to, whatever is still mapped."""
        if self.trapped_ranges.in_use:
            finalization.finish(self._callbacks)

    def _record_to(self, recorder: Recorder) -> None:
        self._direct.end_all()
        self._frames.record_to(recorder)

    def _forked(self) -> None:
        """Forget, in a new child, the threads it does not have; its one thread has another number."""
        self._direct.end_all()
        self._frames.clear()
        words = trampoline().words
        words[INSIDE] = 0
        if words[RAISED]:
            sys.setrecursionlimit(words[LIMIT])
            words[RAISED] = 0

    def _page_handler(self) -> Callable[..., None]:
        frames, instructions, pending = self._frames, self._instructions, pending_exceptions.pending
        settle_late, waiting = self._settle_late, after_access.waiting
        met, faulted = self.patching.met, self.patching.faulted
        rip, code, fault = RIP, CODE, FAULT_ADDRESS

        def on_page(context: int) -> None:
            try:
                frame, regs, bus = frames[context]
                bus.ip = regs[rip]
                if pending:
                    pending_exceptions.check()
                known = met.get(regs[rip])
                if known and known.settled and known.start <= regs[fault] < known.end:
                    known.counts.signals += 1
                elif faulted(frame, regs):
                    return
                cached = instructions[regs[code]]
                bus.instruction = cached.instruction
                run = cached.run  # a call through an attribute that is a slot would be looked up anew each time
                run(frame, bus)
                if waiting:
                    after_access.call()
            except BaseException as error:
                _failed[context] = error
                try:  # noqa: SIM105  # `suppress` would be a call
                    settle_late(context)
                except RecursionError:  # then nothing has been done
                    pass

        return on_page

    def _stub_handler(self) -> Callable[..., None]:
        frames, instructions, pending = self._frames, self._instructions, pending_exceptions.pending
        settle_late, waiting = self._settle_late, after_access.waiting
        met, learn, outcomes, finish = (
            self.patching.met,
            self.patching.learn,
            self._direct.outcomes,
            self._finish,
        )
        rip, code, rflags = RIP, CODE, RFLAGS

        def on_stub(context: int) -> None:
            try:
                frame, regs, bus = frames[context]
                ip = bus.ip = regs[rip]
                if outcomes and regs[rflags] & OUTCOME:  # the device has been asked: nothing may come before that
                    finish(frame, regs, bus)
                    return
                if pending:
                    pending_exceptions.check()
                cached = instructions[regs[code]]
                bus.instruction = cached.instruction
                run = cached.run
                run(frame, bus)
                if waiting:
                    after_access.call()
                known = met.get(ip)
                if known and known.direct:
                    learn(known, frames.stack, regs, bus)
            except BaseException as error:
                _failed[context] = error
                try:  # noqa: SIM105  # `suppress` would be a call
                    settle_late(context)
                except RecursionError:  # then nothing has been done
                    pass

        return on_stub

    def _port_handler(self) -> Callable[..., None]:
        settle_late = self._settle_late
        met, halted, faulted = self.patching.met, self.patching.halted, self.patching.faulted

        def on_port(context: int) -> None:
            try:
                frame, regs, bus = self._frames[context]
                ip = bus.ip = regs[RIP]
                pending_exceptions.check()
                if halted(frame, regs):
                    return
                cached = self._instructions.of_a_protection_fault(regs[CODE], frame)
                if cached is None or cached.port is None:  # another instruction that user code may not execute
                    regs[VERDICT] = PASS_ON
                    return
                number = frame.dx if cached.port.register else cached.port.number
                known = met.get(ip)
                if known and known.settled and known.start <= number < known.end and known.space == "port":
                    known.counts.signals += 1
                elif faulted(frame, regs, number):
                    return
                bus.instruction = cached.instruction
                cached.run(frame, bus)
                if after_access.waiting:
                    after_access.call()
            except BaseException as error:
                _failed[context] = error
                try:  # noqa: SIM105  # `suppress` would be a call
                    settle_late(context)
                except RecursionError:  # then nothing has been done
                    pass

        return on_port

    def _copy_handler(self) -> Callable[..., None]:
        def on_copy(context: int, siginfo: int) -> None:
            frame, regs, bus = self._frames.at(context)
            info = SignalInfo.from_address(siginfo)
            stopped = regs[RIP]
            slot = own_slots().at(stopped)
            if slot is None or info.code <= 0 or stopped not in (slot.start, slot.end):  # the signal was sent
                regs[VERDICT] = PASS_ON
                return
            regs[RIP] = slot.ip  # it is the original that was interrupted, for everything that looks from here on
            try:
                pending_exceptions.check()
                if stopped == slot.end:
                    out_of_line.finish(slot, frame, bus)
                    if after_access.waiting:
                        after_access.call()
                else:  # the instruction itself faults, as the original would
                    if info.number == SIGFPE:
                        info.address = slot.ip
                    regs[VERDICT] = PASS_ON
                slot.release()
            except BaseException as error:
                regs[RIP] = stopped
                _failed[context] = error

        return on_copy

    def _failure_handler(self) -> Callable[..., None]:
        first = trampoline().word_address(0)

        def on_failure(context: int, handler: int) -> None:
            trapped = frame, regs, _ = self._frames.at(context)
            error = _failed.pop(context, None) or _of_the_limit()
            if regs[RFLAGS] & OUTCOME:  # the handler of the stub could not even begin
                error = self._finish_late(trapped, error)
            if isinstance(error, ArgumentError) and RecursionError.__name__ in str(error):
                error = RecursionError(*error.args).with_traceback(error.__traceback__)  # ctypes gives it another class
            if error is None:  # it was pending, and is found when the instruction faults again; or nothing has failed
                return
            if handler == first + 8 * COPY_HANDLER:
                slot = own_slots().at(regs[RIP])
                assert slot is not None
                regs[RIP] = slot.ip
                try:
                    owner = self.trapped_ranges.owner_at("memory", slot.address)
                    self._settle(trapped, error, owner, lambda: out_of_line.skip(slot, frame))
                finally:
                    slot.release()
            else:
                if regs[EXCEPTION] == GENERAL_PROTECTION:
                    owner = self._port_owner(frame)
                else:
                    owner = self.trapped_ranges.owner_at("memory", regs[FAULT_ADDRESS])
                self._settle(trapped, error, owner, lambda: self._float(trapped))
            pending_exceptions.lend()

        return on_failure

    def _finish_late(self, trapped: Trapped, error: BaseException | None) -> BaseException | None:
        """Complete an instruction whose device has been called directly; return what that raises.

        Args:
            trapped: where.
            error: what has kept the handler from doing so. It is raised when the driver returns, as what is pending.
        """
        frame, regs, bus = trapped
        bus.ip = regs[RIP]
        try:
            self._finish(frame, regs, bus)
        except BaseException as raised:
            return raised
        error = error or pending_exceptions.pending.pop(threading.get_ident(), None)
        if error is not None:
            pending_exceptions.raise_on_return(regs, error)
        return None

    def _finish(self, frame: Frame, regs: Any, bus: Initiator) -> None:
        """Complete an instruction whose device has been called directly."""
        self._direct.finish(regs[STUB], frame, regs, bus, self._instructions[regs[CODE]])
        if after_access.waiting:
            after_access.call()
        pending_exceptions.check()

    def _settle_late(self, context: int) -> None:
        """Raise in this thread, soon, what was raised when the instruction had been done: no failure is seen then."""
        known = self._frames.get(context)
        if known is not None:
            _, regs, bus = known
            if regs[RIP] != bus.ip:
                pending_exceptions.raise_on_return(regs, _failed.pop(context))

    def _settle(self, trapped: Trapped, error: BaseException, owner: Owner | None, finish: Callable[[], None]) -> None:
        """Find the right place for what was raised on the way.

        Args:
            trapped: where.
            error: what.
            owner: whose access it was.
            finish: completes the instruction as if nothing had answered.
        """
        frame, regs, _ = trapped
        if is_guest_fault(error):
            deliver(frame, error)
            return
        landing = unwind.find_call(frame)
        if landing is not None:
            unwind.leave(frame, landing, error)
            return
        called = sys._getframe(1).f_back is not None  # Python waits further out, though in no call we can return to
        if called:
            pending_exceptions.raise_on_return(regs, error)
        try:
            finish()
        except Exception:  # the program cannot continue from here
            pending_exceptions.withdraw()
            _report(error)
            regs[VERDICT] = PASS_ON
            return
        if not called:
            _report(error)
            if owner is not None:
                owner.failures.append(error)

    def _float(self, trapped: Trapped) -> None:
        """Execute the trapped instruction with no device there."""
        frame = trapped[0]
        self._instructions.at(frame).run(frame, self._floating)

    def _port_owner(self, frame: Frame) -> Owner | None:
        """Return whose port the trapped instruction names."""
        port = self._instructions.at(frame).port
        if port is None:
            return None
        number = frame.dx if port.register else port.number
        return self.trapped_ranges.owner_at("port", number)


def _install(index: int, function: Any, arguments: int) -> Any:
    """Make a handler known to the entry; return what must be kept for it to live."""
    pending_exceptions.guard(function)
    callback = CFUNCTYPE(None, *[c_void_p] * arguments)(function)
    trampoline().words[index] = address_of(callback)
    return callback


def _of_the_limit() -> RecursionError | None:
    """Return the error of a handler that the recursion limit kept from beginning, None if that is not why it failed.

    What a handler could not hold is pending, if it could be kept. When it has nothing to tell, either the limit has
    been reached, or the instruction has done its work and is to be executed again, as a jump to itself is.
    """
    if threading.get_ident() in pending_exceptions.pending:
        return None
    try:
        need_calls(_WITH_ROOM)
    except RecursionError as error:
        return error.with_traceback(None)
    return None


def _report(error: BaseException) -> None:
    """Report an exception as that of a thread that no call waits for."""
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
