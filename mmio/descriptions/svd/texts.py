"""Texts of a node's children, parsed by `values`; a text that cannot be parsed is skipped with a note."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from mmio.descriptions.report import Report
from mmio.descriptions.svd.elements import Element, name_of
from mmio.descriptions.svd.node import Node
from mmio.descriptions.svd.values import LONGEST_NAME, count, labels, shown, small
from mmio.descriptions.svd.words import KNOWN, UNDONE

T = TypeVar("T")
SINGLE: Final = ("",)  # the labels of what is no array
_PLAIN: Final = KNOWN - UNDONE.keys()


class Texts:
    """Reads children of nodes for one report."""

    def __init__(self, report: Report) -> None:
        self.report = report

    def name(self, element: Element, scope: str) -> str | None:
        """Return the name of an element as records have it, None when it has none that can be used."""
        self.report.visit()
        text = name_of(element)
        where = scope.rstrip(".")
        if not text:
            self.report.slip(where, element.sourceline, element.tag, "has no <name>", "left out")
            return None
        if len(text) > LONGEST_NAME:
            problem = f"is {shown(text)}, expected at most {LONGEST_NAME} characters"
            self.report.slip(where, element.sourceline, "name", problem, "left out")
            return None
        words = text.split()
        if len(words) > 1:  # a name with a blank would be two words wherever records are lines of words
            together = "_".join(words)
            self.report.slip(scope + together, element.sourceline, "name", f"is {text!r}, with a blank", "taken as _")
            return together
        return text

    def given(self, node: Node, path: str, tag: str, read: Callable[[str], T], remedy: str = "passed over") -> T | None:
        """Return what a child says, None when there is no such child or it cannot be read."""
        text = node.text(tag)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.report.slip(path, node.parts[tag][0].sourceline, tag, str(error), remedy)
            return None

    def needed(self, node: Node, path: str, tag: str, read: Callable[[str], T]) -> T | None:
        """Return what a child says; without it the element is left out, and None returned."""
        if tag not in node.parts:
            self.report.slip(path, node.line, node.element.tag, f"has no <{tag}>", "left out")
            return None
        return self.given(node, path, tag, read, "left out")

    def array(self, node: Node, name: str, path: str) -> tuple[Sequence[str], int]:
        """Return the labels of an array's elements and how far apart they are; `SINGLE` for what is no array."""
        if "dim" not in node.parts:
            if "%s" in name:
                self.report.slip(path, node.line, "name", "has %s, and there is no <dim>", "taken as a single one")
            return SINGLE, 0
        dim = self.given(node, path, "dim", count, "taken as a single one")
        if dim is None:
            return SINGLE, 0
        if "dimIncrement" not in node.parts:
            self.report.slip(path, node.line, "dim", "is there without <dimIncrement>", "taken as a single one")
            return SINGLE, 0
        increment = self.given(node, path, "dimIncrement", small, "taken as a single one")
        if increment is None:
            return SINGLE, 0
        if "%s" not in name:
            if dim == 1:
                return SINGLE, 0
            self.report.slip(path, node.line, "name", "has no %s for <dim>", "labels are put at the end")
        self.report.visit(dim)
        index = node.text("dimIndex") or ""
        try:
            return labels(index, dim), increment
        except ValueError as error:
            self.report.slip(path, node.line, "dimIndex", str(error), "counted from 0")
            return labels("", dim), increment

    def survey(self, node: Node, path: str) -> None:
        """Note the children that a device has no word for."""
        for tag in sorted(node.parts.keys() - _PLAIN):
            if tag in UNDONE:
                self.report.note(path or self.report.device, tag, UNDONE[tag])
            elif tag != "addressBlock" or path:
                line = node.parts[tag][0].sourceline or 0
                self.report.note(path or self.report.device, tag[:80], "unknown, and passed over", line)


def labelled(name: str, label: str) -> str:
    """Return the name of an array's element, or the bare one of what is no array."""
    if not label:
        return bare(name)
    return name.replace("%s", label) if "%s" in name else f"{name}{label}"


def bare(name: str) -> str:
    """Return a name without the place for an array's labels."""
    return name.replace("[%s]", "").replace("%s", "")
