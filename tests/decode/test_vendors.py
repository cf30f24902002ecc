"""Where makers' CPUs take the same bytes for different things; the values for AMD's were seen on a Zen 3."""

from __future__ import annotations

from typing import Any

import pytest

from decode import READ, WRITE, InvalidInstruction, Vendor, accesses, decode, vendor_of
from decode.redirect import redirect
from decode.vendors import VENDORS
from emulate import Cpu
from tests.cases.forms import CODE_NAMES, all_codes

HERE = 0x1000  # where every pointer register points


def touched(code: str, bits: int, vendor: Vendor) -> list[tuple[int, ...]]:
    """What an instruction of a vendor's touches, all general registers being `HERE`."""
    cpu = Cpu(bits)
    cpu.regs[:16] = [HERE] * 16
    return [tuple(touch) for touch in accesses(decode(bytes.fromhex(code), bits, vendor), cpu)]


@pytest.mark.parametrize(
    ("code", "bits", "intel", "amd"),
    [
        ("1e", 32, [(WRITE, HERE - 4, 2)], [(WRITE, HERE - 4, 4)]),  # push ds
        ("666300", 64, [(READ, HERE, 2)], [(READ, HERE, 4)]),  # movsxd ax,[rax]
        ("66ff10", 64, [(READ, HERE, 8), (WRITE, HERE - 8, 8)], [(READ, HERE, 2), (WRITE, HERE - 2, 2)]),  # call [rax]
        ("48ff28", 64, [(READ, HERE, 10)], [(READ, HERE, 6)]),  # jmp far [rax]
        ("480fb400", 64, [(READ, HERE, 10)], [(READ, HERE, 6)]),  # lfs rax,[rax]
        ("1f", 32, [(READ, HERE, 2)], [(READ, HERE, 4)]),  # pop ds
        ("0fa1", 64, [(READ, HERE, 2)], [(READ, HERE, 8)]),  # pop fs
        ("cb", 32, [(READ, HERE + 4, 2), (READ, HERE, 4)], [(READ, HERE + 4, 4), (READ, HERE, 4)]),  # retf
    ],
)
def test_accesses_are_those_of_the_vendor(code: str, bits: int, intel: list[Any], amd: list[Any]) -> None:
    """An instruction's accesses are those of the vendor it was decoded for, Intel unless said otherwise."""
    assert touched(code, bits, "intel") == intel
    assert touched(code, bits, "amd") == amd
    assert decode(bytes.fromhex(code), bits) is decode(bytes.fromhex(code), bits, "intel")


@pytest.mark.parametrize("vendor", VENDORS)
def test_popa_reads_all_slots(vendor: Vendor) -> None:
    """POPAD reads the slot of the stack pointer as well, on CPUs of both vendors."""
    assert touched("61", 32, vendor) == [(READ, HERE + 4 * i, 4) for i in range(8)]


def test_elements_wrap_one_by_one() -> None:
    """AMD's VMASKMOV wraps the 16-bit offset of each element, Intel's that of the whole operand."""
    code, cpu = bytes.fromhex("c4e2792c07"), Cpu(16, bx=0xFFF8)
    cpu.vector[0] = (1 << 512) - 1
    intel, amd = (accesses(decode(code, 16, vendor), cpu) for vendor in VENDORS)
    assert intel == [(READ, address, 4) for address in (0xFFF8, 0xFFFC, 0x10000, 0x10004)]
    assert amd == [(READ, address, 4) for address in (0xFFF8, 0xFFFC, 0, 4)]


def test_near_branches_have_operand_sizes() -> None:
    """In 64-bit code AMD's CPUs obey an operand size prefix of a branch, Intel's ignore it."""
    code = bytes.fromhex("66e802000000")
    assert decode(code).length == 6
    assert decode(code, 64, "amd").length == 4
    assert decode(code, 64, "amd").format(0x1000) == "data16 call 1006h"


def test_where_they_agree_it_is_the_same_object() -> None:
    """Only where the makers differ is there an instruction of AMD's."""
    assert decode(b"\x8b\x07", 64, "amd") is decode(b"\x8b\x07")
    assert decode(b"\x8b\x07", 64, "amd").vendor == "intel"
    assert decode(bytes.fromhex("66ff10"), 64, "amd").vendor == "amd"
    with pytest.raises(InvalidInstruction):
        decode(b"\x06\x90", 64, "amd")


@pytest.mark.parametrize("bits", [64, 32, 16])
def test_forms_of_both(bits: int) -> None:
    """AMD's forms are Intel's and in 64-bit code the near branches of 16 bits; Intel's UD0 is longer."""
    names = [{CODE_NAMES[code] for code in all_codes(bits, vendor)} for vendor in ("intel", "amd")]
    branches = names[1] - names[0]
    assert all(name.startswith(("CALL", "J", "LOOP", "RETNW")) for name in branches)
    assert bool(branches) == (bits == 64)
    assert all(name.startswith("UD0_") for name in names[0] - names[1])


def test_a_copy_is_of_the_same_vendor() -> None:
    """An instruction of AMD's with its operand elsewhere is the same one on AMD's CPUs."""
    jump = decode(bytes.fromhex("66ff20"), 64, "amd")
    moved = decode(redirect(jump, 0x1000, 0x2000), 64, "amd")
    assert (moved.form, moved.operands[0].width) == (jump.form, 2)


def test_rejects_an_unknown_vendor() -> None:
    """Anything else than the two names is an error that says them."""
    for wrong in ("AMD", "GenuineIntel", "", None, ["amd"]):
        with pytest.raises(ValueError, match="vendor is 'intel' or 'amd', not"):
            decode(b"\x90", 64, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "vendor"),
    [
        ("GenuineIntel", "intel"),
        ("AuthenticAMD", "amd"),
        ("HygonGenuine", "amd"),
        ("CentaurHauls", "intel"),
        ("  Shanghai  ", "intel"),
        ("", "intel"),
    ],
)
def test_names_of_cpus(name: str, vendor: Vendor) -> None:
    """What CPUID leaf 0 says tells the vendor; Hygon's CPUs are AMD's, all others count as Intel's."""
    assert vendor_of(name) == vendor
