"""Flag bits, and the table of what is left undefined."""

import pytest

from decode import decode
from emulate import flags
from emulate.flags import AF, CF, OF, PF, SF, STATUS, ZF, shift_count, status, undefined


def test_bits_stand_where_the_manual_has_them() -> None:
    """EFLAGS as in SDM vol. 1, figure 3-8."""
    positions = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "tf": 8, "if": 9, "df": 10, "of": 11, "ac": 18}
    assert {name: 1 << position for name, position in positions.items()} == flags.BITS
    assert STATUS == CF | PF | AF | ZF | SF | OF


def test_parity_is_even() -> None:
    """PF is set when the low byte has an even number of ones."""
    assert [flags.PARITY[value] for value in (0, 1, 3, 7, 0xFF)] == [PF, 0, PF, 0, PF]


@pytest.mark.parametrize(
    ("result", "width", "expected"),
    [(0, 1, ZF | PF), (0x80, 1, SF), (0x80, 2, 0), (0x8000, 2, SF | PF), (1 << 63, 8, SF | PF), (0x101, 4, 0)],
)
def test_status_of_a_result(result: int, width: int, expected: int) -> None:
    """Sign at the width, zero, and the parity of the low byte only."""
    assert status(result, width) == expected


def test_a_shift_uses_five_bits_of_its_count_or_six() -> None:
    """Five bits of a count are used, six for 64-bit operands."""
    assert [shift_count(count, 4) for count in (31, 32, 33, 255)] == [31, 0, 1, 31]
    assert [shift_count(count, 8) for count in (31, 32, 64, 255)] == [31, 32, 0, 63]
    assert shift_count(31, 1) == 31


@pytest.mark.parametrize(
    ("code", "cl", "expected"),
    [
        ("01d8", 0, 0),
        ("21d8", 0, AF),
        ("0faf07", 0, SF | ZF | AF | PF),
        ("f7f1", 0, STATUS),
        ("0fa3d8", 0, OF | SF | AF | PF),
        ("d1e0", 9, AF),
        ("c1e004", 0, AF | OF),
        ("c1e000", 5, 0),
        ("d3e0", 0, 0),
        ("d3e0", 1, AF),
        ("d3e0", 32, 0),
        ("d2e0", 8, AF | OF | CF),
        ("d3f8", 31, AF | OF),
        ("d3c0", 2, OF),
        ("d3c0", 1, 0),
        ("660fa4d811", 0, STATUS),
    ],
)
def test_undefined_flags_follow_the_mnemonic_and_the_count(code: str, cl: int, expected: int) -> None:
    """A table by mnemonic; shifts and rotates depend on their count, be it in the instruction or in CL."""
    assert undefined(decode(bytes.fromhex(code)), cl) == expected
