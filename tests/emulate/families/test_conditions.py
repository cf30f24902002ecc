"""The sixteen conditions, SETcc and CMOVcc."""

import pytest

from emulate import Cpu
from emulate.flags import CF, OF, PF, SF, STATUS, ZF
from tests.emulate.families.executing import execute, reads, writes

# By condition number: the flags that make it true, one set for each way, and those that make it false.
TRUTHS = (
    ((OF,), (STATUS & ~OF, 0)),
    ((CF,), (STATUS & ~CF, 0)),
    ((ZF,), (STATUS & ~ZF, 0)),
    ((CF, ZF, CF | ZF), (STATUS & ~CF & ~ZF, 0)),
    ((SF,), (STATUS & ~SF, 0)),
    ((PF,), (STATUS & ~PF, 0)),
    ((SF, OF), (SF | OF, 0, STATUS)),
    ((SF, OF, ZF, ZF | SF | OF, STATUS), (SF | OF, CF, 0)),
)
CASES = [
    (2 * pair + opposite, flags, held != opposite)
    for pair, (true, false) in enumerate(TRUTHS)
    for held, sets in ((True, true), (False, false))
    for flags in sets
    for opposite in (False, True)
]


@pytest.mark.parametrize(("number", "flags", "holds"), CASES)
def test_setcc_writes_one_byte_and_reads_nothing(number: int, flags: int, holds: bool) -> None:
    """Every condition, both ways; odd numbers are the opposites of even ones (SDM vol. 1, appendix B)."""
    cpu = Cpu(rdi=0x1000, rflags=flags | 2)
    assert execute(f"0f{0x90 + number:02x}07", cpu) == [writes(0x1000, 1, int(holds))]
    assert cpu.rflags == flags | 2


@pytest.mark.parametrize(("number", "flags", "holds"), CASES)
def test_cmov_reads_whether_the_condition_holds_or_not(number: int, flags: int, holds: bool) -> None:
    """A false condition still reads the source, and a 32-bit destination is zero-extended either way."""
    cpu = Cpu(rdi=0x1000, rax=0x1122334455667788, rflags=flags | 2)
    assert execute(f"0f{0x40 + number:02x}07", cpu, {0x1000: bytes(4)}) == [reads(0x1000, 4, 0)]
    assert cpu.rax == (0 if holds else 0x55667788)


def test_a_false_cmov_leaves_wider_and_narrower_registers() -> None:
    """16 and 64 bits change nothing."""
    for code in ("660f44c1", "480f44c1"):
        cpu = Cpu(rax=0x1122334455667788, rcx=5)
        execute(code, cpu)
        assert cpu.rax == 0x1122334455667788


def test_setcc_writes_a_high_byte_register() -> None:
    """SETZ AH leaves the rest of RAX."""
    cpu = Cpu(rax=0xFFFFFFFFFFFFFFFF, zf=1)
    execute("0f94c4", cpu)
    assert cpu.rax == 0xFFFFFFFFFFFF01FF
