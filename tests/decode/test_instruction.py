"""One decoded instruction as a value."""

import attrs
import pytest

from decode import READ, REGISTERS, Instruction, MemoryAccess, MemoryOperand, decode
from decode.instruction import Selection


def access(width: int, element: int, selection: Selection, selector: str, count: int) -> MemoryAccess:
    """An access chosen by a register."""
    operand = MemoryOperand(REGISTERS["rdi"], None, 1, 0, REGISTERS["ds"], 8, width, READ)
    return MemoryAccess(READ, width, operand, element, selection, REGISTERS[selector], count)


def test_it_reads_as_it_stands() -> None:
    """`format` shows branch targets and RIP-relative places for the address given; the instruction has none itself."""
    load = decode(bytes.fromhex("8b0510000000"))
    assert load.format(ip=0x401000) == "mov eax,[401016h]"
    assert str(load) == load.format(ip=0) == "mov eax,[16h]"
    assert decode(b"\xeb\xfe").format(ip=0x401000) == "jmp short 0000000000401000h"


def test_it_cannot_be_changed() -> None:
    """An instruction is shared by all places with the same bytes, so it is frozen."""
    load = decode(b"\x8b\x07")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        load.mnemonic = "nop"  # type: ignore[misc]


def test_its_length_is_that_of_its_bytes() -> None:
    """`length` follows from `code`."""
    nop = Instruction(
        code=b"\x66\x90", bits=64, mnemonic="nop", form="NOPW", encoding="legacy", operands=(), accesses=()
    )
    assert nop.length == 2


@pytest.mark.parametrize(
    ("chosen_by", "value", "elements"),
    [
        (access(16, 4, "masked", "k1", 4), 0b1010, 0b1010),
        (access(16, 4, "masked", "k1", 4), 0xFFFFFFFFFFFFFFF0, 0),
        (access(16, 4, "packed", "k1", 4), 0b1010, 0b0011),
        (access(16, 4, "masked", "xmm1", 4), 1 << 127 | 1 << 31 | 0x7F << 32, 0b1001),
        (access(8, 1, "masked", "mm1", 8), 0x80FF7F0000000001, 0b11000000),
        (access(4, 4, "masked", "k1", 16), 0x8000, 0b1),
        (access(4, 4, "masked", "k1", 16), 0, 0),
        (access(16, 8, "masked", "k1", 8), 0b0100_1000, 0b11),
        (access(4, 4, "gather", "k1", 8), 0x181, 0x81),
    ],
)
def test_a_selector_selects_elements(chosen_by: MemoryAccess, value: int, elements: int) -> None:
    """Opmasks select by bits, vectors by top bits; packed elements begin at the first; a broadcast folds its users."""
    assert chosen_by.selected(value) == elements


@pytest.mark.parametrize(
    ("code", "rounding"),
    [
        ("62f16e185ecb", 0),  # vdivss xmm1,xmm2,xmm3{rn-sae}
        ("62f16e385ecb", 1),
        ("62f16e585ecb", 2),
        ("62f16e785ecb", 3),
        ("62f1fd182fca", 0),  # vcomisd xmm1,xmm2{sae}
        ("62f16e085ecb", None),
        ("f30f5eca", None),
    ],
)
def test_the_encoding_overrides_the_rounding_of_mxcsr(code: str, rounding: int | None) -> None:
    """The two bits of the encoding as MXCSR has them; without them it is MXCSR that decides."""
    assert decode(bytes.fromhex(code)).rounding == rounding
