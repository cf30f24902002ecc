"""BOUND and the instructions that are undefined by definition."""

import pytest

from emulate import BoundRange, Cpu, InvalidOpcode
from tests.emulate.families.executing import execute, reads, refused, word

BOUNDS = word(0xFFFFFFFE, 4) + word(5, 4)  # -2 … 5


@pytest.mark.parametrize("index", [0xFFFFFFFE, 0, 5])
def test_bound_lets_an_index_within_pass(index: int) -> None:
    """Bounds are signed and belong to the range; they are read in one piece."""
    cpu = Cpu(32, rax=index, rdi=0x1000)
    assert execute("6207", cpu, {0x1000: BOUNDS}) == [reads(0x1000, 8, 0x5FFFFFFFE)]
    assert cpu.eip == 2


@pytest.mark.parametrize("index", [0xFFFFFFFD, 6, 0x80000000])
def test_bound_raises_br_outside(index: int) -> None:
    """#BR leaves everything as it was."""
    refused(BoundRange, "6207", Cpu(32, rax=index, rdi=0x1000), {0x1000: BOUNDS})


def test_bound_of_words() -> None:
    """Only the low word of the register counts."""
    execute("6207", Cpu(16, rax=0x70001, rbx=0x1000), {0x1000: word(1, 2) + word(1, 2)})


@pytest.mark.parametrize("code", ["0f0b", "0fb900", "0fff00"])
def test_ud_raises_without_reading(code: str) -> None:
    """UD2 UD1 UD0 are there to raise #UD, operands or not."""
    assert refused(InvalidOpcode, code, Cpu(rax=0x1000)).log == []
