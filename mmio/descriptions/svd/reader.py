"""Create a device class from a peripheral's elements.

SVD says less about a register than SystemRDL: one access, one effect of reading, one of writing, for the register and
again for each field; the reset value is the register's. What it has and a `Device` has not becomes a note. So does what
a vendor got wrong, which costs the one element concerned: its property, the field, the register.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from attrs import evolve, frozen

from mmio.descriptions.assembly import Described, Entry, Shape, assemble, behaviour, declare
from mmio.descriptions.report import Report
from mmio.descriptions.svd.document import Document
from mmio.descriptions.svd.elements import Element
from mmio.descriptions.svd.fields import FieldReader, Words
from mmio.descriptions.svd.node import Node, resolve
from mmio.descriptions.svd.texts import Texts, bare, labelled
from mmio.descriptions.svd.values import number, small, word
from mmio.descriptions.svd.words import ACCESS
from mmio.device.block import Block, block
from mmio.device.effects import Bits
from mmio.space.policy import WIDTHS

_DEEPEST: Final = 8  # clusters in clusters


@frozen
class _Properties:
    """Properties that hold for all registers inside: size in bits, access, reset value and mask."""

    size: int = 32
    access: str = "rw"
    reset: int = 0
    mask: int | None = None


_PROPERTIES: Final[tuple[tuple[str, str, Callable[[str], Any]], ...]] = (
    ("size", "size", number),
    ("access", "access", partial(word, known=ACCESS)),
    ("resetValue", "reset", number),
    ("resetMask", "mask", number),
)


class PeripheralReader:
    """Reads one peripheral of a document."""

    def __init__(self, document: Document, report: Report) -> None:
        self.document = document
        self.report = report
        self.texts = Texts(report)
        self.fields = FieldReader(document, report, self.texts)

    def device(self, element: Element, name: str, base: int) -> type[Described]:
        """Make the class of a peripheral."""
        root = Node(self.document.root, {each.tag: [each] for each in self.document.root if isinstance(each.tag, str)})
        self._unit(root)
        node = resolve(element, "", self.document, self.report)
        self.texts.survey(node, "")
        for each in node.children("", "interrupt"):
            text = (
                f"number {(each.findtext('value') or '').strip()[:20]} is not driven; declare irq = line() and set it"
            )
            self.report.note(name, f"interrupt {(each.findtext('name') or '').strip()[:80]}", text)
        properties = self._properties(node, "", self._properties(root, "", _Properties()))
        affixes = node.text("prependToName") or "", node.text("appendToName") or ""
        members = node.children("registers", "register", "cluster")
        entries = self.entries(members, node, "", properties, affixes, 0)
        return assemble(name, entries, self.report, source=self.document.path, base_address=base)

    def _unit(self, root: Node) -> None:
        bits = root.text("addressUnitBits")
        if bits not in (None, "8"):
            text = f"is {bits}, expected 8"
            self.report.slip(
                "", root.parts["addressUnitBits"][0].sourceline, "addressUnitBits", text, "offsets are bytes"
            )

    def entries(
        self,
        elements: Sequence[Element],
        above: Node,
        scope: str,
        properties: _Properties,
        affixes: tuple[str, str],
        depth: int,
    ) -> Iterator[Entry]:
        """Iterate over what a peripheral or a cluster has. `scope`: the path of the cluster, with a dot."""
        for element in elements:
            plain = self.texts.name(element, scope)
            if plain is None:
                continue
            name = f"{affixes[0]}{plain}{affixes[1]}"
            path = scope + bare(name)
            if not self.report.wants(path):
                continue
            is_cluster = element.tag == "cluster"
            node = resolve(element, path, self.document, self.report, above if is_cluster else None)
            self.texts.survey(node, path)
            offset = self.texts.needed(node, path, "addressOffset", small)
            if offset is None:
                continue
            own = self._properties(node, path, properties)
            if is_cluster:
                yield from self.cluster(node, name, path, offset, own, depth)
            else:
                yield from self.register(node, name, path, offset, own)

    def cluster(
        self, node: Node, name: str, path: str, offset: int, properties: _Properties, depth: int
    ) -> Iterator[Entry]:
        """Iterate over the blocks one cluster is: one class, as many times as it has elements."""
        if depth == _DEEPEST:
            self.report.refuse(path, f": is a cluster in {_DEEPEST} clusters, expected fewer", node.line)
            return
        members = node.children("", "register", "cluster")
        marks, increment = self.texts.array(node, name, path)
        self.report.count(path, 0, len(marks))
        before = self.report.registers, self.report.members
        inner = assemble(path, self.entries(members, node, f"{path}.", properties, ("", ""), depth + 1), self.report)
        more = len(marks) - 1
        self.report.count(path, more * (self.report.registers - before[0]), more * (self.report.members - before[1]))
        if not inner.layout.places:
            return
        for i, mark in enumerate(marks):
            member: Block[Any] = block(offset + i * increment, inner, name=labelled(name, mark))
            yield Entry(path, member, "alternateCluster" in node.parts, node.line)

    def register(self, node: Node, name: str, path: str, offset: int, properties: _Properties) -> Iterator[Entry]:
        """Iterate over the registers one `register` is: several when it is a list and not an array."""
        width = self._width(node, path, properties.size)
        if width is None:
            return
        full = (1 << 8 * width) - 1
        reset = properties.reset
        if reset & ~full:
            text = f"is {reset:#x}, which does not fit in {width} bytes"
            self.report.slip(path, node.line, "resetValue", text, f"taken as {reset & full:#x}")
            reset &= full
        if properties.mask is not None and full & ~properties.mask:
            undefined = full & ~properties.mask
            text = f"bits {undefined:#x} are undefined after reset, and here they are as <resetValue> has them"
            self.report.note(path, "resetMask", text)
        if "writeConstraint" in node.parts:
            self.report.note(path, "writeConstraint", "not checked; a written handler can")
        words = self.fields.words(node, path, Words(properties.access))
        fields = list(self.fields.read(node, path, words, 8 * width))
        rest = self._rest(path, words, full, fields)
        alternate = "alternateRegister" in node.parts or "alternateGroup" in node.parts
        shapes = self._shapes(node, name, path, offset, width, sum(1 + len(field.enum) for field in fields))
        yield from declare(shapes, path, reset, rest, fields, self.report, alternate, node.line)

    def _width(self, node: Node, path: str, size: int) -> int | None:
        """Return the bytes of a register of `size` bits, None when there are no such registers."""
        width = next((width for width in sorted(WIDTHS) if size <= 8 * width), None)
        if not size or width is None:
            self.report.refuse(path, f": its size is {size} bits, expected 8..{8 * max(WIDTHS)}", node.line)
            return None
        if size != 8 * width:
            text = f"is {size} bits, expected one of {', '.join(str(8 * width) for width in sorted(WIDTHS))}"
            self.report.slip(path, node.line, "size", text, f"taken as {8 * width}")
        return width

    def _rest(self, path: str, words: Words, mask: int, fields: Sequence[Any]) -> Bits:
        """Return what happens to bits of no field. The register's effects may be for fields only."""
        reads = any("r" in (field.access or "") for field in fields)
        writes = any("w" in (field.access or "") for field in fields)
        on_read = None if reads and "r" not in words.access else words.on_read
        on_write = None if writes and "w" not in words.access else words.on_write
        return behaviour(path, mask, words.access, on_read, on_write, self.report)

    def _shapes(self, node: Node, name: str, path: str, offset: int, width: int, parts: int) -> Sequence[Shape]:
        """Return the places of a register: one, an array when its name says so, else one for each element.

        `parts`: fields and names of values in it.
        """
        doc = node.text("description") or ""
        marks, increment = self.texts.array(node, name, path)
        is_array = name.endswith("[%s]") and list(marks) == [str(i) for i in range(len(marks))]
        members = 1 if is_array else len(marks)
        self.report.count(path, len(marks), members)
        self.report.visit(members * parts)
        if is_array:
            return [Shape(bare(name), offset, width, len(marks), increment, doc)]
        return [Shape(labelled(name, mark), offset + i * increment, width, doc=doc) for i, mark in enumerate(marks)]

    def _properties(self, node: Node, path: str, outer: _Properties) -> _Properties:
        """Return what an element says about registers, over what the one around it says."""
        found: dict[str, Any] = {}
        for tag, name, read in _PROPERTIES:
            if tag in node.parts:
                value = self.texts.given(node, path, tag, read)
                if value is not None:
                    found[name] = value
        return evolve(outer, **found) if found else outer
