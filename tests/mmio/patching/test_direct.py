"""Which instructions are executed on a copy of their operand, and that the copy is the instruction."""

import random

import pytest

from decode import READ, READ_WRITE, WRITE, Instruction, MemoryOperand, RegisterOperand, decode
from emulate import Cpu, Emulator, Ram
from mmio.patching.direct import plain
from tests.mmio.inprocess.forms import suitable

FORMS = [decode(form.examples[64], 64) for form in suitable()]


def test_no_plain_instruction_raises() -> None:
    """Division, x87, arithmetic of SSE and what a segment register takes may raise; nothing of them is plain."""
    raising = ("div", "idiv", "aam", "bound", "ldmxcsr", "fld", "cvt", "addss", "sqrtss", "lar", "lss")
    assert [str(each) for each in FORMS if each.mnemonic.startswith(raising) and plain(each)] == []
    assert plain(decode(bytes.fromhex("8e1f"), 64)) is None  # mov ds,[rdi]
    assert plain(decode(bytes.fromhex("0f6f07"), 64)) is None  # movq mm0,[rdi]: x87 is in use afterwards


def test_every_plain_instruction_accesses_once() -> None:
    """It reads or writes as many bytes as a general or a vector register has, is not locked, touches nothing else."""
    found = [each for each in FORMS if plain(each)]
    assert len(found) > 60
    for each in found:
        (access,) = each.accesses
        assert access.direction in (READ, WRITE)
        assert access.width in (1, 2, 4, 8, 16, 32, 64)
        assert not each.lock
        assert not each.string


@pytest.mark.parametrize(
    "code",
    [
        *("8b4710", "894710", "0fb607", "c7879000000044332211", "0f9407", "660f6e07", "660f7e07"),
        *("0f100f", "f20ff00f", "c5fe6f4710", "62e1fe487f4701"),
    ],
)
def test_the_copy_differs_in_its_operand_only(code: str) -> None:
    """The operand is at the top of the stack; everything else is the original's."""
    original = decode(bytes.fromhex(code), 64)
    how = plain(original)
    assert how is not None
    copy = decode(how.code, 64)
    assert (copy.mnemonic, copy.accesses[0].width) == (original.mnemonic, original.accesses[0].width)
    assert others(copy) == others(original)
    (operand,) = (each for each in copy.operands if isinstance(each, MemoryOperand))
    assert operand.base is not None
    assert (operand.base.name, operand.index, operand.displacement) == ("rsp", None, 0)
    assert how.stores == (original.accesses[0].direction == WRITE)


def test_an_aligned_move_becomes_one_that_is_not() -> None:
    """The copy moves the same bytes between the same registers and a place of any address."""
    aligned = [each for each in FORMS if (how := plain(each)) is not None and how.aligned]
    assert len(aligned) > 6
    for instruction in aligned:
        how = plain(instruction, -192, -112)
        assert how is not None
        copy, width = decode(how.code, 64), how.width
        (operand,) = (each for each in copy.operands if isinstance(each, MemoryOperand))
        assert operand.displacement == (-112 if how.stores else -192)
        assert others(copy) == others(instruction)
        moved = []
        for each, place in (instruction, 128), (copy, 193 + operand.displacement):
            ram, cpu = Ram(512), Cpu(bits=64, rsi=128 - 0x10, rsp=193)
            ram.write(place, width, int.from_bytes(range(1, width + 1), "little"))
            cpu.vector[:] = [number << 500 | 0x55AA << 8 * number for number in range(1, 33)]
            Emulator(ram).compile(64, each.code).run(cpu, ram)
            moved.append((list(cpu.vector), ram.read(place, width)))
        assert moved[0] == moved[1], str(instruction)


def test_a_mask_is_not_plain() -> None:
    """It selects the bytes that are accessed."""
    assert plain(decode(bytes.fromhex("62f17c492807"), 64)) is None  # vmovaps zmm0{k1},[rdi]


def others(instruction: Instruction) -> list[str]:
    """Return the operands that are not in memory."""
    return [str(each) for each in instruction.operands if not isinstance(each, MemoryOperand)]


@pytest.mark.parametrize("code", ["8b27", "8927", "3b27", "668b27", "8a27"])
def test_the_stack_pointer_is_left_alone(code: str) -> None:
    """An instruction that has another use for RSP is not executed where RSP is another one; AH is no part of it."""
    instruction = decode(bytes.fromhex(code), 64)
    names = [each.register.name for each in instruction.operands if isinstance(each, RegisterOperand)]
    assert (plain(instruction) is None) == (names[0] in ("rsp", "esp", "sp", "spl"))


def test_read_modify_write_is_not_plain() -> None:
    """It makes two accesses, which a copy would make one."""
    made = [each for each in FORMS if any(access.direction == READ_WRITE for access in each.accesses)]
    assert made
    assert not any(plain(each) for each in random.Random(0).sample(made, min(len(made), 40)))
