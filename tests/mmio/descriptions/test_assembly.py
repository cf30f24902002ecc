"""From declarations to classes."""

from typing import Any

import pytest

from mmio import DescriptionError
from mmio.descriptions.assembly import Described, Entry, Shape, assemble, behaviour, declare
from mmio.descriptions.report import Report
from mmio.device import block
from mmio.device.effects import Bits
from mmio.device.field import Field, field

PLAIN = Bits(0xFFFF_FFFF, "rw", None, None, False)


def entry(name: str, offset: int, report: Report, rest: Bits = PLAIN, *fields: Field) -> Entry:
    (made,) = declare([Shape(name, offset, 4)], name, 0, rest, fields, report)
    return made


def build(*names: str) -> tuple[Any, Report]:
    report = Report("x.rdl", device="Card")
    return assemble("Card", [entry(name, 4 * i, report) for i, name in enumerate(names)], report), report


def test_attributes_are_the_names() -> None:
    """Where Python allows it; a place in brackets becomes one after an underscore."""
    card, report = build("CTRL", "dma.CH[1]", "2ND", "é", "a b", "__x", "[]")
    assert [name for name in vars(card) if not name.startswith("__")][:7] == [
        *("CTRL", "dma_CH_1", "_2ND", "é", "a_b", "x", "_"),
    ]
    assert [place.name for place in card.layout.places] == ["CTRL", "dma.CH[1]", "2ND", "é", "a b", "__x", "[]"]
    assert [note.name for note in report.notes] == ["__x"]


def test_names_that_are_taken_get_an_underscore_and_a_note() -> None:
    """A register called reset must not hide the method; records still call it reset."""
    card, report = build("reset", "class", "notes", "A_1", "A[1]")
    assert [attribute for attribute in ("reset_", "class_", "notes_", "A_1", "A_1_") if hasattr(card, attribute)] == [
        *("reset_", "class_", "notes_", "A_1", "A_1_"),
    ]
    assert card.layout.name_at(0, 4) == "reset"
    assert [str(note) for note in report.notes] == [
        "reset: name: is the attribute reset_; reset is taken",
        "class: name: is the attribute class_; class is taken",
        "notes: name: is the attribute notes_; notes is taken",
    ]


def test_two_blocks_in_one_place_are_a_problem() -> None:
    """Blocks may lie in each other's gaps, but a byte has one register."""
    report = Report("x.rdl", device="Card")
    inner = assemble("Inner", [entry("A", 0, report), entry("B", 8, report)], report)
    blocks = [Entry(name, block(offset, inner, name=name)) for name, offset in (("X", 0), ("Y", 4), ("Z", 8))]
    card = assemble("Card", blocks, report)
    assert [place.name for place in card.layout.places] == ["X.A", "Y.A", "X.B", "Y.B"]
    with pytest.raises(DescriptionError, match=r"Card.Z at 0x8 overlaps X at 0x0\n.* without=\['Z'\]$"):
        report.check()


def test_an_alternative_is_left_out() -> None:
    """If either says that it is one."""
    for first, second in ((True, False), (False, True)):
        report = Report("x.rdl", device="Card")
        one, two = (
            Entry(name, entry(name, 0, report).member, alternate) for name, alternate in (("A", first), ("B", second))
        )
        assert [place.name for place in assemble("Card", [one, two], report).layout.places] == ["A"]
        assert [note.name for note in report.notes] == ["B"]
        report.check()


def test_fields_that_share_bits() -> None:
    """One that reads and one that writes are one field that does both, if they are the same bits."""
    report = Report("x.rdl", device="Card")
    one = field("RX", 7, 0, access="r", on_read="rclr", enum={0: "NONE"})
    two = field("TX", 7, 0, access="w", on_write="wot", enum={0: "NUL", 1: "SOH"})
    made = entry("DATA", 0, report, PLAIN, one, two)
    assert made.member.fields == (
        field("RX", 7, 0, access="rw", on_read="rclr", on_write="wot", enum={0: "NONE", 1: "SOH"}),
    )
    entry("DATA", 0, report, PLAIN, one, field("TX", 6, 0, access="w"))
    assert [str(note) for note in report.notes] == [
        "DATA.TX: bits 7:0: are those of RX, which is read and written here",
        "DATA.TX: bits 6:0: left out, because RX is there; one reads, one writes",
    ]
    report.check()
    entry("DATA", 0, report, PLAIN, one, field("F", 8, 7, access="rw"))
    with pytest.raises(
        DescriptionError, match=r"Card.DATA.F \(bits 8:7\) overlaps RX \(bits 7:0\)\n.* without=\['DATA.F'\]"
    ):
        report.check()


def test_fields_may_not_be_called_as_a_register_s_attributes() -> None:
    """They get an underscore at the end, and a note."""
    report = Report("x.rdl", device="Card")
    fields = [field(name, i, i, access="rw") for i, name in enumerate(("value", "_x", "___"))]
    made = entry("A", 0, report, PLAIN, *fields)
    assert [each.name for each in made.member.fields] == ["value_", "x_", "bits_"]
    assert len(report.notes) == 3


@pytest.mark.parametrize(("access", "kept"), [("rw", ("rclr", "woclr")), ("r", ("rclr", None)), ("w", (None, "woclr"))])
def test_effects_that_never_happen_are_dropped_and_noted(access: str, kept: tuple[str | None, str | None]) -> None:
    """A Device refuses them, as a mistake of its author; a description's reader cannot help it."""
    report = Report("x.rdl")
    bits = behaviour("A", 1, access, "rclr", "woclr", report)
    assert (bits.on_read, bits.on_write) == kept
    assert len(report.notes) == kept.count(None)


def test_an_empty_report_makes_a_plain_class() -> None:
    """With what the reader says of it."""
    report = Report("x.rdl", device="Card")
    card = assemble("Card", [entry("A", 0, report)], report, base_address=0x1000, source="x.rdl")
    assert issubclass(card, Described)
    assert (card.__name__, card.base_address, card.source, card.notes) == ("Card", 0x1000, "x.rdl", ())
