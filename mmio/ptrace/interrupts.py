"""Being asked to stop: once politely, twice at once.

While a program is traced, an exception out of a signal handler could come between the kernel telling of a stop and us
hearing it, and a thread would be lost. So the first SIGINT, SIGTERM or SIGHUP only sets a mark, which the loop looks at
between two stops. The second one raises KeyboardInterrupt wherever it comes. So does the first, a second late, when the
loop has not looked at the mark till then: a device model does not return.
"""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any, Final, Self

_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 1.0  # seconds


class Interrupts:
    """Handlers for the signals that ask the tracer to stop. Use it in a `with` statement.

    Only signals with their usual effect are taken over, and only in the main thread, which is where Python hears them.

    Attributes:
        number: the signal that came, 0 before.
        told: the loop has done something about it.
    """

    def __init__(self) -> None:
        self.number = 0
        self.told = False
        self._before: dict[int, Any] = {}
        self._reminder: threading.Timer | None = None
        self._is_reminded = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _ASKING:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def fulfil(self) -> None:
        """Raise the effect of the signal that came, now that all programs are detached or ended."""
        self._restore()
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.number:
            os.kill(os.getpid(), self.number)

    def _restore(self) -> None:
        if self._reminder is not None:
            self._reminder.cancel()
        while self._before:
            signal.signal(*self._before.popitem())

    def _asked(self, number: int, frame: FrameType | None) -> None:
        reminded, self._is_reminded = self._is_reminded, False
        if reminded and self.told:
            return
        if self.number:
            raise KeyboardInterrupt(self.number)
        self.number = number
        self._reminder = threading.Timer(_PATIENCE, self._remind)
        self._reminder.daemon = True
        with suppress(RuntimeError):  # no thread can be had here
            self._reminder.start()

    def _remind(self) -> None:
        """Send the signal once more to the thread that handles it, in another thread."""
        if self._before and not self.told:
            self._is_reminded = True
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)
