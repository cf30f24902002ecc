"""CLC STC CMC CLD STD LAHF SAHF SALC."""

import pytest

from emulate import Cpu
from emulate.flags import CF, DF, IF, OF, STATUS
from tests.emulate.families.executing import execute


@pytest.mark.parametrize(
    ("code", "before", "after"),
    [
        ("f8", STATUS, STATUS & ~CF),
        ("f9", 0, CF),
        ("f5", 0, CF),
        ("f5", STATUS, STATUS & ~CF),
        ("fc", STATUS | DF, STATUS),
        ("fd", IF, IF | DF),
    ],
)
def test_one_flag_changes(code: str, before: int, after: int) -> None:
    """CLC STC CMC CLD STD."""
    cpu = Cpu(rflags=before | 2)
    execute(code, cpu)
    assert cpu.rflags == after | 2


def test_lahf_and_sahf_move_the_low_byte() -> None:
    """OF lies above it; the bit that is always one is in the byte."""
    cpu = Cpu(rflags=STATUS | 2, rax=0x1111)
    execute("9f", cpu)
    assert cpu.rax == 0xD711
    cpu = Cpu(rflags=OF | 2, rax=0xFF00)
    execute("9e", cpu)
    assert cpu.rflags == STATUS | 2
    cpu.ah = 0
    execute("9e", cpu)
    assert cpu.rflags == OF | 2


def test_salc_fills_al_with_the_carry() -> None:
    """All ones or zero."""
    cpu = Cpu(32, rax=0x1111, cf=1)
    execute("d6", cpu)
    assert cpu.rax == 0x11FF
    cpu.cf = 0
    execute("d6", cpu)
    assert cpu.rax == 0x1100
