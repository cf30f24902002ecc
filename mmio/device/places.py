"""Registers of a device class with their declarations, and their lines in the source file."""

import ast
import inspect
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from mmio.device.block import Nested
from mmio.device.declared import Declared
from mmio.device.layout import RegisterPlace


class Source(NamedTuple):
    """A line of a file; `file` is "" and `line` 0 where it is not known."""

    file: str = ""
    line: int = 0


class DeclaredPlace(NamedTuple):
    """A register, the declaration it comes from, and the class in whose body, or for which, that was made."""

    place: RegisterPlace
    member: Declared[Any]
    owner: type

    @property
    def source(self) -> Source:
        """The line where the register is declared: of a Python file, or of a register description."""
        if self.member.source_line:
            return Source(str(getattr(self.owner, "source", "")), self.member.source_line)
        for base in self.owner.__mro__:
            if any(member is self.member for member in vars(base).values()):
                return _in_class(base, self.member.attribute)
        return Source()


def declared_places(device: type[Any]) -> list[DeclaredPlace]:
    """Return the registers of a Device class in the order of its layout."""
    declarations = dict(_walk(device, ""))
    return [DeclaredPlace(place, *declarations[place.name]) for place in device.layout.places]


def _walk(device: type[Any], prefix: str) -> Iterator[tuple[str, tuple[Declared[Any], type]]]:
    for member in device._device_members.values():
        if isinstance(member, Declared):
            for name, _ in member.elements:
                yield prefix + name, (member, device)
        elif isinstance(member, Nested):
            inside = list(_walk(member.device, "."))
            for name, _ in member.elements:
                yield from ((f"{prefix}{name}{register}", found) for register, found in inside)


@lru_cache(maxsize=256)
def _lines(cls: type) -> tuple[str, dict[str, int]]:
    """Return the file of a class, and the lines at which its body assigns to names."""
    try:
        file = inspect.getsourcefile(cls) or ""
        lines, first = inspect.getsourcelines(cls)
        body = ast.parse(inspect.cleandoc("\n" + "".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):  # made in a shell, or by type()
        return "", {}
    found: dict[str, int] = {}
    for statement in getattr(body, "body", ()):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            found |= {target.id: first + statement.lineno - 1 for target in targets if isinstance(target, ast.Name)}
    return file, found


def _in_class(cls: type, attribute: str) -> Source:
    file, lines = _lines(cls)
    return Source(file, lines[attribute]) if attribute in lines else Source()
