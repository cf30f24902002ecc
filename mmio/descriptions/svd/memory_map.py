"""Map of a chip in an SVD file: addresses, interrupts and the core, without the registers."""

from collections.abc import Mapping

from mmio.descriptions.chip import Cpu, Interrupt, Place
from mmio.descriptions.report import Report
from mmio.descriptions.svd.document import Document
from mmio.descriptions.svd.elements import Element
from mmio.descriptions.svd.node import resolve
from mmio.descriptions.svd.values import number, small

_SMALLEST = 4  # bytes: a peripheral without an address block is one register, until it is made


def places(document: Document, found: Mapping[str, tuple[Element, int]], report: Report) -> list[Place]:
    """Return the places of peripherals, in order of addresses. They may overlap."""
    all_: list[Place] = []
    for name, (element, base) in found.items():
        node = resolve(element, name, document, report)
        ends = [_SMALLEST]
        for block in node.children("", "addressBlock"):
            try:
                ends.append(small(_text(block, "offset")) + small(_text(block, "size")))
            except ValueError as error:
                report.slip(name, block.sourceline, "addressBlock", str(error), "left out")
        all_.append(Place(name, base, max(ends), tuple(_interrupts(element, name, report))))
    return sorted(all_, key=lambda place: place.base)


def cpu(document: Document, report: Report) -> Cpu:
    """Return what the file says of the core."""
    element = document.root.find("cpu")
    if element is None:
        return Cpu()
    bits = 4
    text = _text(element, "nvicPrioBits")
    try:
        bits = min(max(number(text), 1), 8) if text else bits
    except ValueError as error:
        report.slip("", element.sourceline, "nvicPrioBits", str(error), f"{bits} are assumed")
    return Cpu(_text(element, "name"), bits, _is_true(element, "fpuPresent"), _is_true(element, "mpuPresent"))


def _interrupts(element: Element, name: str, report: Report) -> list[Interrupt]:
    found: list[Interrupt] = []
    for each in element.iterfind("interrupt"):
        try:
            found.append(Interrupt(_text(each, "name"), small(_text(each, "value"), 496)))
        except ValueError as error:
            report.slip(name, each.sourceline, "interrupt", str(error), "left out")
    return found


def _text(element: Element, tag: str) -> str:
    return (element.findtext(tag) or "").strip()


def _is_true(element: Element, tag: str) -> bool:
    return _text(element, tag).lower() in ("true", "1")
