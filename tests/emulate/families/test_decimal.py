"""AAA AAS AAM AAD DAA DAS: the manual's own examples and the borders."""

from collections.abc import Callable

import pytest

from emulate import Cpu, DivideError
from emulate.families import decimal
from emulate.flags import AF, CF, STATUS
from tests.emulate.families.executing import execute, refused


@pytest.mark.parametrize(
    ("function", "ax", "flags", "result", "carries"),
    [
        (decimal.aaa, 0x000B, 0, 0x0101, AF | CF),
        (decimal.aaa, 0x0109, 0, 0x0109, 0),
        (decimal.aaa, 0x0102, AF, 0x0208, AF | CF),
        (decimal.aaa, 0x00FF, 0, 0x0205, AF | CF),
        (decimal.aas, 0x010A, 0, 0x0004, AF | CF),
        (decimal.aas, 0x0109, CF, 0x0109, 0),
        (decimal.aas, 0x0200, AF, 0x000A, AF | CF),
        (decimal.daa, 0x00AE, 0, 0x0014, AF | CF),  # 79h + 35h = 114
        (decimal.daa, 0x122E, 0, 0x1234, AF),
        (decimal.daa, 0x0099, 0, 0x0099, 0),
        (decimal.daa, 0x009A, 0, 0x0000, AF | CF),
        (decimal.daa, 0x0010, CF, 0x0070, CF),
        (decimal.das, 0x00EE, CF | AF, 0x0088, CF | AF),  # 35h - 47h = -12
        (decimal.das, 0x1200, AF, 0x12FA, CF | AF),
        (decimal.das, 0x0045, 0, 0x0045, 0),
    ],
)
def test_adjustments(
    function: Callable[[int, int], tuple[int, int]], ax: int, flags: int, result: int, carries: int
) -> None:
    """A digit beyond nine, or one that carried, is corrected by six and carries into the next."""
    value, after = function(ax, flags)
    assert (value, after & (AF | CF)) == (result, carries)


def test_adjusting_is_done_on_ax_alone() -> None:
    """The rest of RAX and of the flags stays."""
    cpu = Cpu(32, rax=0x7777000B, rflags=0x602)
    execute("37", cpu)  # aaa
    assert (cpu.eax, cpu.rflags & ~STATUS) == (0x77770101, 0x602)


def test_aam_splits_and_aad_joins() -> None:
    """In base ten as in any other."""
    cpu = Cpu(32, rax=63)
    execute("d40a", cpu)
    assert (cpu.ax, cpu.zf, cpu.pf) == (0x0603, 0, 1)
    execute("d50a", cpu)
    assert (cpu.ax, cpu.zf, cpu.pf) == (63, 0, 1)
    execute("d410", cpu)
    assert cpu.ax == 0x030F


def test_aam_by_zero_is_a_divide_error() -> None:
    """#DE."""
    refused(DivideError, "d400", Cpu(32, rax=63))
