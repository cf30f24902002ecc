"""The elements of an SVD file, and what can be asked of any of them."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from mmio.descriptions.errors import DescriptionError

Element: TypeAlias = Any  # of lxml, which has no types
CONTAINERS: Final = frozenset(("peripherals", "registers", "fields"))  # which are in no name


def name_of(element: Element) -> str:
    """Return what its <name> says, or nothing."""
    return (element.findtext("name") or "").strip()


def label(element: Element) -> str:
    """Return what an element is called in messages: "UART1.CR.EN"."""
    names = []
    each: Element | None = element
    while each is not None and each.tag != "device":
        if each.tag not in CONTAINERS and name_of(each):
            names.append(name_of(each))
        each = each.getparent()
    return ".".join(reversed(names)) or f"<{element.tag}>"


def named(scope: Element) -> Iterator[Element]:
    """Iterate over what in a scope a path can name: registers of a peripheral, fields of a register."""
    for child in scope:
        if child.tag in CONTAINERS:
            yield from named(child)
        elif name_of(child):
            yield child


def put(element: Element, tag: str, text: str) -> None:
    """Set the text of an element, replacing what it was."""
    from lxml.etree import SubElement

    child = element.find(tag)
    if child is None:
        child = SubElement(element, tag)
    child.text = text


def drop(element: Element, tag: str) -> str:
    """Remove a child and return what it said."""
    child = element.find(tag)
    if child is None:
        return ""
    element.remove(child)
    return (child.text or "").strip()


def problem(element: Element, text: str) -> DescriptionError:
    """Return the error for something wrong with an element: with file, line and name."""
    path = element.getroottree().docinfo.URL or ""
    return DescriptionError(path, f"{path}:{element.sourceline}: {label(element)}: {text}")
