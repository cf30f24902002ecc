"""Faults of `pagetrap run --fault`: wrap each device that a fault names."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from mmio.commands.parser import UsageError

if TYPE_CHECKING:
    from mmio.faults import Faulty, Schedule


class Faults:
    """The faults asked for, by device.

    Args:
        schedules: of the command line.
        names: of the devices that there are.

    Raises:
        UsageError: a fault names none of them.
    """

    def __init__(self, schedules: "Iterable[Schedule]", names: Iterable[str]) -> None:
        from mmio.faults.errors import FaultError  # here, for few commands need it
        from mmio.faults.fault import Schedule
        from mmio.faults.wrapping import by_device

        self._error = FaultError
        self._made: dict[int, tuple[Any, Faulty]] = {}  # by the id of a device, which may answer at several places
        try:
            self._by_name = by_device(sum(schedules, Schedule()), names)
        except FaultError as error:
            raise UsageError(str(error)) from None

    def put(self, name: str, device: Any, registers: Any = None, clock: Any = None) -> Any:
        """Return a device with the faults that its name has, or as it is.

        Args:
            name: of the device.
            device: the device.
            registers: what has the registers, if that is not the device itself.
            clock: the time, if that is not the device's own.

        Raises:
            UsageError: a fault names what the device has not.
        """
        from mmio.boards.peripheral import Window
        from mmio.faults.faulty import Faulty

        if name not in self._by_name:
            return device
        if isinstance(device, Window):
            raise UsageError(f"{name} lies among the registers of another peripheral, and cannot have faults")
        if id(device) not in self._made:
            try:
                self._made[id(device)] = device, Faulty(device, self._by_name[name], name, registers, clock)
            except self._error as error:
                raise UsageError(str(error)) from None
        return self._made[id(device)][1]

    def close(self) -> None:
        """End the faults, and warn of those that have never happened."""
        for _, faulty in self._made.values():
            faulty.close()


def putting(options: Any, chip: Any, devices: Iterable[Any], ending: Any) -> Callable[..., Any]:
    """Return what gives a device its faults, for the command line: `put(name, device, registers, clock)`.

    Args:
        options: of the command line.
        chip: of --svd, None without.
        devices: of --device.
        ending: gets what is to be done at the end.

    Raises:
        UsageError: a fault names no device.
    """
    schedules = getattr(options, "fault", None)
    if not schedules:
        return lambda name, device, registers=None, clock=None: device
    faults = Faults(schedules, [*(chip.peripherals if chip is not None else ()), *(each.name for each in devices)])
    ending.callback(faults.close)
    return faults.put
