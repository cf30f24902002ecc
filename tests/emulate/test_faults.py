"""How an instruction fails: typed, with all that is known in the message."""

import pytest

from decode import decode
from emulate import (
    AlignmentCheck,
    BoundRange,
    Cpu,
    DivideError,
    Emulator,
    Fault,
    GeneralProtection,
    InvalidOpcode,
    PageFault,
    Ram,
    SimdFault,
    StackFault,
    UnsupportedInstruction,
)


@pytest.mark.parametrize(
    ("fault", "vector", "mnemonic"),
    [
        (DivideError, 0, "#DE"),
        (BoundRange, 5, "#BR"),
        (InvalidOpcode, 6, "#UD"),
        (StackFault, 12, "#SS"),
        (GeneralProtection, 13, "#GP"),
        (PageFault, 14, "#PF"),
        (AlignmentCheck, 17, "#AC"),
        (SimdFault, 19, "#XM"),
    ],
)
def test_each_fault_has_its_vector_and_name(fault: type[Fault], vector: int, mnemonic: str) -> None:
    """Each fault has its number and its name (SDM vol. 3A, table 6-1)."""
    assert (fault.vector, fault.mnemonic) == (vector, mnemonic)


def test_a_fault_tells_what_it_knows() -> None:
    """First the reason, then the address if there is one, then the instruction once it is known."""
    fault = GeneralProtection("is not allowed", error_code=0)
    assert str(fault) == "#GP is not allowed"
    assert (fault.error_code, fault.address, fault.instruction, fault.ip) == (0, None, None, None)
    placed = AlignmentCheck("is odd", error_code=0, address=0x1001)
    placed.locate(decode(b"\x8b\x07"), 0x401000)
    assert str(placed) == "#AC is odd, address 0x1001, in 'mov eax,[rdi]' at ip 0x401000"


def test_page_fault_error_codes() -> None:
    """User mode, and a write or a read; the page is not present (SDM vol. 3A, 4.7)."""
    assert PageFault(0x1000).error_code == 4
    assert PageFault(0x1000, write=True).error_code == 6
    assert str(PageFault(0x1000)) == "#PF nothing is mapped there, address 0x1000"


def test_the_emulator_locates_faults() -> None:
    """A fault, whether the CPU's or the bus's, comes out with the instruction and its address."""
    with pytest.raises(PageFault) as caught:
        Emulator(Ram(16)).step(Cpu(rip=0x401000, rdi=0x5000), b"\x8b\x07")
    assert caught.value.ip == 0x401000
    assert str(caught.value.instruction) == "mov eax,[rdi]"
    assert str(caught.value).endswith("address 0x5000, in 'mov eax,[rdi]' at ip 0x401000")


def test_unsupported_names_the_instruction() -> None:
    """What the emulator does not do is named with its bytes and mode; it is not a Fault."""
    instruction = decode(bytes.fromhex("0fa2"), 32)
    error = UnsupportedInstruction(instruction)
    assert str(error) == "'cpuid' is not emulated (bytes 0f a2, 32-bit code)"
    assert (error.instruction, error.reason) == (instruction, "is not emulated")
    assert not isinstance(error, Fault)
