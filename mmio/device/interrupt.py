"""Call a driver's interrupt handler when a device asserts its line.

A line only tells that its level has changed. What a CPU does with a level-triggered interrupt is more: the handler runs
while the line is asserted, again if it still is afterwards, never inside itself, and not while interrupts are
disabled. The handler may be Python or, through ctypes, native code, and may run while that code is inside a device
access.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from mmio.device.line import Line

STORM: Final = 1000  # calls one after the other after which a handler is taken for one that acknowledges nothing


class Interrupt:
    """Calls `handler()` while `line` is asserted.

        interrupt = Interrupt(card.irq, lambda: driver.card_irq(state))

    Attributes:
        calls: how often the handler has been called.
    """

    def __init__(self, line: Line, handler: Callable[[], object]) -> None:
        if not isinstance(line, Line) or not callable(handler):
            problem = "an interrupt takes a line of a device and a function, as Interrupt(card.irq, handler)"
            raise TypeError(f"{problem}; got {line!r} and {handler!r}")
        self.calls = 0
        self._line = line
        self._handler = handler
        self._disabled = 0  # how many times; the handler itself runs disabled
        self._end = line.subscribe(lambda level: self._deliver())
        self._deliver()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Hold the handler back for a while, as a CPU with interrupts disabled; what is pending comes at the end."""
        self._disabled += 1
        try:
            yield
        finally:
            self._disabled -= 1
        self._deliver()

    def close(self) -> None:
        """Take the handler off the line. Closing twice is closing once."""
        end, self._end = self._end, lambda: None
        end()
        self._disabled += 1

    def _deliver(self) -> None:
        if self._disabled:
            return
        self._disabled += 1
        try:
            left = STORM
            while self._line.level:
                if not left:
                    raise RuntimeError(
                        f"{self._line.name} is still asserted after {STORM} calls of its handler, which acknowledges "
                        "nothing, or not what asserts the line"
                    )
                left -= 1
                self.calls += 1
                self._handler()
        finally:
            self._disabled -= 1
