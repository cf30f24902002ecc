"""Vector operands under a mask: what is touched, what is checked, what is kept."""

import pytest

from emulate import AlignmentCheck, Cpu, Emulator, GeneralProtection, StackFault, masking
from tests.emulate.everywhere import Everywhere, Interrupted
from tests.emulate.families.executing import Touch, execute, reads, refused, writes

DATA = bytes(range(1, 17))
OLD = 0xDD << 504 | 0xCCCCCCCC_BBBBBBBB_AAAAAAAA_99999999
LOAD, LOAD_ZEROING, STORE = "62f17e096f0f", "62f17e896f0f", "62f17e097f0f"  # vmovdqu32 xmm1{k1},[rdi], {z}, and back
LOAD_ALIGNED = "62f17c09280f"  # vmovaps xmm1{k1},[rdi]
LOAD_SCALAR = "62f17e09100f"  # vmovss xmm1{k1},[rdi]
HOLE = 1 << 47


def test_a_masked_load_reads_only_selected_elements() -> None:
    """Each is one read; the others are kept, the bits above the operand cleared."""
    cpu = Cpu(rdi=0x1000, k1=0b1010, zmm1=OLD)
    assert execute(LOAD, cpu, {0x1000: DATA}) == [reads(0x1004, 4, 0x08070605), reads(0x100C, 4, 0x100F0E0D)]
    assert cpu.zmm1 == 0x100F0E0D_BBBBBBBB_08070605_99999999


def test_zeroing_clears_what_is_not_selected() -> None:
    """{z} leaves zero in the other elements."""
    cpu = Cpu(rdi=0x1000, k1=0b1010, zmm1=OLD)
    execute(LOAD_ZEROING, cpu, {0x1000: DATA})
    assert cpu.zmm1 == 0x100F0E0D_00000000_08070605_00000000


def test_a_masked_store_writes_only_selected_elements() -> None:
    """Lowest first, and nothing is read to fill the gaps."""
    cpu = Cpu(rdi=0x1000, k1=0b1001, zmm1=OLD)
    assert execute(STORE, cpu) == [writes(0x1000, 4, 0x99999999), writes(0x100C, 4, 0xCCCCCCCC)]


@pytest.mark.parametrize("code", [LOAD, STORE, LOAD_ALIGNED, LOAD_SCALAR])
def test_with_nothing_selected_the_address_may_be_anything(code: str) -> None:
    """Neither access nor check: mask bits beyond the elements do not count."""
    cpu = Cpu(rdi=HOLE + 1, k1=0xF0, zmm1=OLD)
    assert execute(code, cpu) == []
    assert cpu.rip == 6


@pytest.mark.parametrize(("k1", "faults"), [(0b0011, False), (0b0100, True), (0b1001, True)])
def test_selected_elements_must_be_canonical(k1: int, faults: bool) -> None:
    """Elements behind the end of the lower half fault only when they are selected."""
    cpu = Cpu(rdi=HOLE - 8, k1=k1)
    if faults:
        assert refused(GeneralProtection, LOAD, cpu).log == []
    else:
        assert len(execute(LOAD, cpu)) == 2


def test_the_stack_segment_has_its_own_fault() -> None:
    """Through rBP, a non-canonical element is #SS."""
    refused(StackFault, "62f17e096f4d00", Cpu(rbp=HOLE, k1=1))


@pytest.mark.parametrize(("k1", "faults"), [(0b0011, False), (0b0100, True)])
def test_selected_elements_must_lie_within_the_segment(k1: int, faults: bool) -> None:
    """In 32-bit code the limit counts, for what is selected, before the base is added."""
    cpu = Cpu(bits=32, rdi=0xFF8, k1=k1, ds_base=0x10000)
    cpu.limits = [0xFFF] * 6
    if faults:
        refused(GeneralProtection, LOAD, cpu)
    else:
        assert [touch.address for touch in execute(LOAD, cpu)] == [0x10FF8, 0x10FFC]


@pytest.mark.parametrize(("k1", "faults"), [(0b10000, False), (0b1000, True)])
def test_alignment_counts_when_anything_is_selected(k1: int, faults: bool) -> None:
    """VMOVAPS of a misaligned operand faults, whichever element is selected, unless none is."""
    cpu = Cpu(rdi=0x1008, k1=k1)
    if faults:
        refused(GeneralProtection, LOAD_ALIGNED, cpu)
    else:
        assert execute(LOAD_ALIGNED, cpu) == []


@pytest.mark.parametrize(("code", "k1", "faults"), [(LOAD_SCALAR, 1, True), (LOAD_SCALAR, 2, False), (LOAD, 1, False)])
def test_alignment_check_concerns_short_operands(code: str, k1: int, faults: bool) -> None:
    """With EFLAGS.AC, a selected element of an operand of up to eight bytes must be aligned; a vector need not."""
    bus = Everywhere()
    emulator = Emulator(bus, alignment_check=True)
    cpu = Cpu(rdi=0x1001, k1=k1, rflags=0x40202)
    if faults:
        with pytest.raises(AlignmentCheck):
            emulator.step(cpu, bytes.fromhex(code))
        assert bus.log == []
    else:
        emulator.step(cpu, bytes.fromhex(code))
        assert cpu.rip == 6


def test_a_bus_that_fails_half_way_leaves_the_registers() -> None:
    """Elements before the failing one are written, as a device has seen them; no register changes."""
    bus = Everywhere(fail_at=2)
    cpu = Cpu(rdi=0x1000, k1=0b1111, zmm1=OLD)
    before = cpu.copy()
    with pytest.raises(Interrupted):
        execute(STORE, cpu, bus=bus)
    assert cpu == before
    assert [Touch(*touch, 0) for touch in bus.log] == [writes(0x1000, 4, 0), writes(0x1004, 4, 0)]


@pytest.mark.parametrize(
    ("elements", "element", "bits"), [(0, 4, 0), (0b101, 1, 0xFF00FF), (0b10, 8, 0xFFFFFFFFFFFFFFFF << 64)]
)
def test_each_selected_element_becomes_all_ones(elements: int, element: int, bits: int) -> None:
    """Each selected element becomes all ones."""
    assert masking.spread(elements, element) == bits


def test_selected_bits_come_from_the_new_value() -> None:
    """The bits given come from the new value, the others from the old."""
    assert masking.blend(0x1111, 0x2222, 0xF0F0) == 0x2121
