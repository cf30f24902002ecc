"""State of devices together with that of their clocks."""

from typing import Any

from mmio.arguments import shortened
from mmio.device.clock import Clock, ClockState
from mmio.device.device import Device


class Checkpoint:
    """State of devices and of their clocks, which can be restored any number of times.

        start = mmio.checkpoint(card, uart)
        …
        start.restore()

    It belongs to this process: a timer's call is kept as the function it is. What such a function remembers by itself
    (a variable of a closure, an attribute of an object that is no register) is not in it, unless the device's
    `snapshot` has it; nor are the counts and masks of what listens to a line.
    """

    def __init__(self, devices: tuple[Device, ...]) -> None:
        self._devices = [(device, device.snapshot()) for device in devices]
        clocks: dict[int, Clock] = {id(device.clock): device.clock for device in devices}
        self._clocks: list[tuple[Clock, ClockState]] = [(clock, clock.snapshot()) for clock in clocks.values()]

    def restore(self) -> None:
        """Put back registers, lines, time and timers, quietly: no handler and no subscriber is called.

        Raises:
            ClockError: a clock is being advanced, by the call that this is in.
        """
        for clock, state in self._clocks:
            clock.restore(state)
        for device, registers in self._devices:
            device.restore(registers)

    def __repr__(self) -> str:
        names = ", ".join(type(device).__name__ for device, _ in self._devices)
        times = ", ".join(f"{state.now} ns" for _, state in self._clocks)
        return f"<Checkpoint: {names} at {times}>"


def checkpoint(*devices: Any) -> Checkpoint:
    """Save the state of devices and of the clocks they have, timers included.

    Args:
        devices: each a `Device`. Those that share a clock are saved with it once.

    Raises:
        TypeError: one is no `Device`, or there is none.
    """
    for device in devices or (None,):
        if not isinstance(device, Device):
            raise TypeError(f"a checkpoint is of one or more devices, as checkpoint(card), not {shortened(device)}")
    return Checkpoint(devices)
