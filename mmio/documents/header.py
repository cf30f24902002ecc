"""A device class as a C header: offsets, masks, shifts, values at reset, names of values.

Everything is a macro, so that the header serves C and C++ of any age, assembler excepted. An array, or equal blocks,
have a macro with an index for each. Two names that would be one macro get an underscore at the end.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from mmio.device.block import BlockArray, Indexed, Nested
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.register import RegisterArray
from mmio.documents.outline import access_of

_INDICES: Final = "ijklmn"
_LARGEST: Final = 8  # bytes of a number that C has a literal for


def header(device: type[Device]) -> str:
    """Return the header.

    Raises:
        ValueError: arrays are nested deeper than six.
    """
    writer = _Writer(_macro(device.__name__) or "DEVICE")
    name = writer.prefix
    body = list(writer.scope(device, name, "0", []))
    extent = f"{device.layout.extent:#x}u /* bytes, to the last register's end */"
    return "\n".join(
        [
            f"/* Written by pagetrap from the device class {_comment(device.__name__)}. */",
            f"#ifndef {name}_REGISTERS_H",
            f"#define {name}_REGISTERS_H",
            "",
            *body,
            f"#define {writer.name(f'{name}_EXTENT')} {extent}",
            "",
            "#endif",
            "",
        ]
    )


class _Writer:
    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._taken = {f"{prefix}_REGISTERS_H"}

    def name(self, wanted: str) -> str:
        """Return a macro's name that is free."""
        while wanted in self._taken:
            wanted += "_"
        self._taken.add(wanted)
        return wanted

    def scope(self, device: type[Device], prefix: str, base: str, indices: list[str]) -> Iterator[str]:
        """Iterate over the lines about the members of a class.

        Args:
            device: the class.
            prefix: of its macros.
            base: its offset, an expression of C.
            indices: the parameters of that.
        """
        for member in device._device_members.values():
            if isinstance(member, Indexed):
                yield from self._bank(member, prefix, base, indices)
            elif isinstance(member, Nested):
                name = f"{prefix}_{_macro(member.name)}"
                at, inner = f"{base} + {member.offset:#x}u", indices
                if isinstance(member, BlockArray):
                    at, inner = self._step(at, member.stride, indices)
                    yield f"#define {self.name(f'{name}_COUNT')} {member.count}u"
                yield from self.scope(member.device, name, at, inner)
            elif isinstance(member, Declared):
                at, inner = f"{base} + {member.offset:#x}u", indices
                if isinstance(member, RegisterArray):
                    at, inner = self._step(at, member.stride, indices)
                yield from self._register(member, f"{prefix}_{_macro(member.name)}", at, inner)

    def _step(self, at: str, stride: int, indices: list[str]) -> tuple[str, list[str]]:
        if len(indices) == len(_INDICES):
            raise ValueError(f"arrays in arrays, deeper than {len(_INDICES)}: there is no header for them")
        index = _INDICES[len(indices)]
        return f"{at} + {stride:#x}u * ({index})", [*indices, index]

    def _bank(self, member: Indexed[Any], prefix: str, base: str, indices: list[str]) -> Iterator[str]:
        """Iterate over the lines about registers behind an index: their offset is that of the data register."""
        name = f"{prefix}_{_macro(member.name)}"
        parameters = f"({', '.join(indices)})" if indices else ""
        yield f"#define {self.name(f'{name}_DATA_OFFSET')}{parameters} ({base} + {member.offset:#x}u)"
        for inner in member.device._device_members.values():
            if isinstance(inner, Declared):
                at, more = f"{inner.offset // member.step:#x}u", list[str]()
                if isinstance(inner, RegisterArray):
                    at, more = self._step(at, inner.stride // member.step, [])
                yield from self._register(inner, f"{name}_{_macro(inner.name)}", at, more, "INDEX")

    def _register(
        self, member: Declared[Any], name: str, at: str, indices: list[str], what: str = "OFFSET"
    ) -> Iterator[str]:
        parameters = f"({', '.join(indices)})" if indices else ""
        note = f" /* {member.width} byte{'s'[: member.width != 1]}, {access_of(member)} */"
        yield f"#define {self.name(f'{name}_{what}')}{parameters} ({at.removeprefix('0 + ')}){note}"
        if isinstance(member, RegisterArray):
            yield f"#define {self.name(f'{name}_COUNT')} {member.count}u"
        if member.width <= _LARGEST:
            yield f"#define {self.name(f'{name}_RESET')} {_number(member.reset_value)}"
        for field in member.fields:
            own = f"{name}_{_macro(field.name)}"
            yield f"#define {self.name(f'{own}_SHIFT')} {field.lsb}"
            if member.width <= _LARGEST:
                yield f"#define {self.name(f'{own}_MASK')} {_number(field.mask)}"
            for value, label in sorted(field.enum.items()):
                if value >> 8 * _LARGEST == 0:
                    yield f"#define {self.name(f'{own}_{_macro(label)}')} {_number(value)}"
        yield ""


def _number(value: int) -> str:
    return f"{value:#x}u{'ll' * (value >> 32 > 0)}"


def _macro(name: str) -> str:
    """Return a name as a part of a macro's: capitals, digits, underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").upper() or "X"


def _comment(text: str) -> str:
    return re.sub(r"[^\w ]", "_", text)
