"""Arithmetic on bit patterns: values known from the manual, and Python's own floats as a second opinion."""

import math
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulate.softfloat import (
    CHOP,
    DAZ,
    DE,
    DOUBLE,
    DOWN,
    FZ,
    IE,
    MASKS,
    NEAREST,
    OE,
    PE,
    ROUNDING,
    SINGLE,
    UE,
    UP,
    ZE,
    Format,
    Result,
    add,
    compare,
    convert,
    divide,
    from_integer,
    maximum,
    minimum,
    multiply,
    square_root,
    subtract,
    to_integer,
    to_integer_chopped,
)

MXCSR = 0x1F80  # as a program finds it: all masked, to nearest
ONE, TWO, HALF, THREE = 0x3F800000, 0x40000000, 0x3F000000, 0x40400000
MINUS = 0x80000000
INFINITY, DEFAULT = 0x7F800000, 0xFFC00000
QUIET, SIGNALING = 0x7FC00123, 0x7F800123
LEAST, NORMAL, GREATEST = 1, 0x00800000, 0x7F7FFFFF
ULP = 0x34000000  # of one: 2**-23

Binary = Callable[[int, int, Format, int], Result]


def rounding(mode: int) -> int:
    """MXCSR with a rounding control."""
    return MXCSR | mode << ROUNDING


def unmasked(*exceptions: int) -> int:
    """MXCSR with some exceptions not masked."""
    return MXCSR & ~(sum(exceptions) << MASKS)


def bits(value: float) -> int:
    """A double as its pattern."""
    return int.from_bytes(struct.pack("<d", value), "little")


def single(value: float) -> int:
    """A float as the pattern of the nearest single."""
    return int.from_bytes(struct.pack("<f", value), "little")


def test_the_two_formats_have_the_parts_of_the_manual() -> None:
    """The parts of the two formats (SDM vol. 1, table 4-3)."""
    assert (SINGLE.special, SINGLE.bias, SINGLE.sign, SINGLE.infinity) == (255, 127, MINUS, INFINITY)
    assert (SINGLE.quiet, SINGLE.default) == (0x400000, DEFAULT)
    assert (DOUBLE.special, DOUBLE.bias, DOUBLE.default) == (2047, 1023, 0xFFF8000000000000)
    assert (SINGLE.number(ONE), SINGLE.number(MINUS | LEAST)) == ((1 << 23, -23), (-1, -149))


@pytest.mark.parametrize(
    ("function", "a", "b", "result", "flags"),
    [
        (add, ONE, TWO, THREE, 0),
        (add, ONE, MINUS | ONE, 0, 0),
        (add, MINUS, MINUS, MINUS, 0),
        (add, 0, MINUS, 0, 0),
        (add, LEAST, LEAST, 2, DE),
        (add, LEAST, NORMAL, NORMAL + 1, DE),
        (add, GREATEST, GREATEST, INFINITY, OE | PE),
        (add, INFINITY, ONE, INFINITY, 0),
        (add, ONE, MINUS | INFINITY, MINUS | INFINITY, 0),
        (add, INFINITY, LEAST, INFINITY, DE),
        (add, INFINITY, MINUS | INFINITY, DEFAULT, IE),
        (subtract, INFINITY, INFINITY, DEFAULT, IE),
        (subtract, ONE, THREE, MINUS | TWO, 0),
        (subtract, 0, QUIET, QUIET, 0),
        (multiply, THREE, MINUS | HALF, 0xBFC00000, 0),
        (multiply, 0, MINUS | ONE, MINUS, 0),
        (multiply, 0, INFINITY, DEFAULT, IE),
        (multiply, MINUS | ONE, INFINITY, MINUS | INFINITY, 0),
        (multiply, GREATEST, MINUS | GREATEST, MINUS | INFINITY, OE | PE),
        (multiply, NORMAL, HALF, 0x400000, 0),
        (multiply, NORMAL | 1, HALF, 0x400000, UE | PE),
        (multiply, LEAST, LEAST, 0, DE | UE | PE),
        (divide, ONE, THREE, 0x3EAAAAAB, PE),
        (divide, MINUS | ONE, 0, MINUS | INFINITY, ZE),
        (divide, LEAST, 0, INFINITY, ZE),
        (divide, INFINITY, 0, INFINITY, 0),
        (divide, ONE, MINUS | INFINITY, MINUS, 0),
        (divide, 0, ONE, 0, 0),
        (divide, 0, MINUS, DEFAULT, IE),
        (divide, INFINITY, MINUS | INFINITY, DEFAULT, IE),
        (minimum, ONE, TWO, ONE, 0),
        (minimum, TWO, MINUS | ONE, MINUS | ONE, 0),
        (minimum, 0, MINUS, MINUS, 0),
        (minimum, QUIET, ONE, ONE, IE),
        (minimum, ONE, SIGNALING, SIGNALING, IE),
        (maximum, MINUS, 0, 0, 0),
        (maximum, TWO, LEAST, TWO, DE),
        (maximum, MINUS | TWO, MINUS | ONE, MINUS | ONE, 0),
    ],
)
def test_special_operands_give_the_masked_results_and_exceptions(
    function: Binary, a: int, b: int, result: int, flags: int
) -> None:
    """Zeros, denormals, infinities and their exceptions, all masked, rounded to nearest."""
    assert function(a, b, SINGLE, MXCSR) == (result, flags)


@pytest.mark.parametrize("function", [add, subtract, multiply, divide])
@pytest.mark.parametrize(
    ("a", "b", "result", "flags"),
    [
        (QUIET, ONE, QUIET, 0),
        (LEAST, MINUS | QUIET, MINUS | QUIET, 0),
        (QUIET, MINUS | QUIET, QUIET, 0),
        (QUIET, SIGNALING, QUIET, IE),
        (SIGNALING, QUIET | MINUS, QUIET, IE),
        (ONE, SIGNALING, QUIET, IE),
    ],
)
def test_the_first_nan_is_the_result_made_quiet(function: Binary, a: int, b: int, result: int, flags: int) -> None:
    """The first NaN is the result, made quiet; a signaling one is invalid; nothing is said of denormals beside it."""
    assert function(a, b, SINGLE, MXCSR) == (result, flags)


@pytest.mark.parametrize(
    ("mode", "above", "below", "zero", "overflow"),
    [
        (NEAREST, ONE, MINUS | ONE, 0, INFINITY),
        (DOWN, ONE, MINUS | ONE + 1, MINUS, GREATEST),
        (UP, ONE + 1, MINUS | ONE, 0, INFINITY),
        (CHOP, ONE, MINUS | ONE, 0, GREATEST),
    ],
)
def test_the_control_decides_the_rounding(mode: int, above: int, below: int, zero: int, overflow: int) -> None:
    """The control decides where a half goes, what cancels to which zero, and what is too large to be finite."""
    half = ULP - NORMAL
    assert add(ONE, half, SINGLE, rounding(mode)) == (above, PE)
    assert subtract(MINUS | ONE, half, SINGLE, rounding(mode)) == (below, PE)
    assert subtract(ONE, ONE, SINGLE, rounding(mode)) == (zero, 0)
    assert add(GREATEST, GREATEST, SINGLE, rounding(mode)) == (overflow, OE | PE)


def test_ties_go_to_even() -> None:
    """Of two neighbours equally near, the one whose last bit is zero."""
    half = ULP - NORMAL
    assert add(ONE + 1, half, SINGLE, MXCSR) == (ONE + 2, PE)
    assert add(ONE, half + 1, SINGLE, MXCSR) == (ONE + 1, PE)


def test_denormals_are_zeros() -> None:
    """With DAZ a denormal operand is a zero of its sign, and nothing is said of it."""
    mxcsr = MXCSR | DAZ
    assert add(LEAST, ONE, SINGLE, mxcsr) == (ONE, 0)
    assert multiply(MINUS | LEAST, ONE, SINGLE, mxcsr) == (MINUS, 0)
    assert multiply(LEAST, INFINITY, SINGLE, mxcsr) == (DEFAULT, IE)
    assert square_root(MINUS | LEAST, SINGLE, mxcsr) == (MINUS, 0)
    assert compare(LEAST, 0, SINGLE, mxcsr) == (0, 0)
    assert minimum(QUIET, MINUS | LEAST, SINGLE, mxcsr) == (MINUS, IE)
    assert to_integer(LEAST, SINGLE, 4, rounding(UP) | DAZ) == (0, 0)
    assert convert(MINUS | LEAST, SINGLE, DOUBLE, mxcsr) == (1 << 63, 0)


def test_results_are_flushed_to_zero() -> None:
    """With FZ a tiny result is a zero of its sign, exact or not; not when underflow is to be raised."""
    assert multiply(MINUS | NORMAL, HALF, SINGLE, MXCSR | FZ) == (MINUS, UE | PE)
    assert multiply(NORMAL, HALF, SINGLE, unmasked(UE) | FZ)[1] == UE
    assert multiply(NORMAL, ONE, SINGLE, MXCSR | FZ) == (NORMAL, 0)


def test_tiny_is_judged_after_rounding() -> None:
    """What rounds up to the least normal number with exponents unbounded is not tiny, though it was less."""
    least_normal = 2.0**-126
    assert convert(bits(least_normal * (1 - 2.0**-24)), DOUBLE, SINGLE, MXCSR) == (NORMAL, UE | PE)
    assert convert(bits(least_normal * (1 - 2.0**-26)), DOUBLE, SINGLE, MXCSR) == (NORMAL, PE)


@pytest.mark.parametrize(
    ("exception", "a", "b", "flags"),
    [
        (UE, NORMAL + 1, HALF, UE),
        (UE, NORMAL + 1, HALF + 1, UE | PE),
        (OE, 0x7F000000, 0x7F000000, OE),
        (OE, 0x7F000001, 0x7F000001, OE | PE),
    ],
)
def test_what_is_raised_need_not_fit(exception: int, a: int, b: int, flags: int) -> None:
    """An overflow or underflow that is not masked: precision is lost only if the fraction has no room for the bits."""
    assert multiply(a, b, SINGLE, unmasked(exception))[1] == flags


@pytest.mark.parametrize(
    ("a", "result", "flags"),
    [
        (0, 0, 0),
        (MINUS, MINUS, 0),
        (0x40800000, TWO, 0),
        (TWO, 0x3FB504F3, PE),
        (INFINITY, INFINITY, 0),
        (MINUS | ONE, DEFAULT, IE),
        (MINUS | INFINITY, DEFAULT, IE),
        (MINUS | LEAST, DEFAULT, IE),
        (LEAST, 0x1A3504F3, DE | PE),
        (SIGNALING | MINUS, QUIET | MINUS, IE),
    ],
)
def test_a_negative_number_but_zero_has_no_square_root(a: int, result: int, flags: int) -> None:
    """Minus zero is its own root; other negative numbers have none."""
    assert square_root(a, SINGLE, MXCSR) == (result, flags)


@pytest.mark.parametrize(
    ("a", "b", "order", "flags"),
    [(ONE, TWO, -1, 0), (ONE, ONE, 0, 0), (ONE, MINUS | TWO, 1, 0), (0, MINUS, 0, 0), (MINUS | LEAST, 0, -1, DE)],
)
def test_zeros_of_either_sign_are_equal(a: int, b: int, order: int, flags: int) -> None:
    """Zeros are equal whatever their signs."""
    assert compare(a, b, SINGLE, MXCSR) == compare(a, b, SINGLE, MXCSR, quiet=True) == (order, flags)


def test_a_nan_compares_unordered() -> None:
    """A NaN is in no order; a quiet one is invalid only for those that say so."""
    assert compare(QUIET, LEAST, SINGLE, MXCSR) == (None, IE)
    assert compare(QUIET, LEAST, SINGLE, MXCSR, quiet=True) == (None, 0)
    assert compare(ONE, SIGNALING, SINGLE, MXCSR, quiet=True) == (None, IE)


@pytest.mark.parametrize(
    ("a", "result", "flags"),
    [
        (ONE, bits(1.0), 0),
        (MINUS, 1 << 63, 0),
        (LEAST, 0x36A0000000000000, DE),
        (MINUS | INFINITY, 0xFFF0000000000000, 0),
        (SIGNALING, 0x7FF8000000000000 | 0x123 << 29, IE),
        (QUIET | MINUS, 0xFFF8000000000000 | 0x123 << 29, 0),
    ],
)
def test_a_single_widens_exactly(a: int, result: int, flags: int) -> None:
    """A single as a double is exact; of a NaN the fraction keeps its leading bits."""
    assert convert(a, SINGLE, DOUBLE, MXCSR) == (result, flags)


@pytest.mark.parametrize(
    ("a", "result", "flags"),
    [
        (bits(1.0), ONE, 0),
        (bits(0.1), 0x3DCCCCCD, PE),
        (bits(-1e300), MINUS | INFINITY, OE | PE),
        (1, 0, DE | UE | PE),
        (bits(math.inf), INFINITY, 0),
        (0x7FF0000000000001, 0x7FC00000, IE),
        (0xFFF8000020000000, 0xFFC00001, 0),
    ],
)
def test_a_double_narrows_rounded(a: int, result: int, flags: int) -> None:
    """A double as a single is rounded; a NaN loses the bits there is no room for."""
    assert convert(a, DOUBLE, SINGLE, MXCSR) == (result, flags)


def test_an_integer_converts_rounded() -> None:
    """Signed; rounded where a fraction is too short."""
    assert from_integer(0, 4, SINGLE, rounding(DOWN)) == (0, 0)
    assert from_integer(0xFFFFFFFF, 4, SINGLE, MXCSR) == (MINUS | ONE, 0)
    assert from_integer(0x1000001, 4, SINGLE, MXCSR) == (0x4B800000, PE)
    assert from_integer(0x1000001, 4, DOUBLE, MXCSR) == (bits(16777217.0), 0)
    assert from_integer(1 << 63, 8, DOUBLE, MXCSR) == (bits(-(2.0**63)), 0)


@pytest.mark.parametrize(
    ("value", "width", "mode", "result", "flags"),
    [
        (1.5, 4, NEAREST, 2, PE),
        (2.5, 4, NEAREST, 2, PE),
        (-1.5, 4, DOWN, 0xFFFFFFFE, PE),
        (1.5, 4, UP, 2, PE),
        (-1.5, 4, CHOP, 0xFFFFFFFF, PE),
        (-7.0, 8, NEAREST, 2**64 - 7, 0),
        (2.0**31, 4, NEAREST, 0x80000000, IE),
        (2.0**31 - 0.5, 4, NEAREST, 0x80000000, IE),
        (2.0**31 - 0.5, 4, CHOP, 0x7FFFFFFF, PE),
        (-(2.0**31), 4, NEAREST, 0x80000000, 0),
        (-(2.0**31) - 1, 4, NEAREST, 0x80000000, IE),
        (2.0**31, 8, NEAREST, 1 << 31, 0),
        (math.inf, 8, NEAREST, 1 << 63, IE),
        (math.nan, 4, NEAREST, 0x80000000, IE),
        (5e-324, 4, UP, 1, PE),
    ],
)
def test_an_integer_that_does_not_fit_is_invalid(value: float, width: int, mode: int, result: int, flags: int) -> None:
    """What does not fit after rounding is invalid, and the least integer; nothing is said of denormals."""
    assert to_integer(bits(value), DOUBLE, width, rounding(mode)) == (result, flags)


def test_chopping_needs_no_rounding_control() -> None:
    """Whatever MXCSR says, the part behind the point is dropped."""
    for mode in (NEAREST, DOWN, UP, CHOP):
        assert to_integer_chopped(bits(-1.75), DOUBLE, 4, rounding(mode)) == (0xFFFFFFFF, PE)


doubles = st.floats(allow_nan=False)


@given(doubles, doubles)
def test_doubles_agree_with_python(a: float, b: float) -> None:
    """Python's doubles, rounded to nearest, are a second opinion on every result that is a number."""
    expected = [(add, a + b), (subtract, a - b), (multiply, a * b)]
    if b:
        expected.append((divide, a / b))
    for function, value in expected:
        result, _ = function(bits(a), bits(b), DOUBLE, MXCSR)
        assert result == (DOUBLE.default if math.isnan(value) else bits(value))
    assert square_root(bits(abs(a)), DOUBLE, MXCSR)[0] == bits(math.sqrt(abs(a)))
    assert compare(bits(a), bits(b), DOUBLE, MXCSR)[0] == (a > b) - (a < b)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_singles_widen_and_come_back(value: float) -> None:
    """There and back is the same single, and the double has its value."""
    wide, _ = convert(single(value), SINGLE, DOUBLE, MXCSR)
    assert wide == bits(value)
    assert convert(wide, DOUBLE, SINGLE, MXCSR) == (single(value), 0)


@given(doubles, doubles, st.sampled_from((add, multiply)))
def test_directed_roundings_are_neighbours(a: float, b: float, function: Binary) -> None:
    """Down and up give the same number when the result is exact, else two neighbours, and nearest is one of them."""
    down, flags = function(bits(a), bits(b), DOUBLE, rounding(DOWN))
    up, _ = function(bits(a), bits(b), DOUBLE, rounding(UP))
    nearest, _ = function(bits(a), bits(b), DOUBLE, MXCSR)
    low, high = (struct.unpack("<d", pattern.to_bytes(8, "little"))[0] for pattern in (down, up))
    assert nearest in (down, up)
    if flags & PE:
        assert math.nextafter(low, math.inf) == high
    else:
        assert down == up or low == high == 0
