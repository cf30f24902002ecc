"""A device class as rows of a register table, independent of the output format.

What is repeated is one row: an array of registers, and the registers of equal blocks. The offset says how they lie.
"""

from collections.abc import Iterator
from inspect import getdoc
from typing import Any, Final

from attrs import frozen

from mmio.arguments import shortened
from mmio.device.block import BlockArray, Indexed, Nested
from mmio.device.declared import Declared, Kind
from mmio.device.device import Device
from mmio.device.effects import Bits
from mmio.device.field import Field
from mmio.device.fifo import Fifo
from mmio.device.line import LineDeclaration
from mmio.device.register import RegisterArray
from mmio.device.sharing import Condition

ACCESS: Final = {
    "rw": "read, write",
    "r": "read",
    "w": "write",
    "rw1": "read, write once",
    "w1": "write once",
    "na": "none",
}
EFFECTS: Final = {
    "rclr": "a read clears it",
    "rset": "a read sets all bits",
    "woclr": "writing 1 clears a bit",
    "woset": "writing 1 sets a bit",
    "wot": "writing 1 toggles a bit",
    "wzc": "writing 0 clears a bit",
    "wzs": "writing 0 sets a bit",
    "wzt": "writing 0 toggles a bit",
    "wclr": "any write clears it",
    "wset": "any write sets all bits",
}
_INDICES: Final = "ijklmn"
_KINDS: Final[tuple[tuple[Kind, str], ...]] = (
    ("reads", "on a read"),
    ("written", "on a write"),
    ("popped", "on a read"),
    ("pushed", "on a write"),
)


@frozen
class FieldRow:
    """A field: its bits, name, access, value at reset, names of values, and effects."""

    bits: str
    name: str
    access: str
    reset: str
    values: tuple[tuple[int, str], ...]
    effects: tuple[str, ...]


@frozen
class RegisterRow:
    """A register, or several that differ in an index only."""

    offset: str
    name: str
    width: int
    access: str
    reset: str
    when: str
    text: str
    effects: tuple[str, ...]
    fields: tuple[FieldRow, ...]


@frozen
class Scope:
    """The members of one class at their place: prefix of names, offset, the strides of the indices around it."""

    device: type[Device]
    prefix: str = ""
    base: int = 0
    strides: tuple[tuple[int, int], ...] = ()  # (stride, count), outermost first
    place: Indexed[Any] | None = None  # the data register that all of them are behind

    def inside(self, member: Nested[Any, Any]) -> "Scope":
        """Return the scope of a block."""
        name = member.name
        if isinstance(member, BlockArray):
            strides = (*self.strides, (member.stride, member.count))
            name = f"{name}[0..{member.count - 1}]"
            return Scope(member.device, f"{self.prefix}{name}.", self.base + member.offset, strides)
        place = member if isinstance(member, Indexed) else None
        return Scope(member.device, f"{self.prefix}{name}.", self.base + member.offset, self.strides, place)


def checked(device: Any) -> type[Device]:
    """Return the class of an argument that is a Device class, or a device.

    Raises:
        TypeError: it is neither.
        ValueError: it has no registers.
    """
    cls = device if isinstance(device, type) else type(device)
    if not issubclass(cls, Device):
        raise TypeError(f"a document is of a Device class, not of {shortened(device)}")
    if not cls.layout.places:
        raise ValueError(f"{cls.__name__} has no registers, so there is nothing to document")
    return cls


def title(device: type[Device]) -> tuple[str, str]:
    """Return the name of a class and its docstring, "" when it has none of its own."""
    text = getdoc(device) if device.__doc__ and device.__doc__ != Device.__doc__ else ""
    return device.__name__, text or ""


def lines(device: type[Device]) -> list[str]:
    """Return the names of the wires out of a device, those of its blocks with a dot."""
    found = []
    for member in device._device_members.values():
        if isinstance(member, LineDeclaration):
            found.append(member.name)
        elif isinstance(member, Nested):
            prefix = f"{member.name}[0..{member.count - 1}]" if isinstance(member, BlockArray) else member.name
            found += [f"{prefix}.{name}" for name in lines(member.device)]
    return found


def rows(scope: Scope) -> list[RegisterRow]:
    """Return the registers of a class, in order of offset."""
    placed = sorted(_rows(scope), key=lambda found: found[0])
    return [row for _, row in placed]


def _rows(scope: Scope) -> Iterator[tuple[tuple[int, int], RegisterRow]]:
    """Iterate over the rows, each with what it is sorted by."""
    for attribute, member in scope.device._device_members.items():
        if isinstance(member, Nested):
            yield from _rows(scope.inside(member))
        elif isinstance(member, Declared):
            at = scope.base if scope.place is not None else scope.base + member.offset
            yield (at, member.offset), _row(scope, attribute, member, at)


def _row(scope: Scope, attribute: str, member: Declared[Any], at: int) -> RegisterRow:
    strides, name = list(scope.strides), f"{scope.prefix}{member.name}"
    if isinstance(member, RegisterArray):
        name = f"{name}[0..{member.count - 1}]"
        if scope.place is None:
            strides.append((member.stride, member.count))
    offset = f"{at:#04x}"
    if len(strides) > len(_INDICES):
        offset += " + …"
    else:
        offset += "".join(f" + {stride:#x}*{index}" for (stride, _), index in zip(strides, _INDICES, strict=False))
    digits = 2 * member.width
    return RegisterRow(
        offset,
        name,
        member.width,
        ACCESS[access_of(member)],
        f"0x{member.reset_value:0{digits}x}",
        _when(scope, member),
        " ".join(member.doc.split()),
        (*_effects(member.on_read, member.on_write), *_handled(scope.device, attribute, member)),
        tuple(_field(member, field) for field in sorted(member.fields, key=lambda field: -field.msb)),
    )


def access_of(member: Declared[Any]) -> str:
    """Return the access that a driver has to a register: to some of its bits, whatever its other bits are.

    Args:
        member: the register.
    """
    readable, writable = bool(member.effects.readable), bool(member.effects.writable)
    if member.access in ("rw1", "w1") and not member.fields:
        return str(member.access)
    return {(True, True): "rw", (True, False): "r", (False, True): "w"}.get((readable, writable), "na")


def _when(scope: Scope, member: Declared[Any]) -> str:
    if scope.place is not None:
        by = scope.place.by
        name = f"{by.name}.{scope.place.field}" if scope.place.field else by.name
        first = member.offset // scope.place.step
        step = member.stride // scope.place.step if isinstance(member, RegisterArray) else 0
        return f"{name} = {first:#x}" + (f" + {step:#x}*i" if step else "")
    if member.when is None:
        return ""
    selection = member.when
    register: Any = selection.register
    return condition(register, Condition(register.name, selection.mask, selection.value))


def condition(register: Declared[Any], when: Condition) -> str:
    """Return a condition in words: "LCR.DLAB = 1"."""
    parts = [
        f"{when.register}.{field.name} = {field.of(when.value)}"
        for field in register.fields
        if not field.mask & ~when.mask
    ]
    named = sum(field.mask for field in register.fields if not field.mask & ~when.mask)
    return ", ".join(parts) if parts and not when.mask & ~named else f"{when.register} = {when.value:#x}"


def _handled(device: type[Device], attribute: str, member: Declared[Any]) -> list[str]:
    """Return what the handlers of a register are said to do."""
    found = []
    if isinstance(member, Fifo):
        found.append(f"in front of a queue of {member.depth}")
    for kind, what in _KINDS:
        method = device._device_handlers.get((attribute, kind))
        text = (getdoc(getattr(device, method)) or "") if method else ""
        if text:
            found.append(f"{what}: {text.splitlines()[0].rstrip('.')}")
    return found


def _effects(*words: str | None, pulse: bool = False) -> list[str]:
    return [EFFECTS[word] for word in words if word] + ["a written 1 is gone at once"] * pulse


def _field(member: Declared[Any], field: Field) -> FieldRow:
    bits: Bits = member._bits(field)
    return FieldRow(
        field.place,
        field.name,
        ACCESS[bits.access],
        f"{field.of(member.reset_value):#x}",
        tuple(sorted(field.enum.items())),
        tuple(_effects(field.on_read, field.on_write, pulse=field.singlepulse)),
    )
