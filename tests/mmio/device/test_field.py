"""Fields: where the bits are and how they print."""

from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import DefinitionError, bit, field
from mmio.device.field import describe


class Mode(IntEnum):
    """Values of a field."""

    OFF = 0
    FAST = 2


def test_a_field_is_msb_down_to_lsb() -> None:
    """Both ends belong to it, as in a datasheet."""
    psc = field("PSC", 15, 8)
    assert (psc.width, psc.mask, psc.place) == (8, 0xFF00, "15:8")
    assert psc.of(0x12345678) == 0x56


def test_a_bit_is_a_field_of_one() -> None:
    """The same words, one index."""
    assert bit("EN", 3, reset=1, on_write="woclr") == field("EN", 3, 3, reset=1, on_write="woclr")
    assert bit("EN", 3).place == "3"


@given(st.integers(0, 63), st.integers(0, 63), st.integers(0, (1 << 64) - 1))
def test_of_takes_the_masked_bits(one: int, other: int, value: int) -> None:
    """A field's value is its masked bits, shifted down."""
    some = field("F", max(one, other), min(one, other))
    assert some.of(value) << some.lsb == value & some.mask
    assert some.mask.bit_count() == some.width


@pytest.mark.parametrize(
    ("bits", "value", "text"),
    [
        (1, 1, "F=1"),
        (3, 7, "F=7"),
        (4, 7, "F=0x7"),
        (8, 3, "F=0x03"),
        (9, 3, "F=0x003"),
    ],
)
def test_up_to_three_bits_print_as_a_digit(bits: int, value: int, text: str) -> None:
    """Up to three bits are a digit, more are hexadecimal in their full width."""
    assert field("F", bits - 1, 0).format(value) == text


@pytest.mark.parametrize("enum", [Mode, {0: "OFF", 2: "FAST"}])
def test_named_values_print_by_name(enum: dict[int, str] | type[IntEnum]) -> None:
    """Names come from a dict or an IntEnum; a value without one is a number."""
    mode = field("MODE", 5, 4, enum=enum)
    assert [mode.format(value << 4) for value in range(3)] == ["MODE=OFF", "MODE=1", "MODE=FAST"]


def test_describe_prints_what_an_access_reached() -> None:
    """Fields that lie in the lanes only partly say nothing, because part of them was not seen."""
    fields = [bit("EN", 0), field("PSC", 15, 8), field("WIDE", 23, 12)]
    assert describe(fields[:2], 0x301) == "EN=1 PSC=0x03"
    assert describe(fields, 0x301, lanes=0xFFFF) == "EN=1 PSC=0x03"
    assert describe(fields, 0x301, lanes=0xFF0000) == ""


def test_the_order_of_arguments_is_checked() -> None:
    """The name comes first; the message shows how."""
    with pytest.raises(
        DefinitionError, match=r"^field\(7, 0, 'PSC'\): expected name, msb, lsb, as in field\('PSC', 15"
    ):
        field(7, 0, "PSC")  # type: ignore[arg-type]
    with pytest.raises(DefinitionError, match=r"^bit\(0, 'EN'\): expected name and number"):
        bit(0, "EN")  # type: ignore[arg-type]
