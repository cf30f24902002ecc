"""The fields of a register, and the names of their values."""

from collections.abc import Iterator
from functools import partial
from typing import Final

from attrs import frozen

from mmio.descriptions.assembly import behaviour
from mmio.descriptions.report import Report
from mmio.descriptions.svd.document import Document
from mmio.descriptions.svd.elements import by_tag
from mmio.descriptions.svd.node import Node, resolve
from mmio.descriptions.svd.texts import Texts, labelled
from mmio.descriptions.svd.values import LONGEST_NAME, bit_range, matching, small, word
from mmio.descriptions.svd.words import ACCESS, KNOWN, ON_READ, ON_WRITE, USAGE
from mmio.device.field import Field

MAX_NAMES: Final = 1 << 16  # of values, in one peripheral; vendors' largest has 2,500
_MAX_BIT: Final = 1 << 16


@frozen
class Words:
    """Access, effect of reading and effect of writing, in a Device's words."""

    access: str = "rw"
    on_read: str | None = None
    on_write: str | None = None


class FieldReader:
    """Reads the fields of one peripheral's registers."""

    def __init__(self, document: Document, report: Report, texts: Texts) -> None:
        self.document = document
        self.report = report
        self.texts = texts
        self._names = 0

    def words(self, node: Node, path: str, outer: Words) -> Words:
        """Return what an element says of accesses, else what the outer one says as far as its access allows it."""
        parts = node.parts
        access = self.texts.given(node, path, "access", partial(word, known=ACCESS)) if "access" in parts else None
        access = access or outer.access
        on_read = outer.on_read if "r" in access else None
        on_write = outer.on_write if "w" in access else None
        if "readAction" in parts:
            on_read = self.texts.given(node, path, "readAction", partial(word, known=ON_READ))
            said = node.text("readAction") or ""
            if on_read is None and said in ON_READ:
                self.report.note(path, f"readAction {said}", "reading changes nothing; a reads handler can")
        if "modifiedWriteValues" in parts:
            on_write = self.texts.given(node, path, "modifiedWriteValues", partial(word, known=ON_WRITE))
        return Words(access, on_read, on_write)

    def read(self, register: Node, path: str, outer: Words, size: int) -> Iterator[Field]:
        """Iterate over the fields of a register of `size` bits."""
        for element in register.children("fields", "field"):
            name = self.texts.name(element, f"{path}.")
            if name is None or name.lower() == "reserved":
                continue  # of which files have several in a register: they name nothing
            where = f"{path}.{name}"
            node = resolve(element, where, self.document, self.report)
            self.texts.survey(node, where)
            place = self._place(node, where)
            if place is None:
                continue
            msb, lsb = place
            words = self.words(node, where, outer)
            bits = behaviour(where, 0, words.access, words.on_read, words.on_write, self.report)
            if "writeConstraint" in node.parts:
                self.report.note(where, "writeConstraint", "not checked; a written handler can")
            enum: dict[int, str] | None = None
            marks, increment = self.texts.array(node, name, where)
            for i, mark in enumerate(marks):
                first, last = lsb + i * increment, msb + i * increment
                label = labelled(name, mark)
                if last >= size:
                    text = f" (bits {last}:{first}) is outside the register, which has bits {size - 1}:0"
                    self.report.refuse(f"{path}.{label}", text, node.line)
                    continue
                if enum is None:
                    enum = self._enum(where, node, msb - lsb + 1) if "enumeratedValues" in node.parts else {}
                yield Field(
                    label,
                    last,
                    first,
                    enum,
                    access=bits.access,  # type: ignore[arg-type]  # words of the tables above
                    on_read=bits.on_read,  # type: ignore[arg-type]
                    on_write=bits.on_write,  # type: ignore[arg-type]
                )

    def _place(self, node: Node, path: str) -> tuple[int, int] | None:
        """Return the most and the least significant bit of a field, None when it does not say."""
        parts = node.parts
        bit = partial(small, end=_MAX_BIT)
        if "bitRange" in parts:
            place = self.texts.needed(node, path, "bitRange", bit_range)
        else:
            one, two = ("lsb", "msb") if "lsb" in parts or "msb" in parts else ("bitOffset", "bitWidth")
            if one not in parts or two not in parts:
                text = ": expected <bitRange>, <lsb> and <msb>, or <bitOffset> and <bitWidth>"
                self.report.refuse(path, text, node.line)
                return None
            first, second = (self.texts.needed(node, path, tag, bit) for tag in (one, two))
            if first is None or second is None:
                return None
            if one == "bitOffset" and not second:
                self.report.refuse(path, ": <bitWidth> is 0, expected 1 or more", node.line)
                return None
            place = (second, first) if one == "lsb" else (first + second - 1, first)
        if place is not None and place[0] < place[1]:
            text = f"are {place[0]}:{place[1]}, expected the most significant one first"
            self.report.slip(path, node.line, "bits", text, f"taken as {place[1]}:{place[0]}")
            return place[1], place[0]
        return place

    def _enum(self, path: str, field: Node, width: int) -> dict[int, str]:
        """Return names of values; where reading and writing have names of their own, the read ones come first."""
        tables = [resolve(each, path, self.document, self.report) for each in field.parts["enumeratedValues"]]
        if len(tables) > 1:
            usage = partial(word, known=USAGE)
            tables.sort(key=lambda table: self.texts.given(table, path, "usage", usage, "taken as read-write") or 0)
        names: dict[int, str] = {}
        for table in tables:
            for each in table.children("", "enumeratedValue"):
                self.report.visit()
                self._value(path, Node(each, by_tag(each)), width, names)
        return names

    def _value(self, path: str, node: Node, width: int, names: dict[int, str]) -> None:
        name = " ".join((node.text("name") or node.text("description") or "").split())[:LONGEST_NAME]
        for tag in node.parts.keys() - KNOWN:
            self.report.note(f"{path}.{name}", tag[:80], "unknown, and passed over", node.line)
        if "value" not in node.parts:
            text = "not for a single value; other values are printed as numbers"
            self.report.note(path, f"enumeratedValue {name}", text)
            return
        values = self.texts.given(node, path, "value", lambda text: list(matching(text))) or []
        self.report.visit(len(values))
        for value in values:
            if value >= 1 << width:
                self.report.note(path, f"enumeratedValue {name}", f"{value} does not fit in {width} bits")
            elif value not in names and self._names >= MAX_NAMES:
                text = f"left out: {MAX_NAMES} values have names before it"
                self.report.note(path, "enumeratedValue", text)
            else:
                self._names += value not in names
                if names.setdefault(value, name) != name:
                    text = f"value {value} is printed as {names[value]}"
                    self.report.note(path, f"enumeratedValue {name}", text)
