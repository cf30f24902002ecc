"""Numbers between the x87 register format and memory."""

import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulate.families.x87_formats import (
    INDEFINITE,
    from_bcd,
    from_integer,
    narrow,
    to_bcd,
    to_integer,
    to_integer_chopped,
    widen,
)
from emulate.families.x87_state import C1
from emulate.softfloat import DE, IE, OE, PE, UE

NEAREST, DOWN, UP, CHOP = (0x37F | mode << 10 for mode in range(4))
NEGATIVE = 1 << 79
ONE = 0x3FFF_8000_0000_0000_0000
INFINITY = 0x7FFF_8000_0000_0000_0000


def number(register: int) -> Fraction:
    """The value of a finite register."""
    exponent, significand = register >> 64 & 0x7FFF, register & (1 << 64) - 1
    scale = max(exponent, 1) - 16383 - 63
    magnitude = Fraction(significand << max(scale, 0), 1 << max(-scale, 0))
    return -magnitude if register >> 79 else magnitude


@pytest.mark.parametrize(
    ("raw", "width", "register", "flags"),
    [
        (0x3F800000, 4, ONE, 0),
        (0x80000000, 4, NEGATIVE, 0),
        (0x00000001, 4, 0x3F6A_8000_0000_0000_0000, DE),
        (0x7F800000, 4, INFINITY, 0),
        (0xFFC00001, 4, 0xFFFF_C000_0100_0000_0000, 0),
        (0x7F800001, 4, 0x7FFF_C000_0100_0000_0000, IE),
        (0x3FF0000000000001, 8, ONE | 1 << 11, 0),
        (0x0008000000000000, 8, 0x3C00_8000_0000_0000_0000, DE),
        (0x7FF0000000000001, 8, 0x7FFF_C000_0000_0000_0800, IE),
        (0x7FFF_0000_0000_0000_0001, 10, 0x7FFF_0000_0000_0000_0001, 0),
    ],
)
def test_widen(raw: int, width: int, register: int, flags: int) -> None:
    """Exact; denormals are told of, signaling NaNs become quiet, but for those that are as long as a register."""
    assert widen(raw, width) == (register, flags)


@given(st.floats(allow_nan=False))
def test_doubles_survive(value: float) -> None:
    """Into a register and back is the same double, and the register holds its value."""
    raw = int.from_bytes(struct.pack("<d", value), "little")
    register, _ = widen(raw, 8)
    assert narrow(register, 8, NEAREST) == (raw, 0)
    if value not in (float("inf"), float("-inf")):
        assert number(register) == Fraction(value)


@given(st.integers(0, (1 << 64) - 1), st.integers(16383 - 1100, 16383 + 1100), st.booleans())
def test_rounding_to_nearest_is_python_s(significand: int, exponent: int, negative: bool) -> None:
    """Python rounds fractions to double to the nearest, ties to even, which is a judge of its own."""
    register = negative << 79 | exponent << 64 | 1 << 63 | significand
    value = number(register)
    try:
        expected = float(value)
    except OverflowError:
        expected = float("-inf") if negative else float("inf")
    raw, flags = narrow(register, 8, NEAREST)
    assert raw == int.from_bytes(struct.pack("<d", expected or (-0.0 if negative else 0.0)), "little")
    exact = expected not in (float("inf"), float("-inf")) and Fraction(expected) == value
    assert bool(flags & PE) == (not exact)


@pytest.mark.parametrize(
    ("register", "control", "raw", "flags"),
    [
        (ONE | 1, NEAREST, 0x3F800000, PE),
        (ONE | 1, UP, 0x3F800001, PE | C1),
        (ONE | 1, DOWN, 0x3F800000, PE),
        (NEGATIVE | ONE | 1, UP, 0xBF800000, PE),
        (NEGATIVE | ONE | 1, DOWN, 0xBF800001, PE | C1),
        (NEGATIVE | ONE | 1, CHOP, 0xBF800000, PE),
        (ONE | 1 << 39, NEAREST, 0x3F800000, PE),  # a tie goes to the even one
        (ONE | 3 << 39, NEAREST, 0x3F800002, PE | C1),
        (0x407E_FFFF_FFFF_FFFF_FFFF, NEAREST, 0x7F800000, OE | PE | C1),
        (0x407E_FFFF_FFFF_FFFF_FFFF, DOWN, 0x7F7FFFFF, PE),
        (0x7FFE_8000_0000_0000_0000, DOWN, 0x7F7FFFFF, OE | PE),
        (0xFFFE_8000_0000_0000_0000, DOWN, 0xFF800000, OE | PE | C1),
        (0x3F80_8000_0000_0000_0000, NEAREST, 0x00400000, 0),  # a denormal, exactly
        (0x3F80_8000_0000_0000_0000, NEAREST & ~UE, 0, UE),
        (0x3F80_8000_0000_0000_0001, NEAREST, 0x00400000, UE | PE),
        (0x3F80_FFFF_FFFF_FFFF_FFFF, NEAREST, 0x00800000, PE | C1),  # rounds up to the least normal: not tiny
        (0x3F80_FFFF_FF00_0000_0000, NEAREST, 0x00800000, UE | PE | C1),  # tiny, though the result is not
        (0x0000_0000_0000_0000_0001, UP, 0x00000001, UE | PE | C1),
        (NEGATIVE, NEAREST, 0x80000000, 0),
        (INFINITY, NEAREST, 0x7F800000, 0),
        (0x7FFF_8000_0000_0000_0001, NEAREST, 0x7FC00000, IE),  # signaling
        (0xFFFF_C000_0100_0000_0000, NEAREST, 0xFFC00001, 0),
        (0x3FFF_0000_0000_0000_0000, NEAREST, 0xFFC00000, IE),  # no integer bit: stands for nothing
        (0x7FFE_8000_0000_0000_0000, NEAREST & ~OE, 0, OE),
    ],
)
def test_narrow(register: int, control: int, raw: int, flags: int) -> None:
    """To single precision, as the rounding control says; C1 tells that the magnitude grew."""
    assert narrow(register, 4, control) == (raw, flags)


def test_double_extended_is_copied() -> None:
    """Ten bytes are what a register holds, a signaling NaN or nonsense included."""
    for register in (0x7FFF_8000_0000_0000_0001, 0x3FFF_0000_0000_0000_0000):
        assert narrow(register, 10, NEAREST) == (register, 0)


@pytest.mark.parametrize(
    ("value", "width"),
    [(0, 2), (1, 2), (-1, 2), (-(1 << 15), 2), ((1 << 63) - 1, 8), (-(1 << 63), 8), (0x12345678, 4)],
)
def test_integers_survive(value: int, width: int) -> None:
    """Any integer memory can hold is exact in a register."""
    raw = value & (1 << 8 * width) - 1
    register, flags = from_integer(raw, width)
    assert number(register) == value
    assert not flags
    assert to_integer(register, width, NEAREST) == (raw, 0)


HALF = 0x3FFE_8000_0000_0000_0000
ONE_AND_A_HALF = 0x3FFF_C000_0000_0000_0000


@pytest.mark.parametrize(
    ("register", "control", "raw", "flags"),
    [
        (HALF, NEAREST, 0, PE),
        (ONE_AND_A_HALF, NEAREST, 2, PE | C1),
        (ONE_AND_A_HALF, DOWN, 1, PE),
        (NEGATIVE | ONE_AND_A_HALF, DOWN, 0xFFFE, PE | C1),
        (NEGATIVE | ONE_AND_A_HALF, UP, 0xFFFF, PE),
        (NEGATIVE | ONE_AND_A_HALF, CHOP, 0xFFFF, PE),
        (0x400D_FFFF_0000_0000_0000, NEAREST, 0x8000, IE),  # 32767.5 rounds to 32768
        (0x400D_FFFF_0000_0000_0000, DOWN, 0x7FFF, PE),
        (NEGATIVE | 0x400E_8000_0000_0000_0000, NEAREST, 0x8000, 0),
        (INFINITY, NEAREST, 0x8000, IE),
        (0x3FFF_0000_0000_0000_0000, NEAREST, 0x8000, IE),
    ],
)
def test_to_integer(register: int, control: int, raw: int, flags: int) -> None:
    """Rounded; what does not fit, and what is no number, gives the integer indefinite."""
    assert to_integer(register, 2, control) == (raw, flags)


def test_chopping() -> None:
    """FISTTP rounds towards zero in every mode."""
    for control in (NEAREST, DOWN, UP, CHOP):
        assert to_integer_chopped(NEGATIVE | ONE_AND_A_HALF, 2, control) == (0xFFFF, PE)


@pytest.mark.parametrize("value", [0, 1, -1, 42, 999_999_999_999_999_999, -999_999_999_999_999_999])
def test_decimals_survive(value: int) -> None:
    """Eighteen digits and a sign, exactly."""
    raw = int(str(abs(value)), 16) | (NEGATIVE if value < 0 else 0)
    register, flags = from_bcd(raw, 10)
    assert number(register) == value
    assert not flags
    assert to_bcd(register, 10, NEAREST) == (raw, 0)


def test_decimal_zero_has_a_sign() -> None:
    """A negative number that rounds to zero stays negative, as negative zero does."""
    assert to_bcd(NEGATIVE | HALF, 10, NEAREST) == (NEGATIVE, PE)
    assert from_bcd(NEGATIVE, 10) == (NEGATIVE, 0)


def test_decimals_too_large() -> None:
    """Nineteen digits, or no number, give the indefinite."""
    register, _ = from_integer(10**18, 8)
    assert to_bcd(register, 10, NEAREST) == (INDEFINITE, IE)
    assert to_bcd(INFINITY, 10, NEAREST) == (INDEFINITE, IE)


def test_digits_beyond_nine() -> None:
    """Nibbles of ten and more, undefined in the manual, count as what they are, as on silicon."""
    assert number(from_bcd(0xF, 10)[0]) == 15
