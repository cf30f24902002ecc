"""Interrupts as signals: to a thread of this process, or to a program under an engine."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Final, Self

from mmio.arguments import integer, shortened
from mmio.device.line import Line
from mmio.interrupts.source import InterruptSource

_MOST_PID: Final = (1 << 22) - 1  # PID_MAX_LIMIT of linux/threads.h


class SignalSender:
    """Sends a signal for each interrupt of a line.

        SignalSender(card.irq, SIGUSR1)  # to the thread that makes it: a driver in C with a handler for it
        SignalSender(card.irq, SIGIO, lambda: tracer.processes[0])  # to the traced program

    Args:
        line: of a device.
        number: the signal.
        process: the PID of a process, or a function that returns it when the signal is due; the thread of this
            process that makes the sender when left out.
        trigger: "level" or "edge"; the line's own when left out.
        automask: with "level", no signal comes after one until `unmask`. Without it each rise of the line is one.

    Raises:
        TypeError, ValueError: an argument is not what it should be.

    Attributes:
        source: the interrupt, with `mask` and `unmask`.
    """

    def __init__(
        self,
        line: Line,
        number: int,
        process: int | Callable[[], int] | None = None,
        trigger: str | None = None,
        *,
        automask: bool = False,
    ) -> None:
        number = integer("number, of the signal,", number)
        if number not in signal.valid_signals() or number in (signal.SIGKILL, signal.SIGSTOP):
            raise ValueError(f"number is a signal that a program can handle, such as signal.SIGUSR1, not {number}")
        if process is not None and not callable(process):
            try:
                process = integer("process", process, 1, _MOST_PID)
            except TypeError:
                problem = "process is a PID, or a function that returns one"
                raise TypeError(f"{problem}, not {shortened(process)}") from None
        self._number, self._process = number, process
        self._thread = threading.get_ident()
        self.source = InterruptSource(line, self._send, trigger=trigger, automask=automask)

    def unmask(self) -> None:
        """Allow interrupts; see `InterruptSource.unmask`."""
        self.source.unmask()

    def close(self) -> None:
        """Take it off the line. Closing twice is closing once."""
        self.source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _send(self) -> None:
        process = self._process
        if process is None:
            signal.pthread_kill(self._thread, self._number)
        else:
            os.kill(process() if callable(process) else process, self._number)
