"""Stop the tracer on request: the first signal detaches, the second ends it at once.

While a program is traced, an exception out of a signal handler could come between the kernel telling of a stop and us
hearing it, and a thread would be lost. So the first SIGINT, SIGTERM or SIGHUP only sets a mark, which the loop looks at
between two stops. The second one raises KeyboardInterrupt wherever it comes. So does the first, a second late, when the
loop has not looked at the mark till then: a device model does not return.

A signal that comes between Python's last look at its signals and the system call that waits does not end that call, and
its handler would run with the next stop, which may never be. So a thread hears of each signal, too
(signal.set_wakeup_fd), and sends it once more a little later.
"""

import os
import signal
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, Final, Self

_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 1.0  # seconds
_LATER: Final = 0.05  # seconds until a signal is sent once more


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
        self._sent = self._heard = 0  # signals that came, and those of them that have been dealt with
        self._wakeup: tuple[int, int] | None = None  # our descriptor, and the one before

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _ASKING:
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._asked)
            if self._before:
                self._listen()
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
        if self._wakeup is not None:
            ours, before = self._wakeup
            self._wakeup = None
            signal.set_wakeup_fd(before)
            os.close(ours)  # which ends the thread
        while self._before:
            signal.signal(*self._before.popitem())

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.number and self._wakeup is not None and self._heard >= self._sent:
            return  # the first one once more, or one that the thread has not told of yet: it will come once more
        self._heard += 1
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

    def _listen(self) -> None:
        """Start the thread that hears of signals; without one, all but the rarest are heard all the same."""
        with suppress(OSError, RuntimeError):  # no descriptor or no thread can be had here
            reading, writing = os.pipe()
            try:
                os.set_blocking(writing, False)
                threading.Thread(target=self._repeat, args=(reading,), daemon=True).start()
            except BaseException:
                os.close(reading)
                os.close(writing)
                raise
            self._wakeup = writing, signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def _repeat(self, reading: int) -> None:
        """Send each signal once more to the thread that handles it, in a thread of its own."""
        own = 0
        while data := os.read(reading, 1):
            if data[0] not in _ASKING:
                continue
            if own:  # of a signal that was sent here
                own -= 1
                continue
            self._sent += 1
            time.sleep(_LATER)
            if self._heard < self._sent and self._before:
                own += 1
                signal.pthread_kill(threading.main_thread().ident or 0, data[0])
        os.close(reading)

    def _remind(self) -> None:
        """Send the signal once more to the thread that handles it, in another thread."""
        if self._before and not self.told:
            self._is_reminded = True
            signal.pthread_kill(threading.main_thread().ident or 0, self.number)
