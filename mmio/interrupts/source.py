"""Derive interrupts from a line's level: level- or edge-triggered, masked, and self-masking.

A level-triggered interrupt is there while the line is asserted. What hands it to a program cannot wait until the
program has quietened the device, so it masks the interrupt when it has passed one, and the program unmasks it: if
the line is still asserted, there is the next one (uio_pdrv_genirq.c, vfio_pci_intrs.c of Linux). An edge-triggered one
is a line that comes to be asserted. While masked, one edge is remembered, as an interrupt controller does.
"""

from collections.abc import Callable
from threading import RLock
from typing import Final, Self

from mmio.arguments import flag, shortened
from mmio.device.line import Line, trigger_word


def trigger_of(line: Line, trigger: str | None) -> str:
    """Return how a line triggers, as it says itself when nothing else is said.

    Raises:
        TypeError: the line is none.
        ValueError: there is no such trigger.
    """
    if not isinstance(line, Line):
        raise TypeError(f"line is a line of a device, as card.irq, not {shortened(line)}")
    return line.trigger if trigger is None else trigger_word(trigger)


class InterruptSource:
    """One interrupt of a line: calls a function for each.

    Args:
        line: of a device.
        fire: called once an interrupt, in the thread that has driven the line or unmasked.
        trigger: "level" or "edge"; the line's own when left out.
        automask: a level-triggered interrupt masks itself when it fires. Without it, it fires when the line rises.
        masked: whether it begins masked.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
    """

    def __init__(
        self,
        line: Line,
        fire: Callable[[], object],
        *,
        trigger: str | None = None,
        automask: bool = True,
        masked: bool = False,
    ) -> None:
        self.trigger: Final = trigger_of(line, trigger)
        if not callable(fire):
            raise TypeError(f"fire is a function without arguments, not {shortened(fire)}")
        self._line, self._fire = line, fire
        self._automask = flag("automask", automask) and self.trigger == "level"
        self._masked = flag("masked", masked)
        self._closed = False
        self._pending = False  # an edge that came while masked
        self._lock = RLock()
        self._end = line.subscribe(self._changed)
        if line.level:
            self._changed(True)

    @property
    def masked(self) -> bool:
        """Return whether interrupts are held back."""
        return self._masked

    def mask(self) -> None:
        """Hold interrupts back."""
        with self._lock:
            self._masked = True

    def unmask(self) -> None:
        """Allow interrupts. One comes at once when the line is asserted, or an edge has come in the meantime."""
        with self._lock:
            if not self._masked or self._closed:
                return
            self._masked = False
            due = self._pending if self.trigger == "edge" else self._line.level
            self._pending = False
            if due:
                self._deliver()

    def close(self) -> None:
        """Take it off the line. Closing twice is closing once."""
        self._closed = True
        end, self._end = self._end, lambda: None
        end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _changed(self, level: bool) -> None:
        if not level:
            return
        with self._lock:
            if not self._masked:
                self._deliver()
            elif self.trigger == "edge":
                self._pending = True

    def _deliver(self) -> None:
        self._masked = self._automask
        self._fire()
