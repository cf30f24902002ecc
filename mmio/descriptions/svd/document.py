"""A parsed SVD file: its peripherals, and the elements that `derivedFrom` names.

A file of a large chip takes up to a second to parse, and its user makes one class after the other of it. So the file
that was read last is kept, and parsed again only when its bytes have changed.
"""

from collections.abc import Iterator, Mapping
from os import PathLike, fspath
from threading import RLock
from typing import BinaryIO, Final

from attrs import field, frozen

from mmio.descriptions.errors import DescriptionError
from mmio.descriptions.report import REGISTERS, Report
from mmio.descriptions.svd.elements import Element, name_of, named
from mmio.descriptions.svd.values import LONGEST_NAME, count, is_label, labels, small
from mmio.linux.fork_locks import fork_lock

MAX_FILE: Final = 64 << 20  # bytes; vendors' largest file has 24 MiB
_PIECE: Final = 1 << 20
_DEEPEST: Final = 16  # derived elements that one path leads through
_SAME_NAME: Final = 16  # elements of one name in one scope that a path is followed through


@frozen(eq=False)
class Document:
    """The root element of a file. Nothing changes the elements, so that threads may share them."""

    path: str
    root: Element
    _scopes: dict[Element, "_Scope"] = field(factory=dict)
    _enums: dict[str, Element] = field(factory=dict)
    _sources: dict[Element, Element | None] = field(factory=dict)
    _lock: RLock = field(factory=fork_lock)

    def peripherals(self, report: Report) -> Mapping[str, tuple[Element, int]]:
        """Return element and base address of every peripheral: each of an array is one."""
        found: dict[str, tuple[Element, int]] = {}
        for element in self.root.iterfind("peripherals/peripheral"):
            for name, base in _spread(element, report):
                if not name:
                    report.slip("", element.sourceline, "name", "of a peripheral is missing", "left out")
                elif name in found:
                    report.slip(name, element.sourceline, "name", "is that of two peripherals", "the first is meant")
                elif len(found) < REGISTERS:
                    found[name] = element, base
        return found

    def source(self, element: Element) -> Element | None:
        """Return what an element is derived from, None when it is not there."""
        with self._lock:
            return self._source(element, ())

    def _source(self, element: Element, asking: tuple[Element, ...]) -> Element | None:
        if element in self._sources:
            return self._sources[element]
        if element in asking or len(asking) == _DEEPEST:
            return None  # a path that leads through what is derived by it
        found = self._looked_for(element, element.get("derivedFrom"), (*asking, element))
        if not asking:
            self._sources[element] = found
        return found

    def _looked_for(self, element: Element, wanted: str, asking: tuple[Element, ...]) -> Element | None:
        """Look for a source by a path of names, from the nearest scope outward."""
        parts = [part.strip() for part in wanted.split(".")]
        scope = element.getparent()
        while scope is not None:
            found = [scope]
            for part in parts:
                found = [each for one in found for each in self._inside(one, part, asking)][:_SAME_NAME]
            for each in found:
                if each.tag == element.tag and each is not element:
                    return each
            scope = scope.getparent()
        # Most files name another enumeratedValues without saying where it is.
        return self._enumeration(parts[-1], element) if element.tag == "enumeratedValues" else None

    def _inside(self, scope: Element, name: str, asking: tuple[Element, ...]) -> list[Element]:
        """Return what in an element has a name; in its source, when it has none of the name itself."""
        for _ in range(_DEEPEST):
            found = self._scope(scope).find(name)[:_SAME_NAME]
            if found or scope.get("derivedFrom") is None:
                return found
            scope = self._source(scope, asking)
            if scope is None:
                return []
        return []

    def near(self, element: Element) -> list[str]:
        """Return names that `derivedFrom` of an element could have meant."""
        scope = element.getparent()
        while scope is not None:
            names = self._scope(scope).names
            found = [name for name, some in names.items() if some[0].tag == element.tag and some[0] is not element]
            if found:
                return found
            scope = scope.getparent()
        return []

    def _scope(self, element: Element) -> "_Scope":
        scope = self._scopes.get(element)
        if scope is None:
            scope = self._scopes[element] = _Scope.of(element)
        return scope

    def _enumeration(self, name: str, element: Element) -> Element | None:
        if not self._enums:
            tables = {name_of(each): each for each in reversed(list(self.root.iter("enumeratedValues")))}
            self._enums.update(tables)
        found = self._enums.get(name)
        return None if found is element else found


@frozen
class _Scope:
    """Elements inside one, by name; arrays ("R%s") also by what comes before the label."""

    names: dict[str, list[Element]]
    arrays: dict[str, list[Element]]

    @classmethod
    def of(cls, element: Element) -> "_Scope":
        names: dict[str, list[Element]] = {}
        arrays: dict[str, list[Element]] = {}
        for each in named(element):
            name = name_of(each)
            names.setdefault(name, []).append(each)
            if "%s" in name:
                some = arrays.setdefault(name.partition("%s")[0].removesuffix("["), [])
                if len(some) < _SAME_NAME:
                    some.append(each)
        return cls(names, arrays)

    def find(self, name: str) -> list[Element]:
        """Return what has a name: also an array of which it names an element, or all."""
        found = self.names.get(name)
        if found is None and self.arrays:
            heads = [name[:length] for length in range(min(len(name), LONGEST_NAME) + 1)]
            found = [each for head in heads for each in self.arrays.get(head, ()) if _is_of(each, name)]
        return found or []


def _is_of(element: Element, name: str) -> bool:
    """Return whether an array's element, or the array itself, has a name: "R%s" has R, R0 and R1."""
    form = name_of(element)
    if name in (form.replace("[%s]", ""), form.replace("%s", "")):
        return True
    head, _, tail = form.partition("%s")
    label = name[len(head) : len(name) - len(tail)]
    return bool(label) and name == head + label + tail and is_label(label, element.findtext("dimIndex") or "")


def _spread(peripheral: Element, report: Report) -> Iterator[tuple[str, int]]:
    """Iterate over the peripherals an element stands for: name and base address."""
    name, line = name_of(peripheral), peripheral.sourceline
    base = _number(peripheral, "baseAddress", report)
    dim = peripheral.findtext("dim")
    if dim is None:
        yield name, base
        return
    try:
        marks = labels(peripheral.findtext("dimIndex") or "", count(dim.strip()))
    except ValueError as error:
        report.slip(name, line, "dim", str(error), "taken as a single one")
        yield name.replace("%s", ""), base
        return
    increment = _number(peripheral, "dimIncrement", report)
    for i, mark in enumerate(marks):
        yield name.replace("%s", mark) if "%s" in name else f"{name}{mark}", base + i * increment


def _number(peripheral: Element, tag: str, report: Report) -> int:
    text = peripheral.findtext(tag)
    try:
        return 0 if text is None else small(text.strip())
    except ValueError as error:
        report.slip(name_of(peripheral), peripheral.sourceline, tag, str(error), "taken as 0")
        return 0


_lock: Final = fork_lock()
_latest: list[tuple[bytes, Document]] = []


def read_document(path: str | PathLike[str]) -> Document:
    """Return a parsed file, the same one as before while its bytes are.

    Raises:
        ImportError: lxml is missing.
        DescriptionError: the file cannot be read, is too large, or is no SVD.
    """
    content = _content(path)
    with _lock:
        if _latest and _latest[0][1].path == fspath(path) and _latest[0][0] == content:
            return _latest[0][1]
    document = Document(fspath(path), _root(path, content))
    with _lock:
        _latest[:] = [(content, document)]
    return document


def _content(path: str | PathLike[str]) -> bytes:
    try:
        with open(path, "rb") as file:
            content = b"".join(_pieces(file))
    except OSError as error:
        raise DescriptionError(path, f"cannot be read: {error.strerror}") from error
    except ValueError as error:  # a zero byte in the path
        raise DescriptionError(path, f"cannot be read: {error}") from error
    if len(content) > MAX_FILE:
        raise DescriptionError(path, f"has more than {MAX_FILE >> 20} MiB, which no chip's description has")
    return content


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Iterate over what is in a file, as far as a piece beyond the limit: reading at once takes the limit's memory."""
    length = 0
    while length <= MAX_FILE and (piece := file.read(_PIECE)):
        length += len(piece)
        yield piece


def _root(path: str | PathLike[str], content: bytes) -> Element:
    try:
        from lxml import etree
    except ImportError as error:
        raise ImportError("reading SVD needs lxml: pip install 'pagetrap[svd]'", name=error.name) from error
    # Nothing outside the file is read, and no entity expanded, whatever its document type says; and libxml2 bounds the
    # depth of elements and the length of a text.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True, huge_tree=False
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        problem = f"{fspath(path)}:{line}:{column}: not XML, or only a part of it: {error.msg}"
        raise DescriptionError(path, problem) from error
    if root.tag != "device":
        problem = f"{fspath(path)}:{root.sourceline}: expected <device>, as CMSIS-SVD files begin, got <{root.tag}>"
        raise DescriptionError(path, problem)
    return root
