"""Write a device class as SystemRDL, for hardware generators, documentation and other simulators.

What is written compiles, and `from_rdl` makes the same layout of it: names, offsets, widths, fields, names of values,
reset values and effects. Behaviour that is Python, handlers and lines, has no place there; a comment lists it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from attrs import frozen

from mmio.descriptions.rdl.words import PROPERTY
from mmio.device.block import BlockArray, Nested
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.effects import Bits
from mmio.device.field import Field
from mmio.device.line import LineDeclaration
from mmio.device.register import RegisterArray
from mmio.errors import DefinitionError

_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_STEP: Final = "    "


@frozen
class _Placed:
    """A register, an array or a block at its place: `end` is the first byte after it, by SystemRDL's count."""

    name: str
    offset: int
    end: int
    member: Any
    count: int | None = None


def to_rdl(device: type[Device] | Device) -> str:
    """Return a Device class (or the class of a device) as SystemRDL 2.0: one address map.

    Raises:
        DefinitionError: the device has no registers, and an address map must have some; or one that comes and goes.
    """
    cls = device if isinstance(device, type) else type(device)
    if not cls.layout.places:
        raise DefinitionError(f"{cls.__name__} has no registers, and SystemRDL has no empty address map")
    for place in cls.layout.places:
        if place.when is not None:
            raise DefinitionError(
                f"{cls.__name__}.{place.name} is there only when {place.when.register} says so, for which SystemRDL "
                "has no words; write a subclass that has it not, or always"
            )
    name = _instance(cls.__name__, set())
    body = list(_scope(cls))
    lines = [f"// Written by pagetrap from the device class {cls.__name__}.", *_behaviour(cls)]
    if any(f"{PROPERTY} = " in line for line in body):
        lines += ["", f"property {PROPERTY} {{ component = all; type = string; }};  // what SystemRDL has no word for"]
    return "\n".join([*lines, "", f"addrmap {name} {{", *_indented(body), "};", ""])


def _behaviour(cls: type[Device]) -> list[str]:
    lines = [attribute for attribute, member in cls._device_members.items() if isinstance(member, LineDeclaration)]
    handlers = sorted(set(cls._device_handlers.values()))
    return [
        f"// Not here, because it is Python: {what} {', '.join(names)}."
        for what, names in (("lines", lines), ("handlers", handlers))
        if names
    ]


def _scope(cls: type[Device]) -> Iterator[str]:
    """The inside of an address map or regfile."""
    taken: set[str] = set()
    for placed in _placed(cls):
        instance = _instance(placed.name, taken)
        extra = {} if instance.lstrip("\\") == placed.name else {"name": placed.name}
        nested = isinstance(placed.member, Nested)
        inside = _scope(placed.member.device) if nested else _register(placed.member)
        yield "regfile {" if nested else "reg {"
        yield from _indented([*_extra(extra), *inside])
        where = f"@ {placed.offset:#x}"
        if placed.count is not None:
            instance, where = f"{instance}[{placed.count}]", f"{where} += {placed.member.stride:#x}"
        yield f"}} {instance} {where};"


def _placed(cls: type[Device]) -> Sequence[_Placed]:
    """The members of a class in order; singly, where some lie in gaps of others, which SystemRDL refuses."""
    members = sorted(_members(cls), key=lambda placed: placed.offset)
    for one, two in pairwise(members):
        if two.offset < one.end:
            return sorted(_single(cls), key=lambda placed: placed.offset)
    return members


def _members(cls: type[Device]) -> Iterator[_Placed]:
    for member in cls._device_members.values():
        if isinstance(member, RegisterArray):
            end = member.offset + member.count * member.stride
            yield _Placed(member.name, member.offset, end, member, member.count)
        elif isinstance(member, Declared):
            yield _Placed(member.name, member.offset, member.offset + member.width, member)
        elif isinstance(member, BlockArray) and member.device.layout.places:
            end = member.offset + member.count * member.stride
            size = max(placed.end for placed in _members(member.device))
            if size <= member.stride:
                yield _Placed(member.name, member.offset, end, member, member.count)
            else:  # they lie in each other's gaps
                yield from _single_blocks(member)
        elif isinstance(member, Nested) and member.device.layout.places:
            end = member.offset + max(placed.end for placed in _members(member.device))
            yield _Placed(member.name, member.offset, end, member)


def _single(cls: type[Device], prefix: str = "", base: int = 0) -> Iterator[_Placed]:
    for member in cls._device_members.values():
        if isinstance(member, Declared):
            for name, offset in member.elements:
                yield _Placed(prefix + name, base + offset, base + offset + member.width, member)
        elif isinstance(member, Nested):
            yield from _single_blocks(member, prefix, base)


def _single_blocks(member: Nested[Any, Any], prefix: str = "", base: int = 0) -> Iterator[_Placed]:
    for name, offset in member.elements:
        yield from _single(member.device, f"{prefix}{name}.", base + offset)


def _register(register: Declared[Any]) -> Iterator[str]:
    if register.doc:
        yield f"desc = {_string(register.doc)};"
    width = 8 * register.width
    yield f"regwidth = {width};"
    taken: set[str] = set()
    for field in register.fields:
        yield from _field(field, register._bits(field), register, taken)
    covered = sum(field.mask for field in register.fields)
    rest = Bits((1 << width) - 1 & ~covered, register.access, register.on_read, register.on_write, False)
    if rest.mask and (rest.access != "na" or not covered or register.reset_value & rest.mask):
        for msb, lsb in _runs(rest.mask):
            yield from _field(Field(f"_{msb}_{lsb}", msb, lsb), rest, register, taken)


def _field(field: Field, bits: Bits, register: Declared[Any], taken: set[str]) -> Iterator[str]:
    instance = _instance(field.name, taken)
    reset = field.of(register.reset_value)
    hidden = "r" if register.effects.readable else "w"
    extra: dict[str, Any] = {} if instance.lstrip("\\") == field.name else {"name": field.name}
    words: list[str] = []
    if bits.access == "na":
        extra["access"] = "na"  # SystemRDL sees no sense in a field that software cannot access
        words.append(f"sw = {hidden};")  # which makes no register readable or writable that is not
    else:
        words.append(f"sw = {bits.access};")
    words += [f"{word} = {value};" for word, value in (("onread", bits.on_read), ("onwrite", bits.on_write)) if value]
    if bits.singlepulse and field.width == 1 and not reset and not bits.on_write:
        words.append("singlepulse;")
    elif bits.singlepulse:
        extra["singlepulse"] = True
    if _is_enum(field):
        encoding = _instance(f"{field.name}_values", taken)
        entries = " ".join(f"{_escaped(name)} = {value:#x};" for value, name in field.enum.items())
        yield f"enum {encoding} {{ {entries} }};"
        words.append(f"encode = {encoding};")
    elif field.enum:
        extra["enum"] = {str(value): name for value, name in field.enum.items()}
    inside = " ".join([*_extra(extra), *words])
    yield f"field {{ {inside} }} {instance}[{field.msb}:{field.lsb}] = {field.width}'h{reset:x};"


def _is_enum(field: Field) -> bool:
    """Return whether SystemRDL has an enum for the names of a field's values."""
    names = list(field.enum.values())
    return bool(names) and len(set(names)) == len(names) and all(map(_IDENTIFIER.fullmatch, names))


def _runs(mask: int) -> Iterator[tuple[int, int]]:
    """Iterate over runs of ones as (msb, lsb), from the least significant up."""
    lsb = 0
    while mask >> lsb:
        lsb += ((mask >> lsb) & -(mask >> lsb)).bit_length() - 1
        msb = lsb + (~(mask >> lsb) & (mask >> lsb) + 1).bit_length() - 2
        yield msb, lsb
        lsb = msb + 1


def _instance(name: str, taken: set[str]) -> str:
    """Return the name, or one like it that SystemRDL takes and that is still free."""
    if not _IDENTIFIER.fullmatch(name):
        name = re.sub("[^A-Za-z0-9]+", "_", name).strip("_")
        name = name if _IDENTIFIER.fullmatch(name) else f"X{name}"
    while name in taken:
        name += "_"
    taken.add(name)
    return _escaped(name)


def _escaped(name: str) -> str:
    """Escape what may be a keyword: all of them are in lower case."""
    return f"\\{name}" if name.islower() else name


def _extra(extra: dict[str, Any]) -> list[str]:
    # `<%` would start Perl, and a backtick a macro.
    text = json.dumps(extra).replace("<", "\\u003c").replace("`", "\\u0060")
    return [f"{PROPERTY} = {_string(text)};"] if extra else []


def _string(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("<%", "< %").replace("`", "'")
    return f'"{plain}"'


def _indented(lines: Iterable[str]) -> list[str]:
    return [_STEP + line for line in lines]
