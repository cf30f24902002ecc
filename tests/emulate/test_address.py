"""The checks an address must pass."""

import pytest

from decode import REGISTERS
from emulate import AlignmentCheck, Cpu, Emulator, Fault, GeneralProtection, Ram, StackFault, UnsupportedInstruction
from emulate.address import canonical, check_alignment, check_limit, misaligned

TOP = 0x7FFFFFFFFFFF


@pytest.mark.parametrize(
    ("address", "width", "good"),
    [
        (0, 8, True),
        (TOP, 1, True),
        (TOP - 7, 8, True),
        (TOP - 6, 8, False),
        (TOP, 2, False),
        (TOP + 1, 1, False),
        (0xFFFF7FFFFFFFFFFF, 1, False),
        (0xFFFF7FFFFFFFFFFF, 8, False),
        (0xFFFF800000000000, 8, True),
        (2**64 - 1, 1, True),
    ],
)
def test_a_non_canonical_address_faults(address: int, width: int, good: bool) -> None:
    """All bytes lie in one canonical half, or it is #GP, through the stack segment #SS; both with error code 0."""
    if good:
        canonical(address, width)
        canonical(address, width, stack=True)
        return
    for fault, stack in ((GeneralProtection, False), (StackFault, True)):
        with pytest.raises(fault, match=rf"not canonical \({width} bytes\), address {address:#x}") as caught:
            canonical(address, width, stack)
        assert (caught.value.error_code, caught.value.address) == (0, address)


def test_an_address_beyond_the_limit_faults() -> None:
    """The last byte is at most the limit; beyond it is #SS for the stack and #GP for others; no limits, no check."""
    limits = [0xFFFF] * 6
    for segment in ("ds", "ss"):
        check_limit(limits, REGISTERS[segment], 0xFFFE, 2)
        check_limit(None, REGISTERS[segment], 0xFFFF, 2)
    with pytest.raises(GeneralProtection, match="2 bytes at es:0xffff lie beyond the limit 0xffff"):
        check_limit(limits, REGISTERS["es"], 0xFFFF, 2)
    with pytest.raises(StackFault, match="2 bytes at ss:0xffff lie beyond the limit 0xffff"):
        check_limit(limits, REGISTERS["ss"], 0xFFFF, 2)


@pytest.mark.parametrize(
    ("width", "alignment"), [(1, 1), (2, 2), (4, 4), (6, 2), (8, 8), (10, 8), (16, 16), (28, 4), (64, 16)]
)
def test_a_misaligned_address_faults_where_alignment_is_checked(width: int, alignment: int) -> None:
    """#AC wants natural alignment, at most 16 bytes, and eight for the ten of an x87 register."""
    for address in range(0x1000, 0x1010):
        if address % alignment:
            with pytest.raises(AlignmentCheck, match=f"not a multiple of {alignment}, address {address:#x}"):
                check_alignment(address, width)
        else:
            check_alignment(address, width)


def test_misaligned_is_a_protection_fault() -> None:
    """What must be aligned and is not raises #GP, whatever EFLAGS.AC says."""
    with pytest.raises(GeneralProtection, match="not a multiple of 16, address 0x1008"):
        misaligned(0x1008, 16)


@pytest.mark.parametrize(
    ("code", "part"),
    [("6203", 4), ("666203", 2), ("c503", 4), ("66c503", 2), ("ff2b", 4), ("66ff2b", 2)],
    ids=["bound", "bound 16", "lds", "lds 16:16", "jmp far", "jmp far 16:16"],
)
def test_operands_of_two_numbers_are_aligned_as_their_parts(code: str, part: int) -> None:
    """A pair of bounds or a far pointer is aligned when its first number is (SDM vol. 3A, table 6-7)."""
    emulator = Emulator(Ram(64), alignment_check=True)

    def checked(address: int) -> bool:
        try:
            emulator.step(Cpu(bits=32, ebx=address, ac=1), bytes.fromhex(code))
        except AlignmentCheck:
            return True
        except (Fault, UnsupportedInstruction):
            pass
        return False

    assert [checked(address) for address in (8, 8 + part, 8 + part // 2)] == [False, False, True]
