"""Shifts and rotates: values and flags worked out by hand."""

import pytest

from emulate import Cpu
from emulate.families import shifts
from emulate.flags import AF, CF, OF, PF, SF, STATUS, ZF
from emulate.recipes import Binary, Ternary
from tests.emulate.families.executing import execute, reads, word, writes


@pytest.mark.parametrize(
    ("function", "a", "count", "width", "result", "flags"),
    [
        (shifts.shl, 0x81, 1, 1, 0x02, CF | OF),
        (shifts.shl, 0x40, 1, 1, 0x80, OF | SF),
        (shifts.shl, 0x0001, 15, 2, 0x8000, SF | PF),
        (shifts.shl, 0xFF, 9, 1, 0x00, ZF | PF),
        (shifts.shl, 0xFFFFFFFFFFFFFFFF, 63, 8, 1 << 63, CF | SF | PF),
        (shifts.shr, 0x81, 1, 1, 0x40, CF | OF),
        (shifts.shr, 0x80, 8, 1, 0x00, CF | OF | ZF | PF),
        (shifts.shr, 0x80, 9, 1, 0x00, OF | ZF | PF),
        (shifts.sar, 0x81, 1, 1, 0xC0, CF | SF | PF),
        (shifts.sar, 0x8000, 31, 2, 0xFFFF, CF | SF | PF),
        (shifts.sar, 0x7F, 7, 1, 0x00, CF | ZF | PF),
    ],
)
def test_a_shift_sets_all_flags(function: Binary, a: int, count: int, width: int, result: int, flags: int) -> None:
    """CF is the last bit shifted out, OF tells of a changed sign, SF ZF PF are those of the result."""
    assert function(a, count, STATUS, width) == (result, flags)


@pytest.mark.parametrize(
    ("function", "a", "count", "width", "before", "result", "after"),
    [
        (shifts.rol, 0x81, 1, 1, 0, 0x03, CF | OF),
        (shifts.rol, 0x8001, 4, 2, CF, 0x0018, OF),
        (shifts.rol, 0x01, 8, 1, 0, 0x01, CF),
        (shifts.ror, 0x01, 1, 1, 0, 0x80, CF | OF),
        (shifts.ror, 0x80000001, 31, 4, CF, 0x00000003, 0),
        (shifts.rcl, 0x80, 1, 1, CF, 0x01, CF | OF),
        (shifts.rcl, 0x8000, 17, 2, CF, 0x8000, CF),
        (shifts.rcl, 0x01, 8, 1, CF, 0x80, CF),
        (shifts.rcr, 0x01, 1, 1, 0, 0x00, CF),
        (shifts.rcr, 0x01, 1, 1, CF, 0x80, CF | OF),
        (shifts.rcr, 0xFF, 9, 1, 0, 0xFF, 0),
    ],
)
def test_a_rotate_sets_cf_and_of_alone(
    function: Binary, a: int, count: int, width: int, before: int, result: int, after: int
) -> None:
    """RCL and RCR go through CF, one more bit; SF ZF AF PF stay."""
    others = SF | ZF | AF | PF
    assert function(a, count, others | before, width) == (result, others | after)


@pytest.mark.parametrize(
    "function", [shifts.shl, shifts.shr, shifts.sar, shifts.rol, shifts.ror, shifts.rcl, shifts.rcr]
)
@pytest.mark.parametrize(("count", "width"), [(0, 8), (64, 8), (32, 4), (32, 1)])
def test_a_masked_count_of_zero_changes_no_flag(function: Binary, count: int, width: int) -> None:
    """Counts are taken modulo 32, 64 for 64-bit operands (SDM vol. 2B, SAL/SAR/SHL/SHR)."""
    assert function(0x5A, count, STATUS, width) == (0x5A, STATUS)


@pytest.mark.parametrize(
    ("function", "a", "b", "count", "width", "result", "flags"),
    [
        (shifts.shld, 0x12345678, 0x9ABCDEF0, 4, 4, 0x23456789, CF),
        (shifts.shld, 0x4000, 0x8000, 1, 2, 0x8001, OF | SF),
        (shifts.shrd, 0x12345678, 0x9ABCDEF0, 4, 4, 0x01234567, CF),
        (shifts.shrd, 0x0000, 0x0001, 1, 2, 0x8000, OF | SF | PF),
        (shifts.shld, 0x1111222233334444, 0, 0, 8, 0x1111222233334444, STATUS),
        (shifts.shrd, 0x1111222233334444, 0, 64, 8, 0x1111222233334444, STATUS),
    ],
)
def test_double_shifts_fill_up_from_the_second_operand(
    function: Ternary, a: int, b: int, count: int, width: int, result: int, flags: int
) -> None:
    """SHLD takes the upper bits of the second operand, SHRD the lower ones."""
    assert function(a, b, count, STATUS, width) == (result, flags)


@pytest.mark.parametrize(
    ("function", "count", "width", "result"),
    [
        (shifts.rorx, 8, 4, 0x78812345),
        (shifts.rorx, 40, 4, 0x78812345),
        (shifts.shlx, 36, 4, 0x12345780),
        (shifts.shrx, 36, 4, 0x08123457),
        (shifts.sarx, 36, 4, 0xF8123457),
        (shifts.sarx, 36, 8, 0),
        (shifts.shlx, 32, 8, 0x8123457800000000),
    ],
)
def test_bmi2_shifts_leave_all_flags(function: Binary, count: int, width: int, result: int) -> None:
    """Their counts are masked as those of the old shifts; no flag changes."""
    assert function(0x81234578, count, STATUS, width) == (result, STATUS)
    assert function(0x81234578, count, 0, width) == (result, 0)


@pytest.mark.parametrize("code", ["d327", "d307", "d317", "c12700", "0fa507", "0fa40700"])
def test_a_count_of_zero_is_still_a_read_and_a_write(code: str) -> None:
    """Memory sees both, though nothing changes: SHL ROL RCL SHLD by CL or by an immediate."""
    cpu = Cpu(rdi=0x1000, rflags=STATUS | 2)
    assert execute(code, cpu, {0x1000: word(0x89ABCDEF, 4)}) == [
        reads(0x1000, 4, 0x89ABCDEF),
        writes(0x1000, 4, 0x89ABCDEF),
    ]
    assert cpu.rflags == STATUS | 2


def test_a_count_of_zero_clears_the_upper_half_of_a_32_bit_register() -> None:
    """SHL EAX,CL writes EAX whatever the count."""
    cpu = Cpu(rax=0x1122334455667788)
    execute("d3e0", cpu)
    assert cpu.rax == 0x55667788
