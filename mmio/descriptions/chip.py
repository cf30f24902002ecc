"""A whole chip as a file describes it: its peripherals, where they lie, their interrupts, and the core."""

from collections.abc import Iterable
from os import PathLike
from typing import Any, Protocol

from attrs import frozen

from mmio.descriptions.report import Note


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
    """The core as a file describes it.

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


class Chip(Protocol):
    """A file with the description of a chip, of any format.

    Attributes:
        path: the file.
        notes: errors in the file, and what the classes made so far do not implement of it.
    """

    path: str | PathLike[str]
    notes: list[Note]

    def __getitem__(self, name: str, /) -> type[Any]:
        """Return the class of a peripheral. Raises KeyError when there is none of the name."""

    def memory_map(self) -> list[Place]:
        """Return where the peripherals lie, in order of addresses."""

    def cpu(self) -> Cpu | None:
        """Return what the file says of the core; None where the format says nothing of cores."""


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
