"""A chip on a serial bus, with the clock of the controller that it is connected to."""

from mmio.arguments import shortened
from mmio.device.clock import Clock
from mmio.device.device import Device


class Chip:
    """A part that the processor reaches by a controller only."""

    _clock: Clock | None = None
    _controller: Device | None = None

    @property
    def clock(self) -> Clock:
        """The chip's time: what was assigned, else the controller's, else one of its own."""
        if self._clock is None:
            if self._controller is not None:
                return self._controller.clock
            self._clock = Clock()
        return self._clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        if not isinstance(clock, Clock):
            raise TypeError(f"the clock of a {type(self).__name__} is a Clock, not {shortened(clock)}")
        self._clock = clock

    def wired_to(self, controller: Device) -> None:
        """Take note of the controller; called by it when the chip is attached."""
        self._controller = controller
