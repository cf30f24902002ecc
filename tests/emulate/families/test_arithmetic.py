"""The pure functions of integer arithmetic, against the definition of each flag."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulate.families import arithmetic
from emulate.flags import AF, CF, OF, PF, SF, STATUS, ZF

WIDTHS = (1, 2, 4, 8)
OTHERS = 0xFFFFFFFF & ~STATUS
"""Every bit of rflags that arithmetic has no business with."""

operands = st.sampled_from(WIDTHS).flatmap(
    lambda width: st.tuples(st.just(width), *[st.integers(0, (1 << 8 * width) - 1)] * 2)
)


def signed(value: int, width: int) -> int:
    """Two's complement."""
    return value - (value >> 8 * width - 1 << 8 * width)


def expected(exact: int, exact_signed: int, low_nibbles: int, width: int) -> tuple[int, int]:
    """Result and flags as SDM vol. 1, 3.4.3.1 defines them.

    Args:
        exact: the unsigned result without wrapping.
        exact_signed: the signed one.
        low_nibbles: that of the lowest four bits.
        width: bytes.
    """
    result = exact & (1 << 8 * width) - 1
    flags = CF if exact != result else 0
    flags |= OF if exact_signed != signed(result, width) else 0
    flags |= AF if not 0 <= low_nibbles < 16 else 0
    flags |= ZF if result == 0 else 0
    flags |= SF if signed(result, width) < 0 else 0
    flags |= PF if bin(result & 0xFF).count("1") % 2 == 0 else 0
    return result, flags


@given(operands, st.booleans())
def test_sums(case: tuple[int, int, int], carry: bool) -> None:
    """ADD and ADC: carry, overflow, half-carry, sign, zero and parity; other flags stay."""
    width, a, b = case
    for function, c in ((arithmetic.add, 0), (arithmetic.adc, int(carry))):
        result, flags = expected(a + b + c, signed(a, width) + signed(b, width) + c, a % 16 + b % 16 + c, width)
        assert function(a, b, OTHERS | (CF if carry else 0), width) == (result, OTHERS | flags)


@given(operands, st.booleans())
def test_differences(case: tuple[int, int, int], borrow: bool) -> None:
    """SUB and SBB: the same with a borrow."""
    width, a, b = case
    for function, c in ((arithmetic.sub, 0), (arithmetic.sbb, int(borrow))):
        result, flags = expected(a - b - c, signed(a, width) - signed(b, width) - c, a % 16 - b % 16 - c, width)
        assert function(a, b, OTHERS | (CF if borrow else 0), width) == (result, OTHERS | flags)


def test_every_pair_of_bytes() -> None:
    """ADD and SUB of all 65,536 pairs of bytes, with every status flag set before and none."""
    for a in range(256):
        for b in range(256):
            total = expected(a + b, signed(a, 1) + signed(b, 1), a % 16 + b % 16, 1)
            difference = expected(a - b, signed(a, 1) - signed(b, 1), a % 16 - b % 16, 1)
            assert arithmetic.add(a, b, STATUS, 1) == total
            assert arithmetic.sub(a, b, 0, 1) == difference


@given(operands)
def test_bitwise_operations_clear_carry_and_overflow(case: tuple[int, int, int]) -> None:
    """AND, OR and XOR: CF and OF are cleared, AF too, which the manual leaves undefined."""
    width, a, b = case
    for function, value in ((arithmetic.and_, a & b), (arithmetic.or_, a | b), (arithmetic.xor, a ^ b)):
        result, flags = expected(value, signed(value, width), 0, width)
        assert function(a, b, OTHERS | STATUS, width) == (result, OTHERS | flags)


@pytest.mark.parametrize("carry", [0, CF])
@given(operands)
def test_inc_and_dec_leave_the_carry(carry: int, case: tuple[int, int, int]) -> None:
    """INC and DEC are ADD and SUB of one, but for CF, which stays."""
    width, a, _ = case
    for function, full in ((arithmetic.inc, arithmetic.add), (arithmetic.dec, arithmetic.sub)):
        result, flags = full(a, 1, OTHERS, width)
        assert function(a, OTHERS | carry, width) == (result, flags & ~CF | carry)


@given(operands)
def test_neg_is_a_subtraction_from_zero(case: tuple[int, int, int]) -> None:
    """NEG sets CF unless its operand is zero."""
    width, a, _ = case
    result, flags = arithmetic.neg(a, OTHERS, width)
    assert (result, flags) == arithmetic.sub(0, a, OTHERS, width)
    assert bool(flags & CF) == (a != 0)


@given(operands)
def test_not_leaves_the_flags(case: tuple[int, int, int]) -> None:
    """NOT inverts and no more."""
    width, a, _ = case
    assert arithmetic.not_(a, OTHERS | STATUS, width) == ((1 << 8 * width) - 1 - a, OTHERS | STATUS)


@pytest.mark.parametrize("function", [arithmetic.add, arithmetic.sub, arithmetic.and_])
def test_results_are_unsigned(function: Callable[..., tuple[int, int]]) -> None:
    """A result is what a bus takes: between zero and all ones of its width."""
    for width in WIDTHS:
        ones = (1 << 8 * width) - 1
        assert 0 <= function(ones, ones, 0, width)[0] <= ones
        assert 0 <= function(0, ones, 0, width)[0] <= ones
