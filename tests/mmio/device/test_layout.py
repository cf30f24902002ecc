"""Layouts: cutting accesses into registers, names, overlaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import DefinitionError, bit, field
from mmio.device.layout import Layout, RegisterPlace

CTRL = RegisterPlace(0, 4, "CTRL", (bit("EN", 0), field("PSC", 15, 8)))
STAT = RegisterPlace(4, 4, "STAT", (bit("BUSY", 31),))
LONE = RegisterPlace(0x10, 2, "LONE")
LAYOUT = Layout("Timer", [LONE, STAT, CTRL])


def test_places_are_in_order() -> None:
    """However they were declared."""
    assert LAYOUT.places == [CTRL, STAT, LONE]
    assert LAYOUT.extent == 0x12
    assert Layout("Empty", []).extent == 0


@pytest.mark.parametrize(
    ("offset", "width", "name"),
    [
        (0, 4, "CTRL"),
        (0, 1, "CTRL"),
        (2, 2, "CTRL+2"),
        (0, 8, "CTRL..STAT"),
        (2, 4, "CTRL+2..STAT"),
        (0x10, 4, "LONE"),
        (0xE, 4, "LONE"),
        (8, 4, None),
        (0x12, 1, None),
    ],
)
def test_an_access_is_named_by_what_it_touches(offset: int, width: int, name: str | None) -> None:
    """A register, a place inside it, or the first and last of several; nothing where nothing is."""
    assert LAYOUT.name_at(offset, width) == name


@pytest.mark.parametrize(
    ("offset", "width", "value", "text"),
    [
        (0, 4, 0x301, "EN=1 PSC=0x03"),
        (1, 1, 3, "PSC=0x03"),
        (0, 1, 1, "EN=1"),
        (0, 8, 0x80000000_00000001, "CTRL: EN=1 PSC=0x00; STAT: BUSY=1"),
        (2, 4, 0, ""),
        (0x10, 2, 5, ""),
        (0x20, 4, 5, ""),
    ],
)
def test_a_value_is_described_as_far_as_it_was_moved(offset: int, width: int, value: int, text: str) -> None:
    """Fields that the access moved whole; with several registers each says whose they are."""
    assert LAYOUT.describe(offset, width, value) == text


@given(st.sets(st.integers(0, 40)), st.integers(0, 40), st.sampled_from([1, 2, 4, 8, 16]))
def test_a_cut_is_what_a_look_at_every_byte_finds(starts: set[int], offset: int, width: int) -> None:
    """Each byte is in the register that covers it, at its place there, or in a hole."""
    places: list[RegisterPlace] = []
    for start in sorted(starts):
        length = 1 + start % 5
        if not places or places[-1].end <= start:
            places.append(RegisterPlace(start, length, f"R{start}"))
    parts, holes = Layout("Any", places).cut(offset, width)
    seen = {}
    for index, first, length, at in parts:
        for i in range(length):
            seen[at + i] = (places[index], first + i)
    for byte in range(width):
        inside = [place for place in places if place.offset <= offset + byte < place.end]
        assert holes >> 8 * byte & 0xFF == (0 if inside else 0xFF)
        assert seen.get(byte) == ((inside[0], offset + byte - inside[0].offset) if inside else None)
    assert [at for *_, at in parts] == sorted(at for *_, at in parts)


def test_overlaps_name_both() -> None:
    """Registers share no bytes without a reason; the message says which reasons there are."""
    with pytest.raises(DefinitionError, match=r"^Timer: WIDE at 0x2\.\.0xa overlaps CTRL at 0x0\.\.0x4; two registers"):
        Layout("Timer", [CTRL, RegisterPlace(2, 8, "WIDE")])


def test_names_are_unique() -> None:
    """Two registers of one name could not be distinguished in a trace."""
    with pytest.raises(DefinitionError, match=r"^Timer: CTRL at 0x8\.\.0xc has the same name as CTRL at 0x0\.\.0x4$"):
        Layout("Timer", [RegisterPlace(8, 4, "CTRL"), CTRL])


def test_family_is_the_name_without_its_index() -> None:
    """Elements of an array belong together; registers of a numbered block do not."""
    assert [RegisterPlace(0, 4, name).family for name in ("FIFO[3]", "CTRL", "CH[1].CTRL", "CH[1].FIFO[2]")] == [
        "FIFO",
        "CTRL",
        "CH[1].CTRL",
        "CH[1].FIFO",
    ]


@given(st.integers(0, 0x12), st.sampled_from([1, 2, 4, 8, 16]), st.integers(0, (1 << 128) - 1))
def test_fields_are_where_their_values_are(offset: int, width: int, value: int) -> None:
    """The fields found in an access are those that are described, and their bits hold what the description says."""
    value &= (1 << 8 * width) - 1
    found = LAYOUT.fields_at(offset, width)
    words = LAYOUT.describe(offset, width, value).replace(";", " ").split()
    said = [word.partition("=") for word in words if "=" in word]
    assert [name.rpartition(".")[2] for name, _, _ in found] == [name for name, _, _ in said]
    for (_, msb, lsb), (_, _, number) in zip(found, said, strict=True):
        assert value >> lsb & (1 << msb - lsb + 1) - 1 == int(number, 0)
        assert 0 <= lsb <= msb < 8 * width


def test_fields_across_registers_have_their_names() -> None:
    """In an access to two registers a field has its register's name before its own."""
    assert LAYOUT.fields_at(0, 8) == (("CTRL.EN", 0, 0), ("CTRL.PSC", 15, 8), ("STAT.BUSY", 63, 63))
    assert LAYOUT.fields_at(1, 1) == (("PSC", 7, 0),)
    assert LAYOUT.fields_at(0x10, 2) == ()
