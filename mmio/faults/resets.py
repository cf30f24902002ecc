"""Registers that a reset leaves undefined."""

from random import Random
from typing import Any

from mmio.device.device import Device
from mmio.device.field import Field
from mmio.faults.armed import Armed
from mmio.faults.errors import FaultError


class Garbage:
    """Random values in registers, from the start and after each reset of their device.

    A register without fields is random as a whole; of the others each field that software may write, and of an
    enumeration one of its values. What software cannot write is left: after a reset it is what the device makes it.

    Args:
        device: the device.
        names: of the registers.
        armed: the fault.

    Raises:
        FaultError: it is no `Device`, or nothing of it can be written.
    """

    def __init__(self, device: Any, names: list[str], armed: Armed) -> None:
        if not isinstance(device, Device):
            raise FaultError(
                f"fault {str(armed.fault)!r}: a {type(device).__name__} declares no registers that could be random"
            )
        self._device = device
        self._armed = armed
        places = {place.name: place for place in device.layout.places}
        self._registers = [
            (name, places[name].fields, writable)
            for name in names
            if name in places and (writable := device[name]._cell.effects.writable & ~device[name]._cell.effects.pulse)
        ]
        if not self._registers:
            raise FaultError(f"fault {str(armed.fault)!r}: software can write nothing there")

    def begin(self) -> None:
        """Fill the registers, now and after each reset."""
        device, before = self._device, vars(self._device).get("reset")
        reset = device.reset
        self._before = before

        def reset_to_garbage() -> None:
            reset()
            self.fill()

        device.reset = reset_to_garbage  # type: ignore[method-assign]  # a model may call it, too
        self.fill()

    def fill(self) -> None:
        """Put other random values in the registers."""
        armed = self._armed
        armed.drawn += 1
        random = Random(f"{armed.fault.seed or 0}/{armed.drawn}")
        for name, fields, writable in self._registers:
            register = self._device[name]
            value = register.value
            for field in fields or [Field("", 8 * register.width - 1, 0)]:
                if field.mask & ~writable:
                    continue
                number = random.choice(sorted(field.enum)) if field.enum else random.getrandbits(field.width)
                value = value & ~field.mask | number << field.lsb
            register.value = value
        armed.happened()

    def close(self) -> None:
        """Leave `reset` as it was."""
        vars(self._device).pop("reset", None)
        if self._before is not None:
            vars(self._device)["reset"] = self._before
