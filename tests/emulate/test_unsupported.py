"""What is refused, with reasons."""

import pytest

from decode import decode
from emulate import Cpu, Emulator, UnsupportedInstruction, is_supported
from emulate.recipes import RECIPES
from emulate.unsupported import REASONS
from tests.emulate.everywhere import Everywhere


@pytest.mark.parametrize(("code", "reason"), [("0f05", "kernel"), ("0f0127", "control"), ("f20f38f807", "device")])
def test_a_listed_instruction_is_refused_with_its_reason(code: str, reason: str) -> None:
    """SYSCALL, SMSW, ENQCMD: nothing is touched."""
    bus, cpu = Everywhere(), Cpu(rdi=0x1000)
    with pytest.raises(UnsupportedInstruction, match=reason):
        Emulator(bus).step(cpu, bytes.fromhex(code))
    assert (cpu, bus.log) == (Cpu(rdi=0x1000), [])
    assert not is_supported(decode(bytes.fromhex(code)))


def test_nothing_is_both_emulated_and_refused() -> None:
    """A recipe makes its reason obsolete."""
    assert RECIPES.keys() & REASONS.keys() == set()
