"""Accesses to one device in their order since its reset, and what each of them covers.

What can be known of a register is what has passed over the bus. Its value is the reset value at first, then what was
read, or what a write makes of it by the register's declared effects (woclr and others); what happens inside the
device shows with the next read. So a trace from a file gives the same as the live device.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from decode import READ, WRITE, Direction
from mmio.arguments import shortened
from mmio.coverage.counted import NO_REGISTER, NOT_READABLE, NOT_WRITABLE, FieldCoverage, RegisterCoverage
from mmio.device.device import Device
from mmio.device.effects import Effects
from mmio.device.field import Field
from mmio.device.layout import Layout, Part
from mmio.device.places import DeclaredPlace, declared_places

Missed = Callable[[str, Direction, str, int], None]
"""`missed(path, direction, place, width)`: told of an access that took an error path."""

_INSIDE: Final = re.compile(r"(.+)\+(\d+)", re.DOTALL)


class _Watched:
    """A field that is counted, and how values of it are to be taken."""

    __slots__ = ("counted", "field", "named", "stored")

    def __init__(self, field: Field, counted: FieldCoverage, stored: bool) -> None:
        self.field = field
        self.counted = counted
        self.named = bool(field.enum)
        self.stored = stored  # a write of a value leaves that value


class Plan:
    """Plan of what is counted of a device class; made once a class.

    Raises:
        TypeError: it is no class of devices.
        ValueError: it has no registers.
    """

    def __init__(self, device: type[Any]) -> None:
        if not (isinstance(device, type) and issubclass(device, Device)):
            raise TypeError(f"coverage is of a Device class, not of {shortened(device)}")
        if not device.layout.places:
            raise ValueError(f"{device.__name__} has no registers, so there is nothing of it to cover")
        self.device = device
        self.layout: Layout = device.layout
        self._declared = declared_places(device)
        self.resets = [each.member.reset_value for each in self._declared]
        self.effects: list[Effects] = [each.member.effects for each in self._declared]
        self.cut = lru_cache(maxsize=4096)(self._cut)

    def registers(self) -> list[RegisterCoverage]:
        """Return the registers, nothing of them seen."""
        return [_nothing(each) for each in self._declared]

    def watched(self, index: int, counted: RegisterCoverage) -> list[_Watched]:
        """Return the fields of a register together with what is counted of them."""
        member = self._declared[index].member
        return [
            _Watched(field, its, member._bits(field).on_write is None)
            for field, its in zip(member.fields, counted.fields, strict=True)
        ]

    def _cut(self, register: str, offset: int, width: int, direction: Direction) -> tuple[Part, ...] | None:
        """Return the parts of an access that a record has a name for, None when the class has no such register."""
        inside = _INSIDE.fullmatch(register)
        for name, first in ((register, 0), (inside[1], int(inside[2])) if inside else (register, 0)):
            try:
                index = self.layout.number(name)
            except KeyError:
                continue
            length = min(width, self.layout.places[index].width - first)
            return ((index, first, length, 0),) if length > 0 else None
        return None


def _nothing(each: DeclaredPlace) -> RegisterCoverage:
    place, member, source = each.place, each.member, each.source
    fields = []
    for field in member.fields:
        access = member._bits(field).access
        fields.append(FieldCoverage(field.name, field.msb, field.lsb, "r" in access, "w" in access, dict(field.enum)))
    numbers = place.offset, place.width
    return RegisterCoverage(place.name, *numbers, place.readable, place.writable, *source, fields)


class Stream:
    """Counts the accesses to one device.

    Args:
        plan: of its class.
        registers: where they are counted.
        missed: told of accesses that took an error path.
    """

    def __init__(self, plan: Plan, registers: list[RegisterCoverage], missed: Missed) -> None:
        self._plan = plan
        self._registers = registers
        self._missed = missed
        self._fields = [plan.watched(index, counted) for index, counted in enumerate(registers)]
        self.restart()

    def restart(self) -> None:
        """Continue with a device that has just been reset."""
        self._values = list(self._plan.resets)
        self._locked = [0] * len(self._values)

    def view(self, direction: Direction) -> Layout:
        """Return the registers that an access in this direction reaches, as far as the accesses so far tell."""
        layout = self._plan.layout
        if not layout.shared:
            return layout
        return layout.view(direction, tuple(self._values[i] & mask == value for i, mask, value in layout.conditions))

    def named(self, register: str | None, offset: int, width: int, direction: Direction, value: int) -> None:
        """Count a read or a write, given the name that a record has for its place; READ or WRITE, never both."""
        parts = None if register is None else self._plan.cut(register, offset, width, direction)
        self.take(direction, offset, width, value, self.view(direction), parts)

    def take(
        self,
        direction: Direction,
        offset: int,
        width: int,
        value: int,
        view: Layout,
        parts: tuple[Part, ...] | None = None,
    ) -> None:
        """Count a read or a write.

        Args:
            direction: READ or WRITE.
            offset: in the device.
            width: in bytes.
            value: what was moved.
            view: the registers that it could reach.
            parts: those that it did reach, if that is known.
        """
        if parts is None:
            parts, holes = view.cut(offset, width)
            if direction == WRITE and self._plan.layout.shared and len(parts) > 1:
                parts, holes = self._plan.layout.cut_write(offset, width, value, self._values, self._after_write)
            if holes:
                self._missed(NO_REGISTER, direction, f"+{offset:#x}", width)
        for index, first, length, at in parts:
            lanes = (1 << 8 * length) - 1 << 8 * first
            moved = value >> 8 * at << 8 * first & lanes
            counted = self._registers[index]
            counted.widths[width] += 1
            if direction == WRITE:
                counted.writes += 1
                if not counted.writable:
                    self._missed(NOT_WRITABLE, direction, counted.name, width)
                self._write(index, moved, lanes)
            else:
                counted.reads += 1
                if not counted.readable:
                    self._missed(NOT_READABLE, direction, counted.name, width)
                self._read(index, moved, lanes)

    def _after_write(self, index: int, data: int, lanes: int) -> int:
        return self._plan.effects[index].after_write(self._values[index], data, lanes)

    def _read(self, index: int, moved: int, lanes: int) -> None:
        effects = self._plan.effects[index]
        shown = lanes & effects.readable
        for watched in self._fields[index]:
            field = watched.field
            if not field.mask & ~lanes and watched.counted.readable:
                watched.counted.read += 1
                if watched.named:
                    self._named_value(watched, field.of(moved))
        self._turn(index, self._values[index] & ~shown | moved & shown)
        if effects.reads:
            self._turn(index, effects.after_read(self._values[index]))

    def _write(self, index: int, moved: int, lanes: int) -> None:
        effects = self._plan.effects[index]
        for watched in self._fields[index]:
            field = watched.field
            if not field.mask & ~lanes and watched.counted.writable:
                watched.counted.written += 1
                if watched.named and watched.stored:
                    self._named_value(watched, field.of(moved))
        self._turn(index, effects.after_write(self._values[index], moved, lanes & ~self._locked[index]))
        self._locked[index] |= effects.once & lanes
        if effects.pulse:
            self._turn(index, self._values[index] & ~effects.pulse)

    def _named_value(self, watched: _Watched, value: int) -> None:
        if value in watched.counted.enum:
            watched.counted.values[value] += 1

    def _turn(self, index: int, value: int) -> None:
        """Note a register's new value, and which bits of its fields have changed."""
        old = self._values[index]
        if old == value:
            return
        self._values[index] = value
        for watched in self._fields[index]:
            changed = watched.field.of(old ^ value)
            if changed:
                now = watched.field.of(value)
                watched.counted.rose |= changed & now
                watched.counted.fell |= changed & ~now


def directions(direction: Direction, value: int, old: int | None) -> tuple[tuple[Direction, int], ...]:
    """Return what an access moved in each direction: of an atomic first what was read."""
    if direction == READ:
        return ((READ, value),)
    if direction == WRITE or old is None:
        return ((WRITE, value),)
    return ((READ, old), (WRITE, value))
