"""Blocks: devices made of devices."""

from typing import Any

import pytest

from mmio import DefinitionError, Device, array, block, line, register


class Channel(Device):
    """A part."""

    ctrl = register(0x0)
    data = array(0x8, count=2)
    done = line()

    @ctrl.written
    def _ctrl(self, old: int, new: int) -> None:
        self.done.set(bool(new & 1))


class Dma(Device):
    """A whole of two parts."""

    stat = register(0x0)
    rx = block(0x100, Channel)
    tx = block(0x200, Channel, name="TX")

    def __init__(self) -> None:
        self.rx.done.subscribe(self._finished)

    def _finished(self, level: bool) -> None:
        self.stat.value = int(level)


def test_registers_of_a_block_appear_at_its_offset() -> None:
    """Under dotted names, in one layout."""
    assert [(place.offset, place.name) for place in Dma.layout.places] == [
        (0x0, "STAT"),
        (0x100, "rx.CTRL"),
        (0x108, "rx.DATA[0]"),
        (0x10C, "rx.DATA[1]"),
        (0x200, "TX.CTRL"),
        (0x208, "TX.DATA[0]"),
        (0x20C, "TX.DATA[1]"),
    ]


def test_accesses_reach_the_part() -> None:
    """Its handlers run, on the part of this whole only."""
    dma, other = Dma(), Dma()
    dma.write(0x100, 4, 1)
    dma.write(0x20C, 4, 5)
    assert (dma.rx.ctrl.value, dma.tx.ctrl.value, dma.tx.data[1].value) == (1, 0, 5)
    assert (dma.stat.value, dma.read(0, 4), other.read(0, 4)) == (1, 1, 0)


def test_a_block_inside_a_block_has_its_registers() -> None:
    """A whole may be part of another."""

    class Soc(Device):
        dma = block(0x1000, Dma)

    soc = Soc()
    soc.write(0x1100, 4, 1)
    assert soc.dma.rx.ctrl == 1
    assert soc.name_at(0x1208, 4) == "dma.TX.DATA[0]"


def test_blocks_share_no_bytes() -> None:
    """The check for overlaps sees into blocks."""
    body: dict[str, Any] = {"stat": register(0x104), "rx": block(0x100, Channel), "tx": block(0x104, Channel)}
    with pytest.raises(DefinitionError, match=r"^Card: tx.CTRL at 0x104\.\.0x108 overlaps STAT at 0x104\.\.0x108; two"):
        type("Card", (Device,), body)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (block(0, Dma()), "a block is made of a Device class, not <"),  # type: ignore[arg-type]
        (block(0, int), "a block is made of a Device class, not <class 'int'>"),  # type: ignore[type-var]
        (block(-8, Dma), "offset -8, expected 0 or more"),
    ],
)
def test_a_block_is_made_of_a_device_class(made: object, message: str) -> None:
    """An instance would be shared by all wholes; the error names class and attribute."""
    with pytest.raises(DefinitionError, match=f"^Card.part: {message}"):
        type("Card", (Device,), {"part": made})


def test_a_device_that_answers_by_itself_is_no_block() -> None:
    """Its own `read` would never be called; so it must be mapped, not put into another."""

    class Rom(Device):
        def read(self, offset: int, width: int) -> int:
            return 0

    with pytest.raises(DefinitionError, match=r"^Card.rom: Rom answers by itself; map it as a device of its own$"):
        type("Card", (Device,), {"rom": block(0, Rom)})
