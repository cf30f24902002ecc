"""Waits of traced threads on a virtual clock: endless in the kernel, until the tracer interrupts them.

The kernel wakes a thread for whatever else the call waits for, and for signals. When the thread's time has come it is
interrupted (PTRACE_INTERRUPT), and the result of the call that stops there is made that of a timeout. A call that a
signal interrupts has the result by which the kernel makes it again unless a handler runs (ERESTARTNOHAND): with the
program's own arguments, and the deadline it had.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from mmio.linux import proc_maps
from mmio.program.bounce_buffers import bounce
from mmio.program.kernel_access import KernelAccess
from mmio.program.thread import Call, StoppedThread
from mmio.program.time_stop import TimeCalls
from mmio.program.virtual_time import Wait
from mmio.ptrace import ptrace_requests
from mmio.ptrace.thread import Thread
from mmio.ptrace.waiting import Waiting, ask

_INTERRUPTED: Final = -4  # EINTR, of the calls that are never made again
_NO_HANDLER: Final = -514  # ERESTARTNOHAND of linux/errno.h
_RESTARTS: Final = (-512, -513, _NO_HANDLER, -516)
_SHORTEST, _LONGEST = 0.00005, 0.005  # seconds between two looks at threads that run


class KernelWaits:
    """The tracer's way to make a call wait: for ever in the kernel.

    Args:
        calls: those that follow the time.
        threads: all that are traced, by TID.
    """

    def __init__(self, calls: TimeCalls, threads: Mapping[int, Thread]) -> None:
        self._calls, self._threads = calls, threads

    def wait(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess, wait: Wait) -> None:
        """Make a call wait until its virtual deadline, or another one in its place."""
        virtual = self._calls.time
        if bounce(thread, name, call, access):
            return  # what it waits for is in a device's memory: it has the host's time
        if wait.probe is None and wait.deadline is not None and self._slept(thread, wait.deadline):
            thread.answer_call(0)
            return
        number, changed = wait.endless
        thread.set_call(number, changed, call.bits)
        virtual.waits[thread.pid] = wait

        def returned() -> None:
            virtual.waits.pop(thread.pid, None)
            result = thread.call_result
            if wait.expired and result in (*_RESTARTS, _INTERRUPTED):
                result = wait.timed_out
            elif result in _RESTARTS:
                result = _NO_HANDLER
                self._calls.restarts(thread, call, wait.deadline)
            thread.restore_call(result)
            wait.finish(result)

        thread.on_exit = returned

    def wait_for_input(self, thread: StoppedThread, descriptor: int) -> int:
        """Do nothing: the kernel waits."""
        return 0

    def _slept(self, thread: StoppedThread, deadline: int) -> bool:
        """Advance to the end of a sleep at once, if no other thread can run meanwhile; return whether it did."""
        virtual = self._calls.time
        while virtual.clock.now < deadline:
            if len(self._threads) > 1 or proc_maps.has_signal(thread.pid):
                return False
            virtual.step(deadline)
        return True


class IdleWaiting(Waiting):
    """Waits for traced threads, and moves the time on when all of them sleep.

    Args:
        threads: all that are traced, by TID.
        calls: those that follow the time.
    """

    def __init__(self, threads: Mapping[int, Thread], calls: TimeCalls) -> None:
        super().__init__(threads)
        self._traced, self._calls = threads, calls
        self._nap = _SHORTEST

    def wait(self) -> tuple[int, int]:
        """Return the number of a thread and its wait status; `(0, 0)` when a signal may have come to us."""
        virtual = self._calls.time
        if virtual.next_due is None:
            return super().wait()
        for pid in list(self._traced):
            found = ask(pid)
            if found[0]:
                self._nap = _SHORTEST
                return found
        if self._is_idle():
            for tid in virtual.step():
                with suppress(ProcessLookupError):  # it has just stopped, and will tell
                    ptrace_requests.request(ptrace_requests.INTERRUPT, tid)
            self._nap = _SHORTEST
        else:
            time.sleep(self._nap)
            self._nap = min(2 * self._nap, _LONGEST)
        return 0, 0

    def _is_idle(self) -> bool:
        """Return whether all threads sleep in the kernel, and have slept while they were looked at."""
        before = self._sleeps()
        return before is not None and self._sleeps() == before

    def _sleeps(self) -> list[int] | None:
        """Return how often each thread has gone to sleep; None when one is awake."""
        waiting = {thread.vfork_maker.pid for thread in self._traced.values() if thread.vfork_maker is not None}
        found = []
        for tid in list(self._traced):
            wait = self._calls.time.waits.get(tid)
            state, count = proc_maps.sleeps(tid)
            if (wait is not None and wait.expired) or not (state in "SZX" or (state == "D" and tid in waiting)):
                return None
            found.append(count)
        return found
