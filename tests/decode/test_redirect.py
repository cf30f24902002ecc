"""The same instruction with its memory operand somewhere else."""

import re

import pytest

from decode import MemoryOperand, decode, forms
from decode.redirect import redirect

AT, SLOT = 0x7F0000001000, 0x7F0000002040


@pytest.mark.parametrize(
    ("code", "copy"),
    [
        ("0f5847f0", "addps xmm0,[7F0000002040h]"),
        ("640f58848f00010000", "addps xmm0,[7F0000002040h]"),
        ("c5f458410a", "vaddps ymm0,ymm1,[7F0000002040h]"),
        ("62f1745958411f", "vaddps zmm0{k1},zmm1,[7F0000002040h]{1to16}"),
        ("660f3a0f41f003", "palignr xmm0,[7F0000002040h],3"),
        ("67d801", "fadd st,dword ptr [7F0000002040h]"),
        ("0f580510000000", "addps xmm0,[7F0000002040h]"),
    ],
)
def test_the_operand_is_in_the_slot(code: str, copy: str) -> None:
    """Base, index, segment and address size are gone: the copy reaches the slot by no register."""
    moved = decode(redirect(decode(bytes.fromhex(code)), AT, SLOT))
    assert moved.format(AT) == copy
    (operand,) = (o for o in moved.operands if isinstance(o, MemoryOperand))
    assert AT + moved.length + operand.displacement == SLOT


@pytest.mark.parametrize("code", ["0f584708", "640f58848700010000", "670f584708", "0f580500100000", "660f3a0f41f003"])
def test_32_bit_code_names_the_slot_itself(code: str) -> None:
    """In 32-bit code the copy's operand is an absolute address, whatever addressing and segment the original had."""
    instruction = decode(bytes.fromhex(code), 32)
    moved = decode(redirect(instruction, 0xF7000000, 0xFFFF2040), 32)
    (operand,) = (o for o in moved.operands if isinstance(o, MemoryOperand))
    assert moved.form == instruction.form
    assert (operand.base, operand.index, operand.displacement & 0xFFFFFFFF) == (None, None, 0xFFFF2040)
    with pytest.raises(ValueError, match="32-bit code and cannot reach 0x7f0000002040"):
        redirect(instruction, AT, SLOT)


def test_nothing_else_changes() -> None:
    """Every form with one named memory operand keeps form, operands, widths, directions, masks and prefixes."""
    redirected = 0
    for form in forms():
        if 64 not in form.examples:
            continue
        instruction = decode(form.examples[64])
        try:
            moved = decode(redirect(instruction, AT, SLOT))
        except ValueError:
            continue
        redirected += 1
        for old, new in zip(instruction.operands, moved.operands, strict=True):
            if isinstance(old, MemoryOperand):
                assert isinstance(new, MemoryOperand)
                assert (new.width, new.direction, new.broadcast) == (old.width, old.direction, old.broadcast), form.name
            else:
                assert new == old, form.name
        assert (moved.form, moved.opmask, moved.zeroing) == (form.name, instruction.opmask, instruction.zeroing)
    assert redirected > 3000


@pytest.mark.parametrize(
    ("code", "bits"),
    [
        ("0fa2", 64),
        ("f3a4", 64),
        ("0f5807", 16),
        ("c4e2699004a7", 64),
        ("660ff7c1", 64),
    ],
)
def test_what_names_no_single_place_is_refused(code: str, bits: int) -> None:
    """No operand in memory, implicit ones, vectors of addresses, and code of other modes."""
    instruction = decode(bytes.fromhex(code), bits)
    with pytest.raises(ValueError, match=f"'{re.escape(str(instruction))}' has no single memory operand"):
        redirect(instruction, AT, SLOT)


@pytest.mark.parametrize(
    ("code", "slot", "why"),
    [("a00010000000000000", SLOT, "Absolute addresses"), ("0f5807", AT + (1 << 40), "too far away")],
)
def test_what_cannot_be_encoded_is_refused(code: str, slot: int, why: str) -> None:
    """MOV with an absolute offset has no other addressing; a slot must be in reach of 32 bits."""
    with pytest.raises(ValueError, match=why):
        redirect(decode(bytes.fromhex(code)), AT, slot)
