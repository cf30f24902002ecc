"""Registers with their declarations, and the source line of each."""

from pathlib import Path

from mmio import Device, array, block, blocks, from_svd, register
from mmio.device.places import Source, declared_places
from tests.documents import TOP


class Part(Device):
    """A part."""

    ctrl = register(0)


class Base(Device):
    """What others inherit."""

    first = register(0x00)
    second = register(
        0x04,
        width=2,
    )


class Card(Base):
    """A card."""

    fifo = array(0x10, count=2)
    part = blocks(0x20, Part, count=2)
    one = block(0x40, Part)


def test_each_place_has_its_declaration() -> None:
    """In the order of the layout."""
    places = declared_places(Card)
    assert [each.place for each in places] == list(Card.layout.places)
    assert [each.member.attribute for each in places] == ["first", "second", "fifo", "fifo", "ctrl", "ctrl", "ctrl"]


def test_each_place_has_its_line() -> None:
    """In the class that declares it, inherited or in a block."""
    lines = Path(__file__).read_text().splitlines()
    for each in declared_places(Card):
        file, line = each.source
        assert file == __file__
        assert lines[line - 1].startswith(f"    {each.member.attribute} = ")


def test_a_class_without_source_has_none() -> None:
    """Made by type()."""
    made = type("Made", (Device,), {"x": register(0)})
    assert declared_places(made)[0].source == Source("", 0)


def test_a_described_class_has_the_line_of_its_description() -> None:
    """In the SVD file."""
    path = TOP / "examples" / "descriptions" / "timer.svd"
    lines = path.read_text().splitlines()
    for each in declared_places(from_svd(path, "TIMER")):
        assert each.source.file == str(path)
        assert "<register" in lines[each.source.line - 1]
