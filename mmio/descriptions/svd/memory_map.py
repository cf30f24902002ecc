"""The map of a chip: where each peripheral lies, its interrupts, and the core. No register is read for it."""

from collections.abc import Iterable, Mapping

from attrs import frozen

from mmio.descriptions.report import Report
from mmio.descriptions.svd.document import Document
from mmio.descriptions.svd.elements import Element
from mmio.descriptions.svd.node import resolve
from mmio.descriptions.svd.values import number, small

_SMALLEST = 4  # bytes: a peripheral without an address block is one register, until it is made


@frozen
class Interrupt:
    """An interrupt that a peripheral raises.

    Attributes:
        name: as the file has it; CMSIS adds _IRQHandler.
        number: of the interrupt, without the core's 16 exceptions.
    """

    name: str
    number: int


@frozen
class Place:
    """Place of a peripheral.

    Attributes:
        name: of the peripheral.
        base: its address.
        length: in bytes, of its address blocks.
        interrupts: those of its own element.
    """

    name: str
    base: int
    length: int
    interrupts: tuple[Interrupt, ...]

    @property
    def end(self) -> int:
        """The first address past it."""
        return self.base + self.length


@frozen
class Cpu:
    """The core as the file's <cpu> describes it.

    Attributes:
        name: such as "CM4".
        priority_bits: those of an interrupt's priority that are implemented.
        fpu: there is a floating-point unit.
        mpu: there is a memory protection unit.
    """

    name: str = ""
    priority_bits: int = 4
    fpu: bool = False
    mpu: bool = False


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


def outside(ordered: list[Place], taken: Iterable[range]) -> list[Place]:
    """Return those places that touch no address of some ranges: a core has devices of its own there."""
    ranges = list(taken)
    return [p for p in ordered if not any(p.base < each.stop and each.start < p.end for each in ranges)]


def clusters(ordered: list[Place]) -> list[list[Place]]:
    """Return places, given in order of addresses, in groups of those that overlap; most are alone."""
    groups: list[list[Place]] = []
    end = 0
    for place in ordered:
        if groups and place.base < end:
            groups[-1].append(place)
        else:
            groups.append([place])
        end = max(end, place.end)
    return groups


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
