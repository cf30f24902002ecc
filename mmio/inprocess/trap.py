"""A signal has brought us here: what happens between the entry's call and its return.

The ordinary way through a handler is short: the frame by the address of its ucontext, what to do by the instruction's
bytes, and that is done. Each step is one look-up in a dictionary that fills itself, and nothing is made anew.

Whatever is raised on that way ends in `_settle`: a fault of the program's own is delivered to it; anything else comes
out of the call that entered the driver, or is kept when there is no such call.
"""

import os
import sys
import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_void_p
from signal import SIGFPE
from typing import Any, Final, TypeAlias

from mmio.inprocess import finalization, pending_exceptions, unwind
from mmio.inprocess.trapped_ranges import Owner, TrappedRanges
from mmio.linux.libc import address_of
from mmio.linux.trampoline import CODE, COPY_HANDLER, INSIDE, PAGE_HANDLER, PASS_ON, PORT_HANDLER, VERDICT, trampoline
from mmio.live import out_of_line
from mmio.live.fault_signals import SignalInfo, deliver, is_guest_fault
from mmio.live.instruction_cache import InstructionCache
from mmio.live.memory import FloatingMemory
from mmio.live.own_slots import own_slots
from mmio.live.signal_frame import FAULT_ADDRESS, RIP, SLOTS, Frame
from mmio.space.initiator import Initiator
from mmio.space.recorder import Recorder
from mmio.space.space import AddressSpace

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them

_MOST_FRAMES: Final = 1024  # remembered per thread


_Trapped: TypeAlias = tuple[Frame, Any, Initiator]
"""What belongs to the ucontext at one address: the frame, its registers, the bus. Plain, as plain ones unpack fast."""


class _Frames(dict[int, _Trapped]):
    """Frames of trapped threads, by the address of the ucontext, which is on the stack of one thread only.

    Each frame has an initiator of its own: a device model may enter a driver, while the access around it goes on.
    """

    def __init__(self, space: AddressSpace) -> None:
        super().__init__()
        self._space = space
        self._mine = _Mine(self)

    def __missing__(self, address: int) -> _Trapped:
        if len(self) >= _MOST_FRAMES:
            self.clear()
        frame = Frame(address)
        trapped = self[address] = (frame, frame.regs, self._space.initiator(threading.get_native_id()))
        self._mine.stack.addresses.add(address)
        return trapped

    def record_to(self, recorder: Recorder) -> None:
        """Record accesses from now on elsewhere."""
        for _, _, bus in list(self.values()):
            bus.trace = recorder


class _Stack:
    """The addresses on one thread's stack. They are forgotten with the thread: another may get the same stack."""

    def __init__(self, frames: _Frames) -> None:
        self.addresses: set[int] = set()
        self._frames = frames

    def __del__(self) -> None:
        for address in self.addresses:
            self._frames.pop(address, None)


class _Mine(threading.local):
    """State of each thread."""

    def __init__(self, frames: _Frames) -> None:
        self.stack = _Stack(frames)


class Trap:
    """The three handlers of faults in the trapped ranges."""

    def __init__(self, trapped_ranges: TrappedRanges) -> None:
        self.trapped_ranges = trapped_ranges
        self._frames = _Frames(trapped_ranges.space)
        self._instructions = InstructionCache(SLOTS)
        self._floating: Any = FloatingMemory()
        self._callbacks = [
            _install(PAGE_HANDLER, self._page_handler(), 1),
            _install(PORT_HANDLER, self._port_handler(), 1),
            _install(COPY_HANDLER, self._copy_handler(), 2),
        ]
        trapped_ranges.record_to = self._frames.record_to
        os.register_at_fork(after_in_child=self._forked)

    def finish(self) -> None:
        """End, as the interpreter is about to, whatever is still mapped."""
        if self.trapped_ranges.in_use:
            finalization.finish(self._callbacks)

    def _forked(self) -> None:
        """Forget the other threads; the one that is left has another number."""
        self._frames.clear()
        trampoline().words[INSIDE] = 0

    def _page_handler(self) -> Callable[..., None]:
        frames, instructions, pending = self._frames, self._instructions, pending_exceptions.pending
        rip, code = RIP, CODE

        def on_page(context: int) -> None:
            try:
                if pending:
                    pending_exceptions.check()
                frame, regs, bus = frames[context]
                cached = instructions[regs[code]]
                bus.ip = regs[rip]
                bus.instruction = cached.instruction
                run = cached.run  # a call through an attribute that is a slot would be looked up anew each time
                run(frame, bus)
                return
            except BaseException as error:
                trapped = _, regs, _ = frames[context]
                owner = self.trapped_ranges.owner_at("memory", regs[FAULT_ADDRESS])
                self._settle(trapped, error, owner, lambda: self._float(trapped))
            pending_exceptions.lend()

        return on_page

    def _port_handler(self) -> Callable[..., None]:
        def on_port(context: int) -> None:
            trapped = frame, regs, bus = self._frames[context]
            try:
                pending_exceptions.check()
                cached = self._instructions.of_a_protection_fault(regs[CODE], frame)
                if cached is None or cached.port is None:  # another instruction that user code may not execute
                    regs[VERDICT] = PASS_ON
                else:
                    bus.ip = regs[RIP]
                    bus.instruction = cached.instruction
                    cached.run(frame, bus)
                return
            except BaseException as error:
                self._settle(trapped, error, self._port_owner(frame), lambda: self._float(trapped))
            pending_exceptions.lend()

        return on_port

    def _copy_handler(self) -> Callable[..., None]:
        def on_copy(context: int, siginfo: int) -> None:
            trapped = frame, regs, bus = self._frames[context]
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
                else:  # the instruction itself faults, as the original would
                    if info.number == SIGFPE:
                        info.address = slot.ip
                    regs[VERDICT] = PASS_ON
                return
            except BaseException as error:
                owner = self.trapped_ranges.owner_at("memory", slot.address)
                self._settle(trapped, error, owner, lambda: out_of_line.skip(slot, frame))
            finally:
                slot.release()
            pending_exceptions.lend()

        return on_copy

    def _settle(self, trapped: _Trapped, error: BaseException, owner: Owner | None, finish: Callable[[], None]) -> None:
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
        except Exception:  # the program cannot go on from here
            pending_exceptions.withdraw()
            _report(error)
            regs[VERDICT] = PASS_ON
            return
        if not called:
            _report(error)
            if owner is not None:
                owner.failures.append(error)

    def _float(self, trapped: _Trapped) -> None:
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


def _report(error: BaseException) -> None:
    """Report an exception as that of a thread that no call waits for."""
    threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
