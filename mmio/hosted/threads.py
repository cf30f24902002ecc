"""Threads of a hosted program: each is a Python thread that has entered the program.

The first is the thread that calls `Host.run`. clone(2) starts another Python thread, which enters the program with the
registers of its maker, and returns to Python when it leaves. When the program ends, each thread is sent a SIGSYS, whose
handler makes it leave.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import addressof, c_uint64
from typing import Final

from mmio.hosted.context import Context, copied
from mmio.hosted.exits import ThreadExited
from mmio.hosted.faults import Frames
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.signals import leave_stack
from mmio.hosted.thread import Thread
from mmio.hosted.trampoline import PROGRAM_FS
from mmio.linux.syscall_table import NUMBERS
from mmio.live.signal_frame import RAX, RSP

# clone(2)
PARENT_SETTID: Final = 0x100000
CHILD_CLEARTID: Final = 0x200000
CHILD_SETTID: Final = 0x1000000
SETTLS: Final = 0x80000

_TGKILL: Final = NUMBERS[64]["tgkill"]
_FUTEX: Final = NUMBERS[64]["futex"]
_SET_ROBUST_LIST: Final = NUMBERS[64]["set_robust_list"]
_GET_ROBUST_LIST: Final = NUMBERS[64]["get_robust_list"]

_WAKE: Final = 1  # FUTEX_WAKE
_JOIN_TIMEOUT: Final = 5.0  # seconds, for a thread that is in a device model or a system call

RunThread = Callable[[Thread, Context, int], BaseException]


class Threads:
    """Threads of one program.

    Args:
        frames: finds the thread that a signal stack belongs to.
        run_in_program: enters the program with a thread, a context and an FS base; returns the reason why it was left.
        several: called before the program has more than one thread.

    Attributes:
        ending: the reason why the program ends; None while it runs.
    """

    def __init__(self, frames: Frames, run_in_program: RunThread, several: Callable[[], None]) -> None:
        self._several = several
        self._frames = frames
        self._run_in_program = run_in_program
        self._others: dict[Thread, threading.Thread] = {}
        self.ending: BaseException | None = None

    @property
    def count(self) -> int:
        """The number of threads."""
        return len(self._frames.threads)

    def add(self, thread: Thread) -> None:
        """Register a thread of the program."""
        self._frames.threads[thread.signals.start] = thread

    def make(self, maker: Thread, flags: int, stack: int, parent: int, child: int, tls: int) -> int:
        """Make a thread as clone(2) does; return its TID."""
        self._several()
        thread = Thread(maker.process, maker.blocked)
        context = copied(maker.frame, thread.signals)
        context.frame.regs[RAX], context.frame.regs[RSP] = 0, stack
        fs_base = tls if flags & SETTLS else maker.regs[PROGRAM_FS]
        thread.clear_at = child if flags & CHILD_CLEARTID else 0
        begun = threading.Event()

        def run() -> None:
            thread.begin(threading.get_native_id())
            begun.set()
            numbered.wait()
            self._run_thread(thread, context, fs_base)

        numbered = threading.Event()
        self._others[thread] = threading.Thread(target=run, daemon=True)
        self.add(thread)
        self._others[thread].start()
        begun.wait()
        if flags & PARENT_SETTID:
            thread.process.memory.write(parent, 4, thread.pid)
        if flags & CHILD_SETTID:
            thread.process.memory.write(child, 4, thread.pid)
        numbered.set()
        return thread.pid

    def end(self, outcome: BaseException) -> None:
        """Make all threads but this one leave the program, unless another thread has done so already."""
        if self.ending is not None:
            return
        self.ending = outcome
        for thread in list(self._frames.threads.values()):
            if thread.pid != threading.get_native_id():
                system_call(_TGKILL, os.getpid(), thread.pid, signal.SIGSYS)

    def wait(self) -> None:
        """Wait until all other threads have left; once the program ends, for five seconds at most."""
        while others := list(self._others.values()):
            others[0].join(_JOIN_TIMEOUT if self.ending is not None else None)
            if others[0].is_alive():
                return

    def keep_only(self, thread: Thread) -> None:
        """Forget all threads but one, which is the only one in a new child."""
        self._others.clear()
        self.ending = None
        for other in list(self._frames.threads.values()):
            if other is not thread:
                self._frames.drop(other)

    def _run_thread(self, thread: Thread, context: Context, fs_base: int) -> None:
        if self.ending is None:  # from here on a signal tells the thread
            with robust_list_kept():
                outcome = self._run_in_program(thread, context, fs_base)
            if not isinstance(outcome, ThreadExited):
                self.end(outcome)
            leave_stack()
        self._frames.drop(thread)
        self._others.pop(thread, None)
        thread.signals.free()
        clear(thread)


def clear(thread: Thread) -> None:
    """Clear the word at `clear_at` and wake its waiters, as the kernel does when a thread ends (set_tid_address(2))."""
    if thread.clear_at:
        thread.process.memory.write(thread.clear_at, 4, 0)
        system_call(_FUTEX, thread.clear_at, _WAKE, 1)


@contextmanager
def robust_list_kept() -> Iterator[None]:
    """Save this thread's list of robust mutexes, which the program replaces (set_robust_list(2)), and restore it."""
    words = (c_uint64 * 2)()
    system_call(_GET_ROBUST_LIST, 0, addressof(words), addressof(words) + 8)
    try:
        yield
    finally:
        system_call(_SET_ROBUST_LIST, words[0], words[1])
