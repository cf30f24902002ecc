"""Being asked to stop: once politely, twice at once.

While a program is traced, an exception out of a signal handler could come between the kernel telling of a stop and us
hearing it, and a thread would be lost. So the first SIGINT, SIGTERM or SIGHUP only sets a mark, which the loop looks at
between two stops. The second one is as ever.
"""

import os
import signal
import threading
from types import FrameType
from typing import Any, Final, Self

_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
        while self._before:
            signal.signal(*self._before.popitem())

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            raise KeyboardInterrupt
        self.number = number
