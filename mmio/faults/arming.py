"""Activate faults for a device: resolve the names that each fault uses, and refuse unknown ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mmio.device.clock import Clock
from mmio.faults.armed import Armed
from mmio.faults.errors import FaultError
from mmio.faults.fault import Fault
from mmio.faults.places import Places, Spot
from mmio.faults.resets import Garbage


class Armoury:
    """The faults of one device.

    Args:
        places: of the device.
        clock: finds the time, None when the device has none.

    Attributes:
        armed: all of them, in order.
        of_line: those of lines, with the attribute of the line.
        flags: of overruns, by their number: where the flag is, mask and value.
        garbage: the registers that are random.
    """

    def __init__(self, places: Places, clock: Callable[[], Clock | None]) -> None:
        self._places = places
        self._clock = clock
        self.armed: list[Armed] = []
        self.of_line: list[tuple[str, Armed]] = []
        self.flags: dict[int, tuple[Spot, int, int]] = {}
        self.garbage: list[Garbage] = []

    def arm(self, fault: Fault) -> None:
        """Add a fault.

        Raises:
            FaultError: it is about something that the device has not.
        """
        places = self._places
        spans = (fault.by, fault.at, fault.limit)
        timed = fault.start is not None or any(span is not None and span.unit == "ns" for span in spans)
        if timed and self._clock() is None:
            kind = type(places.core).__name__
            raise FaultError(f"fault {str(fault)!r}: a {kind} has no clock; say wrap(device, …, clock=Clock())")
        holds = None
        if fault.when is not None:
            holds = partial(_holds, *places.condition(fault, fault.when))
        rest = places.within(fault.place)
        if fault.effect == "spurious" or rest in places.lines:
            armed = Armed(fault, [], (0, 0), holds, self._now)
            self.of_line.append((self._line(fault, rest), armed))
        elif fault.effect == "garbage":
            armed = Armed(fault, [], (0, 0), None, self._now)
            spots = places.register(fault, fault.place) if rest else places.spots
            self.garbage.append(Garbage(places.core, [spot.name for spot in spots], armed))
        else:
            armed = self._of_registers(fault, rest, holds)
        self.armed.append(armed)

    def _line(self, fault: Fault, rest: str) -> str:
        """Return the attribute of the line that a fault is about."""
        lines = self._places.lines
        there = f"; its lines are {', '.join(lines)}" if lines else f"; {self._places.name} has no lines"
        if rest not in lines:
            raise FaultError(
                f"fault {str(fault)!r}: {fault.effect} is about a line, and {fault.place!r} is none{there}"
            )
        if fault.effect not in ("spurious", "lost"):
            raise FaultError(f"fault {str(fault)!r}: a line has no {fault.effect}, but lost and spurious interrupts")
        if fault.effect == "lost" and _units(fault) - {"interrupt", "ns"}:
            raise FaultError(f"fault {str(fault)!r}: what is lost of a line is counted in interrupts")
        return rest

    def _of_registers(self, fault: Fault, rest: str, holds: Callable[[], bool] | None) -> Armed:
        places = self._places
        if "interrupt" in _units(fault):
            lines = f"; its lines are {', '.join(places.lines)}" if places.lines else ""
            raise FaultError(f"fault {str(fault)!r}: only of a line interrupts are lost{lines}")
        if not rest and (fault.settings or fault.effect == "overrun"):
            raise FaultError(f"fault {str(fault)!r}: {fault.effect} is about a register, not all of {places.name}")
        spots = places.register(fault, fault.place) if rest else None
        bits = places.bits(fault, spots[0], fault.settings) if spots and fault.settings else (0, 0)
        if fault.flag is not None:
            spot = places.register(fault, fault.flag.register)[0]
            self.flags[len(self.armed)] = (spot, *places.bits(fault, spot, [fault.flag.setting]))
        return Armed(fault, spots, bits, holds, self._now)

    def _now(self) -> int:
        clock = self._clock()
        return 0 if clock is None else clock.now


def _holds(register: Any, mask: int, value: int) -> bool:
    return bool(register.value & mask == value)


def _units(fault: Fault) -> set[str]:
    return {span.unit for span in (fault.at, fault.after, fault.limit) if span is not None}
