"""Interrupts as counts of an event descriptor (eventfd(2)), which a driver polls or reads."""

import os
from contextlib import suppress
from typing import Final, Self

from mmio.arguments import integer
from mmio.device.line import Line
from mmio.interrupts.source import InterruptSource

MOST_DESCRIPTOR: Final = (1 << 31) - 1  # an int of C


def signal_event(descriptor: int) -> None:
    """Add one to an event descriptor. At its largest count it stays, as the kernel's eventfd_signal has it."""
    with suppress(BlockingIOError):
        os.eventfd_write(descriptor, 1)


class EventFd:
    """An event descriptor that counts the interrupts of a line.

        with EventFd(card.irq) as events:
            driver.start(events)  # an int to C; eventfd_read and poll there

    Args:
        line: of a device.
        trigger: "level" or "edge"; the line's own when left out.
        automask: with "level", no interrupt comes after one until `unmask`. Without it each rise of the line is one.
        descriptor: one to signal in place of a new one; it is not closed.

    Raises:
        TypeError, ValueError: an argument is not what it should be.
        OSError: there is no such descriptor, or none left.

    Attributes:
        source: the interrupt, with `mask` and `unmask`.
    """

    def __init__(
        self, line: Line, trigger: str | None = None, *, automask: bool = False, descriptor: int | None = None
    ) -> None:
        if descriptor is not None:
            try:
                os.fstat(integer("descriptor", descriptor, 0, MOST_DESCRIPTOR))
            except OSError as error:
                raise OSError(error.errno, f"descriptor {descriptor} is not open: {error.strerror}") from None
        self._owned = descriptor is None
        self._descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) if descriptor is None else descriptor
        if self._owned:
            os.set_blocking(self._descriptor, True)
        self._as_parameter_ = self._descriptor
        try:
            self.source = InterruptSource(line, self._signal, trigger=trigger, automask=automask)
        except BaseException:
            self._close_descriptor()
            raise

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def mask(self) -> None:
        """Mask interrupts."""
        self.source.mask()

    def unmask(self) -> None:
        """Allow interrupts; see `InterruptSource.unmask`."""
        self.source.unmask()

    def close(self) -> None:
        """Disconnect it from the line, and close the descriptor if it was made here. Closing again has no effect."""
        self.source.close()
        self._close_descriptor()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _signal(self) -> None:
        signal_event(self._descriptor)

    def _close_descriptor(self) -> None:
        if self._owned:
            self._owned = False
            os.close(self._descriptor)
