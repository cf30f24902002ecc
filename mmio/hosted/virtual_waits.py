"""Waits of a hosted program's threads on a virtual clock: polled in the handler of the call.

All signals are blocked in a handler. So the call cannot be left in the kernel until something interrupts it, as under
ptrace; the kernel is asked whether the wait is over, by the same call without a timeout, and between two questions time
continues: at once when all other threads sleep as well, and have asked since the last of them did anything. A signal
that is to be delivered ends the wait, and is delivered when the handler returns.

Where all threads sleep in calls that have no timeout (a read of a pipe, a lock), none of them can move the time on: a
thread of pagetrap's does, which looks now and then.
"""

import errno
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from types import CodeType, FrameType
from typing import Final

from mmio.device.clock import Clock
from mmio.hosted.exits import Ending
from mmio.hosted.faults import Frames
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.signals import Signals
from mmio.hosted.threads import Threads
from mmio.linux import proc_maps
from mmio.live.memory import Unreachable
from mmio.program.bounce_buffers import bounce
from mmio.program.kernel_access import KernelAccess
from mmio.program.thread import Call, StoppedThread
from mmio.program.time_stop import TimeCalls
from mmio.program.virtual_time import Wait

_SHORTEST, _LONGEST = 0.00005, 0.005  # seconds between two questions
_ZERO: Final = bytes(16)  # a struct timespec, or timeval


class LoopWaits:
    """The host's way to make a call wait: ask again and again.

    Args:
        calls: those that follow the time.
        signals: what the program has arranged for them.
        frames: knows the program's threads.
        threads: say when the program ends.
        handlers: the code of the functions that answer a program's signals: a thread in one of them is awake, even
            where it waits for the interpreter.
    """

    def __init__(
        self,
        calls: TimeCalls,
        signals: Signals,
        frames: Frames,
        threads: Threads,
        handlers: Collection[CodeType],
    ) -> None:
        self._handlers = handlers
        self._calls, self._signals, self._frames, self._threads = calls, signals, frames, threads
        self._lock = threading.Lock()
        self._epoch = 0  # continues when a thread has done something, or time has continued
        self._asked: dict[int, int] = {}  # by TID of a thread that waits here: the epoch in which there was nothing
        self._tids: dict[int, int] = {}  # of the threads that wait here, by their numbers in Python
        self._stop = threading.Event()
        self._keeper: threading.Thread | None = None
        self._sleeps: dict[int, int] = {}  # by TID of one that sleeps elsewhere: how often it has

    def start(self) -> None:
        """Begin to look, in a thread that blocks all signals, as the one that calls this must do."""
        self._stop.clear()
        self._keeper = threading.Thread(target=self._look, name="moves virtual time", daemon=True)
        try:
            self._keeper.start()
        except RuntimeError:  # no thread can be had here
            self._keeper = None

    def stop(self) -> None:
        """End that thread. Does nothing when there is none."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            self._stop.set()
            keeper.join()

    def _look(self) -> None:
        while not self._stop.wait(_LONGEST):
            try:
                with self._lock:
                    if not self._asked and self._calls.time.next_due is not None and self._threads.ending is None:
                        before = self._sleeping()
                        if before and self._sleeping() == before:
                            self._step()
            except BaseException as error:  # of a device model
                self._threads.end(error)
                return

    def wait(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess, wait: Wait) -> None:
        """Wait until a call's virtual deadline, or until it has something else to return, and answer it."""
        if bounce(thread, name, call, access):
            return  # what it waits for is in a device's memory: it has the host's time
        virtual, clock = self._calls.time, self._calls.time.clock
        arguments = self._arguments(thread, call, wait)
        end = wait.deadline
        now = _now_of(clock)
        if not virtual.follows and end is not None:
            end += time.monotonic_ns() - clock.now
            now = time.monotonic_ns

        def ask() -> int | None:
            if arguments is not None:
                result = system_call(call.number, *arguments)
                if result != wait.not_ready:
                    return result
            return wait.timed_out if end is not None and now() >= end else None

        if virtual.follows:
            virtual.waits[thread.pid] = wait
        try:
            found = self._until(thread, ask, wait.mask)
        finally:
            virtual.waits.pop(thread.pid, None)
        if found is None and wait.mask and not self._has_signal(thread, 0):
            return  # it can come under the mask of the call only: the kernel delivers it there at once
        result = -errno.EINTR if found is None else found
        if virtual.follows:
            wait.finish(result)
        thread.answer_call(result)

    def wait_for_input(self, thread: StoppedThread, descriptor: int) -> int:
        """Wait until a descriptor can be read; return 0, or minus an errno."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return -errno.EINTR if self._until(thread, lambda: 0 if poll.poll(0) else None, 0) is None else 0

    def _arguments(self, thread: StoppedThread, call: Call, wait: Wait) -> tuple[int, ...] | None:
        """Return the arguments with which the call does not wait; None when only the time can end it."""
        if wait.probe is None:
            return None
        changed: dict[int, int] = {}
        for index, value in wait.probe.items():
            if value is None:
                place = thread.buffer(len(_ZERO))
                thread.process.memory.write_block(place, _ZERO)
                value = place
            changed[index] = value
        return tuple(changed.get(index, value) for index, value in enumerate(call.arguments))

    def _until(self, thread: StoppedThread, ask: Callable[[], int | None], mask: int) -> int | None:
        """Return what a question is answered by in the end; None when a signal is to be delivered."""
        nap = _SHORTEST
        tid = thread.pid
        self._tids[threading.get_ident()] = tid
        try:
            while True:
                epoch = self._epoch
                answer = ask()
                if answer is not None:
                    return answer
                if self._threads.ending is not None:
                    raise Ending
                if self._has_signal(thread, mask):
                    return None
                with self._lock:
                    self._asked[tid] = epoch
                    if self._all_sleep() and self._calls.time.next_due is not None:
                        self._step()
                        nap = _SHORTEST
                        continue
                time.sleep(nap)
                nap = min(2 * nap, _LONGEST)
        finally:
            with self._lock:
                self._asked.pop(tid, None)
                del self._tids[threading.get_ident()]
                self._epoch += 1

    def _step(self) -> None:
        """Move the time on. Each thread that has asked before asks again: a signal may have been sent."""
        self._calls.time.step()
        for wait in list(self._calls.time.waits.values()):
            wait.expired = False
        self._epoch += 1

    def _all_sleep(self) -> bool:
        """Return whether no thread can do anything, as far as all of them have asked since the last one did."""
        sleeps = self._sleeping()
        if sleeps is None:
            return False
        if sleeps != self._sleeps:
            self._sleeps = sleeps
            self._epoch += 1
        return all(epoch == self._epoch for epoch in self._asked.values())

    def _sleeping(self) -> dict[int, int] | None:
        """Return how often each thread that does not wait here has gone to sleep; None when one is awake."""
        for ident, innermost in sys._current_frames().items():
            tid = self._tids.get(ident)
            if tid is not None and tid not in self._asked:
                return None  # it is about to ask, and may sleep until it gets the lock, which is held here
            frame: FrameType | None = None if tid is not None else innermost
            while frame is not None:
                if frame.f_code in self._handlers:
                    return None
                frame = frame.f_back
        sleeps: dict[int, int] = {}
        for thread in list(self._frames.threads.values()):
            if thread.pid not in self._asked:
                if thread.calls_device:
                    return None
                state, sleeps[thread.pid] = proc_maps.sleeps(thread.pid)
                if state not in "SZX":
                    return None
        return sleeps

    def _has_signal(self, thread: StoppedThread, mask: int) -> bool:
        """Return whether a signal waits that the program would be told of, or ended by."""
        pending = signal.sigpending()
        if not pending:
            return False
        frame = self._frame_mask(thread)
        try:
            blocked = thread.process.memory.read(mask, 8) if mask else frame
        except Unreachable:
            return True  # the kernel says so
        return any(not blocked >> number - 1 & 1 and self._signals.matters(number) for number in pending)

    def _frame_mask(self, thread: StoppedThread) -> int:
        for each in self._frames.threads.values():
            if each is thread:
                return int(each.frame.signal_mask.value) | each.blocked
        return 0


def _now_of(clock: Clock) -> Callable[[], int]:
    return lambda: clock.now
