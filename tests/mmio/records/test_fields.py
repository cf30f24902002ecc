"""Fields of a value as they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.device.field import Field, describe, shown
from mmio.device.layout import Layout, RegisterPlace
from mmio.records.fields import FieldPlace, folded

SIXTEEN = [Field(name, n, n) for n, name in enumerate(["SBK", "RWU", "RE", "TE", "IDLEIE", "RXNEIE", "TCIE", "TXEIE"])]


def test_of_many_bits_those_that_are_set_are_named() -> None:
    """Bits that are set are their names, and those that are not are left out."""
    assert shown(SIXTEEN, 0x2C) == "RE TE RXNEIE"
    assert shown(SIXTEEN, 0) == ""


def test_wider_fields_have_values() -> None:
    """A field of several bits, or of named values, is NAME=value; a zero is left out even where it has a name."""
    fields = [Field("PSC", 15, 8), Field("MODE", 5, 4, {0: "OFF", 2: "FAST"}), Field("DIR", 0, 0, {1: "DOWN"})]
    assert shown(fields, 0x321) == "PSC=0x03 MODE=FAST DIR=DOWN"
    assert shown(fields, 0) == ""


@st.composite
def registers(draw: st.DrawFn) -> list[RegisterPlace]:
    """Return one or two neighbouring registers of four bytes with fields, some of which have named values."""
    names = draw(st.lists(st.sampled_from([*"ABCDEFG", "PSC", "EN", "E"]), min_size=2, max_size=8, unique=True))
    half = draw(st.integers(0, len(names)))
    made = []
    for number, some in enumerate((names[:half], names[half:])):
        fields, at = [], 0
        for name in some:
            width = draw(st.integers(1, 4))
            enum = draw(st.dictionaries(st.integers(0, 15), st.sampled_from(["OFF", "FAST", "1"]), max_size=3))
            fields.append(Field(name, at + width - 1, at, enum))
            at += width
        made.append(RegisterPlace(4 * number, 4, f"R{number}", fields))
    return made


@given(registers(), st.integers(0, (1 << 64) - 1), st.sampled_from([4, 8]))
def test_what_a_device_says_is_folded_as_its_registers_are(places: list[RegisterPlace], value: int, width: int) -> None:
    """The text of a record, folded, is that of the registers' fields: one rule, from fields or from text."""
    layout = Layout("Card", places)
    value &= (1 << 8 * width) - 1
    text = folded(layout.describe(0, width, value), layout.fields_at(0, width), value)
    parts = [shown(place.fields, value >> 32 * n & 0xFFFF_FFFF) for n, place in enumerate(places[: width // 4])]
    if width == 4:
        assert text == parts[0]
    else:
        named = zip(places, parts, strict=True)
        assert text == "; ".join(f"{place.name}: {part}" for place, part in named if part)


@pytest.mark.parametrize(
    ("described", "layout"),
    [
        ("temperature 21 degrees", ()),
        ("temperature 21 degrees", (("EN", 0, 0),)),
        ("PSC=0x00 EN=1", (("EN", 0, 0), ("PSC", 15, 8))),
        ("", (("EN", 0, 0),)),
        ("EN=1", (("EN", 0, 0), ("PSC", 15, 8))),
        ("A: EN=0", (("B.EN", 0, 0),)),
    ],
)
def test_other_words_are_kept(described: str, layout: tuple[FieldPlace, ...]) -> None:
    """What a device of another kind says is shown as it says it."""
    assert folded(described, layout, 0) == described


@given(st.lists(st.tuples(st.text(), st.integers(0, 9), st.integers(0, 9)), max_size=5), st.text(), st.integers(0, 99))
def test_any_text_is_taken(layout: list[tuple[str, int, int]], described: str, value: int) -> None:
    """A file may say anything: the result is a text, and no error."""
    places = tuple((name, max(a, b), min(a, b)) for name, a, b in layout)
    assert isinstance(folded(described, places, value), str)


def test_a_hostile_file_costs_no_more_than_its_length() -> None:
    """Many fields of one name in a long text without the last of them are given up at once."""
    layout = (*(("A", 0, 0),) * 200, ("B", 1, 1))
    described = "A=1 " * 5000
    assert folded(described, layout, 1) == described


def test_describe_keeps_every_field() -> None:
    """A record has all fields, so that a file has the names of zeros, too."""
    assert describe([Field("EN", 0, 0), Field("MODE", 2, 1, {0: "OFF"})], 1) == "EN=1 MODE=OFF"
