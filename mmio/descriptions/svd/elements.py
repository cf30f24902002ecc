"""Elements of an SVD file with their common accessors."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

Element: TypeAlias = Any  # of lxml, which has no types
CONTAINERS: Final = frozenset(("peripherals", "registers", "fields"))  # which are in no name


def name_of(element: Element) -> str:
    """Return what its <name> says, or nothing."""
    return (element.findtext("name") or "").strip()


def named(scope: Element) -> Iterator[Element]:
    """Iterate over what in a scope a path can name: registers of a peripheral, fields of a register."""
    for child in scope:
        if child.tag in CONTAINERS:
            yield from named(child)
        elif name_of(child):
            yield child


def by_tag(element: Element) -> dict[str, list[Element]]:
    """Return the children of an element under their tags, without comments and entities."""
    children: dict[str, list[Element]] = {}
    for child in element:
        tag = child.tag
        if isinstance(tag, str):
            children.setdefault(tag, []).append(child)
    return children
