"""A scheduled call in a device: the end of a character, of a write cycle, of a timer's period.

A device has one alarm for each thing that can be under way. So what is pending can be moved, dropped and told in a
snapshot, as the time that is left.
"""

from collections.abc import Callable

from mmio.device.clock import Timer
from mmio.device.device import Device


class Alarm:
    """Calls `call()` once, a time after it has been set.

    Args:
        device: the clock that counts is the one the device has when the alarm is set.
        call: the function.
    """

    __slots__ = ("_call", "_device", "_timer")

    def __init__(self, device: Device, call: Callable[[], object]) -> None:
        self._device = device
        self._call = call
        self._timer: Timer | None = None

    @property
    def pending(self) -> bool:
        """Return whether the call is still to come."""
        return self._timer is not None

    @property
    def left(self) -> int | None:
        """Return the ns until the call; None when none is pending."""
        due = None if self._timer is None else self._timer.due
        return None if due is None else due - self._device.clock.now

    def set(self, delay: int) -> None:
        """Call the function `delay` ns from now, and not when it was to be called before."""
        self.cancel()
        self._timer = self._device.clock.after(delay, self._ring)

    def cancel(self) -> None:
        """Drop the call. Nothing happens when none is pending."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def restore(self, left: int | None) -> None:
        """Restore what `left` was."""
        if left is None:
            self.cancel()
        else:
            self.set(left)

    def _ring(self) -> None:
        self._timer = None
        self._call()
