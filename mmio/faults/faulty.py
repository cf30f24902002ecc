"""A wrapper of a device that applies faults.

An access that no fault is about costs one look-up more than it would without. The others are performed by the plan of
their offset and width: which faults have to be asked, and which bits of the access each of them changes; or by a short
way, where there is one fault to ask (`ways.py`).
"""

import warnings
from collections.abc import Mapping
from functools import cache, partial
from typing import Any, Self, TypeVar

from decode import READ, WRITE, Direction
from mmio.closing import Closing
from mmio.device.accessor import Ended, Path, path_of
from mmio.device.clock import Clock, Timer
from mmio.device.timed import Fronting
from mmio.errors import NoRegister
from mmio.faults.accessors import with_faults
from mmio.faults.armed import Armed
from mmio.faults.arming import Armoury
from mmio.faults.errors import BusError, BusFault, FaultWarning
from mmio.faults.fault import Schedule
from mmio.faults.lines import Gate, loses
from mmio.faults.places import Places
from mmio.faults.step import Read, Step, plan_of, reaches
from mmio.faults.ways import Write, interrupting_read, short_read, short_write

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


_F = TypeVar("_F", bound="Faulty")


class Faulty(Fronting, Closing):
    """A device with faults; made by `wrap`. It has the attributes of the device, and answers as that does.

    Args:
        device: any device.
        schedule: the faults.
        name: of the device, which places may begin with; its class when left out.
        registers: what has the registers and lines that places name, if that is not the device itself.
        clock: the time; the device's own when left out.

    Raises:
        FaultError: a fault names what the device has not.

    Attributes:
        device: the device without them.
        schedule: the faults.
    """

    def __new__(
        cls,
        device: Any,
        schedule: Schedule,
        name: str | None = None,
        registers: Any = None,
        clock: Clock | None = None,
    ) -> Self:
        """Make it of a class that is named as the device's, which records, errors and messages show."""
        made: Self = super().__new__(_named(cls, type(device).__name__))
        return made

    def __init__(
        self,
        device: Any,
        schedule: Schedule,
        name: str | None = None,
        registers: Any = None,
        clock: Clock | None = None,
    ) -> None:
        self.device = device
        self.schedule = schedule
        self._clock = clock
        self._registers = device if registers is None else registers
        self._places = Places(self._registers, name)
        self._armoury = Armoury(self._places, self._find_clock)
        for fault in schedule:  # all is checked before anything is changed
            self._armoury.arm(fault)
        self._armed, self._of_line = self._armoury.armed, self._armoury.of_line
        self._gates: dict[str, Gate] = {}
        self._plans: dict[tuple[int, int], tuple[Step, ...]] = {}
        # By offset, a width of accesses that have a short way, and the way.
        self._read_ways: dict[int, tuple[int, Read]] = {}
        self._write_ways: dict[int, tuple[int, Write]] = {}
        self._ended: set[Ended] = set()  # called when accessors do not have the faults any more
        self._timers: list[Timer] = []
        self._closed = False
        self._active = list(self._armed)
        self._late = [armed for armed in self._armed if armed.effect == "late"]
        spurious = [(line, armed) for line, armed in self._of_line if armed.effect == "spurious"]
        self._spurious = [(line, armed) for line, armed in spurious if not armed.is_at_a_time]
        self._everywhere = bool(self._spurious) or any(armed.spots is None for armed in self._armed)
        self._begin([each for each in spurious if each[1].is_at_a_time])

        read_ways, write_ways = self._read_ways, self._write_ways
        read_faulty, write_faulty, take_over = self._read, self._write, self._take_over

        def read(offset: int, width: int) -> int:
            try:
                known, way = read_ways[offset]
            except KeyError:
                known = 0
            if known != width:
                return read_faulty(offset, width)
            try:
                return way(offset, width)
            except NoRegister as hole:
                take_over(hole)
                raise

        def write(offset: int, width: int, value: int) -> None:
            try:
                known, way = write_ways[offset]
            except KeyError:
                known = 0
            if known != width:
                return write_faulty(offset, width, value)
            try:
                return way(offset, width, value)
            except NoRegister as hole:
                take_over(hole)
                raise

        self.read, self.write = read, write  # functions that know what they call take less time than methods

    # Making it

    def _begin(self, pulses: list[tuple[str, Armed]]) -> None:
        removed = [armed for armed in self._armed if armed.effect == "removed" and armed.spots is None]
        named = {line for line, _ in self._of_line}
        for name in self._places.lines if removed else named:
            losing = [armed for line, armed in self._of_line if line == name and armed.effect == "lost"]
            self._gates[name] = Gate(self._places.lines[name], partial(loses, losing, removed))
        for armed in self._late:
            armed.begin_again()
        for garbage in self._armoury.garbage:
            garbage.begin()
        for name, armed in pulses:
            at, clock = armed.fault.at, self._find_clock()
            assert at is not None
            assert clock is not None
            pulse = partial(self._pulse, name, armed)
            self._timers.append(clock.after(max(at.count - clock.now, 0), pulse))

    # Accesses

    def _steps(self, offset: int, width: int) -> tuple[Step, ...]:
        """Return the plan of an access."""
        plan = plan_of(self._active, self._armoury.flags, offset, width)
        self._plans[offset, width] = plan
        read: Read | None = None
        write: Write | None = None
        if not self._spurious:
            read = short_read(plan, self.device.read, self._read, width)
            write = short_write(plan, self._late, self.device.write, self._write)
        elif len(self._spurious) == 1 and not plan:
            read = interrupting_read(self._spurious[0][1], self.device.read, self._interrupt)
        self._read_ways[offset] = width, read or self._read
        self._write_ways[offset] = width, write or self._write
        return plan

    def _device_path(self, offset: int, width: int, written: bool, ended: Ended) -> Path | None:
        path = path_of(self.device, offset, width, written, ended)
        if path is None or path.make is not None or (written and self._late):
            return None
        self._ended.add(ended)
        plan = plan_of(self._active, self._armoury.flags, offset, width)
        return with_faults(path, plan, [armed for _, armed in self._spurious])

    def _plan(self, offset: int, width: int, direction: Direction) -> tuple[Step, ...]:
        plan = self._plans.get((offset, width))
        if plan is None:
            plan = self._steps(offset, width)
        if any(step.name for step in plan):
            naming = getattr(self._registers, "naming", None)
            names = self._registers if naming is None else naming(offset, width, direction)
            reached = names.name_at(offset, width) or ""
            plan = tuple(step for step in plan if not step.name or reaches(reached, step.name))
        return plan

    def _read(self, offset: int, width: int) -> int:
        plan = self._plan(offset, width, READ)
        full = (1 << 8 * width) - 1
        gone = 0
        changes: list[Step] = []
        for step in plan:
            armed = step.armed
            effect = armed.effect
            if step.is_flag:
                if armed.pending:
                    changes.append(step)
                continue
            if not armed.count("read"):
                continue
            if effect == "stuck" or effect == "late":
                changes.append(step)
            elif effect == "removed":
                gone |= step.lanes
            elif effect == "overrun":
                self._inner_read(offset, width)
                armed.pending = 1
            else:
                self._fail(armed)
        if gone == full:
            value = full
        else:
            value = self._inner_read(offset, width)
            for step in changes:
                armed = step.armed
                if step.is_flag:
                    armed.pending = 0
                elif armed.effect == "late":
                    if not armed.is_late() or (value ^ step.value) & step.mask:
                        continue
                    armed.happened()
                    value ^= step.mask
                    continue
                value = value & ~step.mask | step.value
            value |= gone
        if self._spurious:
            self._interrupt("read")
        return value

    def _write(self, offset: int, width: int, value: int) -> None:
        lost = False
        for step in self._plan(offset, width, WRITE):
            if step.is_flag or not step.armed.count("write"):
                continue
            if step.armed.effect in ("removed", "lost"):
                lost = True
            elif step.armed.effect in ("bus-error", "sigbus"):
                self._fail(step.armed)
        if not lost:
            for armed in self._late:
                armed.begin_again()
            try:
                self.device.write(offset, width, value)
            except NoRegister as hole:
                self._take_over(hole)
                raise
        if self._spurious:
            self._interrupt("write")

    def _inner_read(self, offset: int, width: int) -> int:
        try:
            value: int = self.device.read(offset, width)
        except NoRegister as hole:
            self._take_over(hole)
            raise
        return value

    def _fail(self, armed: Armed) -> None:
        """Answer with an error of the bus."""
        if armed.effect == "sigbus":
            raise BusFault(0, reason=f"the bus answers with an error, as the fault {str(armed.fault)!r} says")
        raise BusError(f"the bus answers with an error, as the fault {str(armed.fault)!r} says")

    def _interrupt(self, unit: Any) -> None:
        for line, armed in self._spurious:
            if armed.count(unit):
                self._gates[line].pulse()

    def _pulse(self, line: str, armed: Armed) -> None:
        if armed.fault.when is None or armed.also():
            armed.happened()
            self._gates[line].pulse()

    def _take_over(self, hole: NoRegister) -> None:
        """Make the mapping's policy for holes apply, as if the device itself were mapped."""
        if hole.device is self.device or hole.device is self._registers:
            hole.device = self

    def __getattr__(self, name: str) -> Any:
        """Return the device's own, such as `holes`; those that would get round `read` and `write`, with the faults."""
        if name.startswith("__") or "device" not in vars(self):
            raise AttributeError(name)
        found = getattr(self.device, name)
        if name == "update":
            return partial(self._update, found)
        if name == "read_block":
            return lambda offset, length: None if self._concerned(offset, length) else found(offset, length)
        if name == "write_block":
            return lambda offset, data: not self._concerned(offset, len(data)) and found(offset, data)
        return found

    def _update(self, update: Any, offset: int, width: int, operation: Any) -> int:
        if not self._concerned(offset, width):
            old: int = update(offset, width, operation)
            return old
        old = self.read(offset, width)
        self.write(offset, width, operation(old))
        return old

    def _concerned(self, offset: int, length: int) -> bool:
        """Return whether a fault is about any of these bytes."""
        return bool(self._everywhere or self._late) or any(
            spot.start < offset + length and offset < spot.end for armed in self._active for spot in armed.spots or ()
        )

    # Its state

    def _find_clock(self) -> Clock | None:
        if self._clock is not None:
            return self._clock
        clock = getattr(self._places.core, "clock", None)
        return clock if isinstance(clock, Clock) else None

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the device, and what has been counted of the faults, as plain dicts, lists and ints."""
        gates = {name: gate.asserted for name, gate in self._gates.items()}
        return {
            "device": self.device.snapshot(),
            "faults": [armed.state() for armed in self._armed],
            "asserted": gates,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore the state of a snapshot made with the same schedule.

        Args:
            state: what `snapshot` has returned.

        Raises:
            ValueError: it is of another device, or another schedule; nothing has changed.
        """
        try:
            counted, asserted, device = state["faults"], state["asserted"], state["device"]
            fits = len(counted) == len(self._armed) and asserted.keys() == self._gates.keys()
            fits = fits and all(
                each.keys() == armed.state().keys() for each, armed in zip(counted, self._armed, strict=True)
            )
        except (KeyError, TypeError, AttributeError, ValueError):
            fits = False
        if not fits:
            raise ValueError(f"no snapshot of a {self._places.name} with these faults: {self.schedule!r}")
        self.device.restore(device)
        for armed, each in zip(self._armed, counted, strict=True):
            armed.restore(each)
        for name, gate in self._gates.items():
            gate.asserted = bool(asserted[name])

    @property
    def fired(self) -> Schedule:
        """The faults that have had an effect so far."""
        return Schedule(tuple(armed.fault for armed in self._armed if armed.applied))

    @property
    def unfired(self) -> Schedule:
        """The faults that have had none."""
        return Schedule(tuple(armed.fault for armed in self._armed if not armed.applied))

    def warn_of_unfired(self, stacklevel: int = 2) -> None:
        """Warn (`FaultWarning`) of the faults that have had no effect, with what was seen at their places.

        Args:
            stacklevel: as of `warnings.warn`.
        """
        idle = [armed for armed in self._armed if not armed.applied]
        if idle:
            told = "; ".join(f"{str(armed.fault)!r} ({armed.seen})" for armed in idle)
            never = "a fault has never happened" if len(idle) == 1 else f"{len(idle)} faults have never happened"
            warnings.warn(f"{never}: {told}", FaultWarning, stacklevel=stacklevel + 1)

    def close(self, warn: bool = True) -> None:
        """End the faults, put lines and `reset` back, and warn of what has never happened.

        Args:
            warn: whether to.
        """
        if self._closed:
            return
        self._closed = True
        for timer in self._timers:
            timer.cancel()
        for gate in self._gates.values():
            gate.close()
        for garbage in self._armoury.garbage:
            garbage.close()
        if warn:
            self.warn_of_unfired(3)
        self._active.clear()
        self._plans.clear()
        self._read_ways.clear()
        self._write_ways.clear()
        self._late, self._spurious, self._everywhere = [], [], False
        for ended in self._ended:
            ended()

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self.close(warn=kind is None)  # an error tells more than a fault that it has kept from happening

    def __repr__(self) -> str:
        return f"<{self._places.name} with {len(self.schedule)} fault{'s' * (len(self.schedule) != 1)}>"


@cache
def _named(base: type[_F], name: str) -> type[_F]:
    return type(name, (base,), {"__doc__": base.__doc__, "__module__": base.__module__})
