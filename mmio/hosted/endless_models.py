"""End a run by SIGINT or SIGTERM although a device model does not return.

While pagetrap answers an access, all signals of the program are blocked; one that would end the program waits until the
access is done. A model that never returns would make the process deaf to all signals but SIGKILL. So a thread looks
now and then: when such a signal waits, and an access is still the same one as at the last look, an exception is raised
in the model (PyThreadState_SetAsyncExc). A model that waits in C code does not notice it. Then the current records are
written, and the process ends by the signal.
"""

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from ctypes import c_ulong, py_object
from types import CodeType, FrameType
from typing import Final

from mmio.formats.writer import hand_on_all
from mmio.hosted.raw_syscall import system_call
from mmio.hosted.signals import Signals
from mmio.hosted.trampoline import Crossing
from mmio.linux.syscall_table import NUMBERS

_TGKILL: Final = NUMBERS[64]["tgkill"]
_ENDING: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_PERIOD: Final = 0.15  # seconds from one look to the next
_PATIENCE: Final = 4  # looks until a model that waits in C code is ended with the process
_HANDLED: Final = 60  # looks until a signal counts that the program has a handler for: it may wait for a slow device


class Interrupted(BaseException):
    """Raised in a device model when a signal is to end the run; `number` is the signal's."""

    number = 0


class Watchdog:
    """The thread that looks. It exists between `start` and `stop`.

    Args:
        handlers: the code of the functions in which accesses are made.
        signals: what the program wants done about each signal.
    """

    def __init__(self, handlers: Collection[CodeType], signals: Signals) -> None:
        self._handlers = handlers
        self._signals = signals
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread that blocks all signals, as the one that calls this must do."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._watch, name="ends endless models", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no thread can be had here
            self._thread = None

    def stop(self) -> None:
        """End the thread. Does nothing when there is none."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stop.set()
            thread.join()
            # The kernel's thread ends a little later, and some calls of the program ask whether it has only one.
            while thread.native_id is not None and system_call(_TGKILL, os.getpid(), thread.native_id, 0) == 0:
                os.sched_yield()

    def forget(self) -> None:
        """Forget the thread in a new child, which does not have it."""
        self._thread = None

    def _watch(self) -> None:
        same, before = 0, dict[int, FrameType]()
        while not self._stop.wait(_PERIOD):
            pending = {number for number in signal.sigpending() & _ENDING if not self._signals.ignores(number)}
            accesses = self._accesses() if pending else {}
            stuck = {thread: frame for thread, frame in accesses.items() if before.get(thread) is frame}
            same, before = same + 1 if stuck else 0, accesses
            for number in pending:
                late = same - (_HANDLED if self._signals.handles(number) else 0)
                if late > _PATIENCE:
                    self._end_process(number)
                elif late > 0:
                    for thread in stuck:
                        _interrupt(thread, number)

    def _accesses(self) -> dict[int, FrameType]:
        """Return the frame of the handler, or the model called directly, that each thread is in, by its identity."""
        found = {}
        for thread, innermost in sys._current_frames().items():
            frame: FrameType | None = innermost
            while frame is not None and frame.f_code not in self._handlers and not _is_called_directly(frame):
                frame = frame.f_back
            if frame is not None:
                found[thread] = frame
        return found

    def _end_process(self, number: int) -> None:
        """Write what has been recorded, and end this process by a signal that waits for it."""
        with suppress(Exception):
            hand_on_all()
        name = signal.Signals(number).name
        with suppress(OSError):
            os.write(2, f"pagetrap: ended by {name}, while a device model waited for something else\n".encode())
        self._signals.die(number)


def _is_called_directly(frame: FrameType) -> bool:
    """Return whether a function was called out of the program, with no function of pagetrap's between."""
    return frame.f_back is not None and frame.f_back.f_code is Crossing.enter.__code__


def _interrupt(thread: int, number: int) -> None:
    """Raise `Interrupted` in a thread, at its next bytecode."""
    raised = type(Interrupted.__name__, (Interrupted,), {"number": number})
    ctypes.pythonapi.PyThreadState_SetAsyncExc(c_ulong(thread), py_object(raised))
