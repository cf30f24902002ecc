"""Which instructions may be executed elsewhere, and that they do the same there."""

import random

import pytest

from decode import MemoryOperand, decode
from emulate import Cpu, Emulator, Ram
from mmio.linux.libc import PAGE
from mmio.patching.followers import MOST, is_movable, starts_of_followers
from mmio.patching.jumps import JUMP

IN = bytes.fromhex("ec")

MOVABLE = (
    *("b801000000", "89ca", "0fb6c0", "440fb6e8", "4189c5", "31c0", "83f902", "4883c418", "84c0", "3d00000080"),
    *("8d4701", "0f94c0", "0f44c1", "6690", "0f1f440000", "90", "4898", "0fc8", "c1e004", "d3e8", "48ffc0", "f7d8"),
)


@pytest.mark.parametrize("code", MOVABLE)
def test_computations_with_general_registers_are_movable(code: str) -> None:
    """What compilers put behind IN and OUT; executed anywhere it does the same to the registers."""
    instruction = decode(bytes.fromhex(code), 64)
    assert is_movable(instruction)
    source, after = random.Random(1), []
    values = [source.getrandbits(64) for _ in range(16)]
    for place in (0x1000, 0x7000_0000):
        cpu = Cpu(bits=64)
        cpu.regs[:16] = values
        cpu.rip = place
        Emulator(Ram(16)).step(cpu, instruction.code)
        assert cpu.rip == place + instruction.length
        after.append([*cpu.regs[:16], cpu.regs[17]])
    assert after[0] == after[1]


@pytest.mark.parametrize(
    "code",
    [
        *("eb10", "7407", "e844332211", "c3", "ff20", "ffd0", "e2fe"),  # branches, calls, returns
        *("488d0510000000", "8b0510000000"),  # relative to RIP
        *("8807", "8b4710", "50", "5b", "c9", "a4"),  # memory, and the stack
        *("ec", "ee", "e671", "6c"),  # ports
        *("f7f1", "f7f9", "cc", "cd80", "0f05", "0f0b", "f4", "fa"),  # these raise or trap
        *("0f31", "0fa2", "0f01d0", "9d", "9c", "8ed8", "8cd8", "0f20c0", "f30f1efa", "f30f01e8"),
        *("660fefc0", "f20f58c1", "d9e8"),  # their unit may be off
        "f00fc10f",  # lock xadd
    ],
)
def test_everything_else_is_not(code: str) -> None:
    """It depends on its address or on memory, may raise an exception, or continues elsewhere."""
    assert not is_movable(decode(bytes.fromhex(code), 64))


def test_the_jump_stands_over_whole_instructions() -> None:
    """As many as it has bytes behind the first, and the end of the last."""
    assert starts_of_followers(0x1000, IN + bytes.fromhex("b801000000 c3")) == (0, 1, 6)
    assert starts_of_followers(0x1000, IN + bytes.fromhex("89c1 b800000080 0000")) == (0, 1, 3, 8)
    assert starts_of_followers(0x1000, IN + bytes.fromhex("90 90 90 4883c418 c3")) == (0, 1, 2, 3, 4, 8)
    assert starts_of_followers(0x1000, bytes.fromhex("e671 b80a000000 e670")) == (0, 2, 7)
    longest = IN + 3 * b"\x90" + bytes.fromhex("662e2e2e2e2e0f1f840000000000 90")[:15]
    assert starts_of_followers(0x1000, longest)[-1] <= MOST


@pytest.mark.parametrize("behind", ["31c0c3660f1f", "89c2eb10 9090", "5b909090 9090", "89c1", "ec90909090"])
def test_none_is_enough_to_refuse(behind: str) -> None:
    """A return, a jump, memory, a port among them, or code that cannot be read to the end: the jump is not made."""
    assert starts_of_followers(0x1000, IN + bytes.fromhex(behind)) == ()


def test_they_lie_in_one_page() -> None:
    """The next one may belong to another mapping."""
    code = IN + bytes.fromhex("b801000000 c3")
    assert starts_of_followers(2 * PAGE - 6, code) == (0, 1, 6)
    assert starts_of_followers(2 * PAGE - 5, code) == ()
    assert JUMP == 5


def test_lea_has_an_operand_without_access() -> None:
    """So it is movable, unless that is relative to RIP."""
    lea = decode(bytes.fromhex("8d4701"), 64)
    assert any(isinstance(operand, MemoryOperand) for operand in lea.operands)
    assert lea.accesses == ()
