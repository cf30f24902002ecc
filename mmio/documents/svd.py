"""A device class as a CMSIS-SVD file of one peripheral, from which `from_svd` makes the same layout.

SVD knows less than a Device. What it has no word for is left out and listed in a comment: bits that no software can
access, singlepulse, handlers and lines. Registers that come and go cannot be left out without a lie, and are refused.
"""

from collections.abc import Iterator
from typing import Any, Final
from xml.sax.saxutils import escape

from mmio.descriptions.svd.words import ON_READ, ON_WRITE
from mmio.device.block import BlockArray, Nested
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.field import Field
from mmio.device.register import RegisterArray
from mmio.errors import DefinitionError
from mmio.records.printable import printable

_ACCESS: Final = {"rw": "read-write", "r": "read-only", "w": "write-only", "rw1": "read-writeOnce", "w1": "writeOnce"}
_ON_READ: Final = {ours: svd for svd, ours in ON_READ.items() if ours}
_ON_WRITE: Final = {ours: svd for svd, ours in ON_WRITE.items() if ours}


def svd(device: type[Device]) -> str:
    """Return the file.

    Raises:
        DefinitionError: a register is there only at times.
    """
    for place in device.layout.places:
        if place.when is not None:
            raise DefinitionError(
                f"{device.__name__}.{place.name} is there only when {place.when.register} says so, for which SVD has "
                "no words; write a subclass that has it not, or always"
            )
    lost: list[str] = []
    body = list(_members(device, "", lost))
    text = (device.__doc__ or "").strip().partition("\n")[0]
    name = _text(device.__name__)
    return "\n".join(
        [
            '<?xml version="1.0" encoding="utf-8"?>',
            f"<!-- Written by pagetrap from the device class {_comment(device.__name__)}. -->",
            *(f"<!-- Not here: {_comment(each)}. -->" for each in lost),
            '<device schemaVersion="1.3">',
            f"<name>{name}</name><version>1.0</version><description>{_text(text) or name}</description>",
            "<addressUnitBits>8</addressUnitBits><width>32</width>",
            "<peripherals><peripheral>",
            f"<name>{name}</name><baseAddress>0x0</baseAddress>",
            f"<addressBlock><offset>0x0</offset><size>{device.layout.extent:#x}</size><usage>registers</usage></addressBlock>",
            "<registers>",
            *body,
            "</registers>",
            "</peripheral></peripherals></device>",
            "",
        ]
    )


def _members(device: type[Device], prefix: str, lost: list[str]) -> Iterator[str]:
    for attribute, member in device._device_members.items():
        path = f"{prefix}{member.name}"
        if isinstance(member, Nested):
            if not member.device.layout.places:
                continue
            yield f"<cluster>{_placed(member, isinstance(member, BlockArray))}"
            yield from _members(member.device, f"{path}.", lost)
            yield "</cluster>"
        elif isinstance(member, Declared):
            handlers = [method for (name, _), method in device._device_handlers.items() if name == attribute]
            lost += [f"the handler {method} of {path}" for method in handlers]
            yield from _register(member, path, lost)
        else:
            lost.append(f"the line {path}")


def _placed(member: Any, several: bool) -> str:
    """Return name and place of a register or a cluster."""
    place = f"<addressOffset>{member.offset:#x}</addressOffset>"
    if not several:
        return f"<name>{_text(member.name)}</name>{place}"
    array = f"<dim>{member.count}</dim><dimIncrement>{member.stride:#x}</dimIncrement>"
    return f"{array}<name>{_text(member.name)}[%s]</name>{place}"


def _register(member: Declared[Any], path: str, lost: list[str]) -> Iterator[str]:
    if member.access == "na" and not (member.effects.readable or member.effects.writable):
        lost.append(f"{path}, which no software can access")
        return
    yield f"<register>{_placed(member, isinstance(member, RegisterArray))}"
    if member.doc:
        yield f"<description>{_text(member.doc)}</description>"
    access = member.access
    if access == "na":
        covered = sum(field.mask for field in member.fields)
        if covered != (1 << 8 * member.width) - 1:
            lost.append(f"the bits of {path} without a name, which no software can access: they are read-only here")
        access = "r"
    yield f"<size>{8 * member.width}</size>{_words(access, member.on_read, member.on_write)}"
    yield f"<resetValue>{member.reset_value:#x}</resetValue>"
    fields = list(_fields(member, path, lost))
    if fields:
        yield "<fields>"
        yield from fields
        yield "</fields>"
    yield "</register>"


def _fields(member: Declared[Any], path: str, lost: list[str]) -> Iterator[str]:
    for field in member.fields:
        bits = member._bits(field)
        if bits.access == "na":
            lost.append(f"{path}.{field.name}, which no software can access")
            continue
        if bits.singlepulse:
            lost.append(f"singlepulse of {path}.{field.name}")
        yield f"<field><name>{_text(field.name)}</name><bitRange>[{field.msb}:{field.lsb}]</bitRange>"
        yield f"{_words(bits.access, bits.on_read, bits.on_write)}{_enum(field)}</field>"


def _words(access: str, on_read: str | None, on_write: str | None) -> str:
    """Return access and effects, in the order of the schema."""
    text = f"<access>{_ACCESS[access]}</access>"
    if on_write:
        text += f"<modifiedWriteValues>{_ON_WRITE[on_write]}</modifiedWriteValues>"
    return f"{text}<readAction>{_ON_READ[on_read]}</readAction>" if on_read else text


def _enum(field: Field) -> str:
    if not field.enum:
        return ""
    values = "".join(
        f"<enumeratedValue><name>{_text(name)}</name><value>{value}</value></enumeratedValue>"
        for value, name in field.enum.items()
    )
    return f"<enumeratedValues>{values}</enumeratedValues>"


def _text(text: str) -> str:
    return escape(printable(text))


def _comment(text: str) -> str:
    """Return what may stand in a comment, where two hyphens may not."""
    return printable(text).replace("-", "_").replace(">", "_")
