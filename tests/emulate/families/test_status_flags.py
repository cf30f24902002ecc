"""CLC STC CMC CLD STD LAHF SAHF SALC SMSW."""

import pytest

from emulate import Cpu
from emulate.flags import CF, DF, IF, OF, STATUS
from tests.emulate.families.executing import execute, writes


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


@pytest.mark.parametrize(("code", "rax"), [("660f01e0", 0xFFFFFFFFFFFF0033), ("0f01e0", 0x80050033)])
def test_smsw_to_a_register(code: str, rax: int) -> None:
    """As much of CR0 as the register holds."""
    cpu = Cpu(rax=(1 << 64) - 1)
    execute(code, cpu)
    assert cpu.rax == rax


def test_smsw_to_memory() -> None:
    """Two bytes, whatever the operand size."""
    assert execute("480f0127", Cpu(rdi=0x1000)) == [writes(0x1000, 2, 0x33)]
