"""NOP, prefetches, flushes, fences."""

import pytest

from emulate import Cpu, GeneralProtection, StackFault
from tests.emulate.families.executing import execute, refused


@pytest.mark.parametrize(
    "code",
    [
        *("90", "6690", "f390", "0f1f00", "660f1f840000000000", "0f1e08", "f30f1efa", "f30f1efb", "0f1c00"),
        *("0f1800", "0f1808", "0f1810", "0f1818", "0f0d00", "0f0d08", "0f0d10"),
        *("0faee8", "0faef0", "0faef8", "0f01e8"),
    ],
)
def test_a_hint_does_nothing_at_any_address(code: str) -> None:
    """Not even an address that is not canonical matters."""
    cpu = Cpu(rip=0x1000, rax=1 << 47)
    assert execute(code, cpu) == []
    assert cpu == Cpu(rip=0x1000 + len(bytes.fromhex(code)), rax=1 << 47)


@pytest.mark.parametrize("code", ["0fae38", "660fae38", "660fae30"])
def test_flushing_a_line_accesses_nothing_but_checks_the_address(code: str) -> None:
    """CLFLUSH CLFLUSHOPT CLWB fault where a load would (SDM vol. 2A, CLFLUSH)."""
    assert execute(code, Cpu(rax=0x1000)) == []
    refused(GeneralProtection, code, Cpu(rax=1 << 47))


def test_flushing_the_stack_checks_as_the_stack() -> None:
    """CLFLUSH [RSP] raises #SS."""
    refused(StackFault, "0fae3c24", Cpu(rsp=1 << 47))
