"""Create a device class from the registers of a description.

Both readers end here: they say what each register is, in the words of `mmio.device`, and this module finds names for
them, resolves places that are described twice, and makes the class. What a class refuses is a problem of the
description, with the class's own message.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from keyword import iskeyword
from typing import Any, ClassVar, Final

from attrs import evolve, frozen

from mmio.descriptions.report import Note, Report
from mmio.device.block import OPEN, Nested
from mmio.device.declared import TAKEN
from mmio.device.device import Device
from mmio.device.effects import Access, Bits
from mmio.device.field import Field
from mmio.device.layout import RegisterPlace
from mmio.device.register import array, register
from mmio.errors import DefinitionError

_WIDE: Final[dict[str, Access]] = {"r": "rw", "w": "rw", "w1": "rw1"}  # with the other half


class Described(Device):
    """The base of devices made from a description; hang handlers on its registers in a subclass.

    `notes`: what the description says and the device does not do. `source`: the file. `base_address`: where the
    description has the device on its own bus.
    """

    notes: ClassVar[tuple[Note, ...]] = ()
    source: ClassVar[str] = ""
    base_address: ClassVar[int] = 0


@frozen
class Entry:
    """A member of the class to be, and the name `without` knows it by.

    `alternate`: the description says that another one may be at the same place. `line`: where it is in the file, or 0.
    """

    path: str
    member: Any  # a Register, a RegisterArray or a Block, which mypy takes for descriptors here as well
    alternate: bool = False
    line: int = 0


@frozen
class Shape:
    """Properties of registers besides bits: printed name, offset, and array length (None: a single register)."""

    name: str
    offset: int
    width: int
    count: int | None = None
    stride: int | None = None
    doc: str = ""


def declare(
    shapes: Iterable[Shape],
    path: str,
    reset: int,
    rest: Bits,
    fields: Iterable[Field],
    report: Report,
    alternate: bool = False,
    line: int = 0,
) -> Iterator[Entry]:
    """Declare equal registers. `rest` is the behaviour of the bits no field covers; fields have words of their own."""
    kept = _fields(fields, path, report, line)
    reads = all(field.on_read for field in kept if "r" in (field.access or ""))
    writes = all(field.on_write for field in kept if "w" in (field.access or ""))
    # A field without a word of its own would take the register's, and this one has none on purpose.
    for word, fits in ((rest.on_read, reads), (rest.on_write, writes)):
        if word and not fits and rest.mask & ~sum(field.mask for field in kept):
            report.note(path, word, "is for some fields only; the bits without a name are plain")
    words: dict[str, Any] = {
        "reset": reset,
        "fields": kept,
        "on_read": rest.on_read if reads else None,
        "on_write": rest.on_write if writes else None,
        "access": rest.access,
    }
    for shape in shapes:
        words |= {"offset": shape.offset, "width": shape.width, "name": shape.name, "doc": shape.doc}
        if shape.count is None:
            yield Entry(path, register(**words), alternate, line)
        else:
            yield Entry(path, array(count=shape.count, stride=shape.stride, **words), alternate, line)


def _fields(fields: Iterable[Field], path: str, report: Report, line: int) -> list[Field]:
    kept: list[Field] = []
    names: set[str] = set()
    covered = 0
    for field in fields:
        where = f"{path}.{field.name}"
        if not report.wants(where):
            continue
        mask = field.mask
        over = next((other for other in kept if other.mask & mask), None) if covered & mask else None
        if over is None:
            renamed = _renamed(field, where, report)
            if renamed.name in names:
                report.refuse(where, f" (bits {field.place}): another field has this name", line)
            else:
                kept.append(renamed)
                names.add(renamed.name)
                covered |= mask
        elif not _apart(field.access or "", over.access or ""):
            report.refuse(where, f" (bits {field.place}) overlaps {over.name} (bits {over.place})", line)
        elif field.mask == over.mask:
            report.note(where, f"bits {field.place}", f"are those of {over.name}, which is read and written here")
            kept[kept.index(over)] = evolve(
                over,
                access=_WIDE.get(over.access or "", over.access),
                enum={**field.enum, **over.enum},
                on_read=over.on_read or field.on_read,
                on_write=over.on_write or field.on_write,
            )
        else:
            report.note(where, f"bits {field.place}", f"left out, because {over.name} is there; one reads, one writes")
    return kept


def _renamed(field: Field, where: str, report: Report) -> Field:
    if field.name not in TAKEN and not field.name.startswith("_"):
        return field
    name = f"{field.name.strip('_') or 'bits'}_"
    report.note(where, "name", f"is called {name}, because registers have an attribute like it")
    return evolve(field, name=name)


def _apart(one: str, other: str) -> bool:
    """Return whether one of two accesses only reads and the other only writes."""
    return ("w" not in one and "r" not in other) or ("r" not in one and "w" not in other)


def behaviour(path: str, mask: int, access: str, on_read: str | None, on_write: str | None, report: Report) -> Bits:
    """Return what happens to bits, without effects that never happen: those are noted."""
    for word, needed, what in ((on_read, "r", "read"), (on_write, "w", "write")):
        if word and needed not in access:
            report.note(path, word, f"never happens, because no software can {what} there")
    return Bits(mask, access, on_read if "r" in access else None, on_write if "w" in access else None, False)


def assemble(name: str, entries: Iterable[Entry], report: Report, **attributes: Any) -> type[Described]:
    """Make the class. What it cannot be made of is among the report's problems or notes, and left out of it."""
    members = _Members()
    taken: dict[int, list[tuple[RegisterPlace, Entry]]] = {}  # by groups of bytes
    names: set[str] = set()
    for entry in entries:
        places = _places(entry, report)
        clash = next(filter(None, (_taken(place, taken) for place in places)), None)
        if clash is not None:
            _clash(entry, clash, report)
        elif any(place.name in names for place in places):
            report.refuse(entry.path, f" at {entry.member.offset:#x} has a name that is taken", entry.line)
        elif places:
            names.update(place.name for place in places)
            for place in places:
                for group in _groups(place):
                    taken.setdefault(group, []).append((place, entry))
            wanted = entry.member.name
            entry.member.source_line = entry.line
            attribute = members.add(wanted, entry.member)
            if wanted.isidentifier() and attribute != wanted:
                report.note(entry.path, "name", f"is the attribute {attribute}; {wanted} is taken")
    title = re.sub(r"\W+", "_", name)
    try:
        return type(title, (Described,), members.members | attributes | {"__module__": __name__})
    except DefinitionError as error:
        report.problems.append(str(error))
        return Described


def _groups(place: RegisterPlace) -> range:
    """Return the numbers of the groups of four bytes that a register has some of: of most registers, one."""
    return range(place.offset >> 2, (place.end + 3) >> 2)


def _taken(place: RegisterPlace, taken: Mapping[int, Iterable[tuple[RegisterPlace, Entry]]]) -> Entry | None:
    """Return the entry that has bytes of a place and cannot share them."""
    for group in _groups(place):
        for other, entry in taken.get(group, ()):
            if other.offset < place.end and place.offset < other.end and not place.can_share(other):
                return entry
    return None


def _places(entry: Entry, report: Report) -> list[RegisterPlace]:
    member = entry.member
    try:
        if isinstance(member, Nested):
            return member.places("", Device)
        member.check("")
    except DefinitionError as error:
        report.refuse(entry.path, str(error), entry.line)
        return []
    readable, writable = bool(member.effects.readable), bool(member.effects.writable)
    return [
        RegisterPlace(offset, member.width, each, readable=readable, writable=writable)
        for each, offset in member.elements
    ]


def _clash(entry: Entry, other: Entry, report: Report) -> None:
    """Deal with two members in one place that cannot share it: the first is there, if the description knows of both."""
    place = f"at {entry.member.offset:#x}"
    if entry.alternate or other.alternate:
        text = f"left out, because {other.path} is there; for the other choice: without=[{other.path!r}]"
        report.note(entry.path, place, text)
    else:
        report.refuse(entry.path, f" {place} overlaps {other.path} at {other.member.offset:#x}", entry.line)


class _Members:
    """The members of a class to be, by attributes that Python and the device let them have."""

    def __init__(self) -> None:
        self.members: dict[str, Any] = {}
        self._tries: dict[str, int] = {}

    def add(self, name: str, member: Any) -> str:
        """Add a member and return its attribute: its name, or one like it."""
        attribute = re.sub(r"\W+", "_", name).rstrip("_") if not name.isidentifier() else name
        attribute = attribute.lstrip("_") if attribute.startswith("__") else attribute
        if not attribute or attribute[0].isdigit():
            attribute = f"_{attribute}"
        base = attribute
        while (
            iskeyword(attribute)
            or attribute in self.members
            or (hasattr(Described, attribute) and attribute not in OPEN)
        ):
            tries = self._tries[base] = self._tries.get(base, 0) + 1
            attribute = f"{base}_" if tries == 1 else f"{base}_{tries}"
        self.members[attribute] = member
        return attribute
