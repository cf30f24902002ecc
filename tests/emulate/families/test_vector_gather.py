"""Gathers and scatters: one access an element, restartable after each."""

import pytest

from decode import InvalidInstruction, decode
from emulate import Cpu, GeneralProtection
from tests.emulate.everywhere import Everywhere, Interrupted
from tests.emulate.families.executing import execute, reads, refused, word, writes

ONES = (1 << 512) - 1
MEMORY = {0x1000 + 0x10 * i: word(0x11111111 * (i + 1), 8) for i in range(8)}
GATHER, MASKED_GATHER = "c4e261900c97", "62f27d09900c97"  # vpgatherdd xmm1,[rdi+xmm2*4],xmm3 and xmm1{k1},…
SCATTER = "62f27d09a00c97"  # vpscatterdd [rdi+xmm2*4]{k1},xmm1


def lanes(*values: int, width: int = 4) -> int:
    """Elements as a value, the lowest first."""
    return sum((value & (1 << 8 * width) - 1) << 8 * width * i for i, value in enumerate(values))


def test_gather_by_a_vector_mask() -> None:
    """Elements whose mask element is negative are read, lowest first; the mask register ends as zero."""
    cpu = Cpu(rdi=0x1010, zmm1=ONES, xmm2=lanes(0, 4, -4, 8), zmm3=ONES >> 128 << 128 | lanes(1 << 31, 1, 1 << 31, 0))
    touched = execute(GATHER, cpu, MEMORY)
    assert touched == [reads(0x1010, 4, 0x22222222), reads(0x1000, 4, 0x11111111)]
    assert cpu.zmm1 == lanes(0x22222222, 0xFFFFFFFF, 0x11111111, 0xFFFFFFFF)
    assert cpu.zmm3 == 0


def test_gather_by_an_opmask() -> None:
    """Elements whose opmask bit is set are read; the opmask ends as zero, bits without an element too."""
    cpu = Cpu(rdi=0x1000, zmm1=ONES, xmm2=lanes(0, 4, 8, 12), k1=0xFF01)
    assert execute(MASKED_GATHER, cpu, MEMORY) == [reads(0x1000, 4, 0x11111111)]
    assert (cpu.zmm1, cpu.k1) == ((ONES >> 384) - 0xFFFFFFFF + 0x11111111, 0)


LANES = lanes(0x11111111, 0x22222222, 0x33333333, 0x44444444)


@pytest.mark.parametrize(
    ("code", "indexes", "zmm1"),
    [
        ("62f2fd09900cd7", lanes(0, 2), lanes(0x11111111, 0x22222222, width=8)),  # vpgatherdq xmm1{k1},[rdi+xmm2*8]
        ("c4e265910c97", lanes(0, 4, 8, 12, width=8), LANES),  # vpgatherqd xmm1,[rdi+ymm2*4],xmm3
        ("62f27d29930c97", lanes(0, 4, 8, 12, width=8), LANES),  # vgatherqps xmm1{k1},[rdi+ymm2*4]
    ],
)
def test_data_and_indexes_of_different_width(code: str, indexes: int, zmm1: int) -> None:
    """There are as many elements as the wider ones are; what lies above them is zeroed."""
    cpu = Cpu(rdi=0x1000, zmm1=ONES, zmm2=indexes, zmm3=ONES, k1=0xFF)
    execute(code, cpu, MEMORY)
    assert cpu.zmm1 == zmm1


def test_scatter() -> None:
    """Selected elements are written, lowest first, so that the highest of two at one place stays."""
    cpu = Cpu(rdi=0x1000, xmm1=LANES, xmm2=lanes(0, 0, 1, 2), k1=0b1011)
    assert execute(SCATTER, cpu) == [
        writes(0x1000, 4, 0x11111111),
        writes(0x1000, 4, 0x22222222),
        writes(0x1008, 4, 0x44444444),
    ]
    assert (cpu.k1, cpu.xmm1) == (0, LANES)


def test_segment_and_displacement() -> None:
    """FS and GS have a base; the displacement is scaled by the element."""
    cpu = Cpu(rdi=0x1000, gs_base=0x50000, zmm1=LANES, xmm2=0, k1=1)  # vscatterdpd gs:[rdi+xmm2*8+16]{k1},ymm1
    assert execute("6562f2fd29a24cd702", cpu) == [writes(0x51010, 8, LANES & ONES >> 448)]


def test_addresses_wrap_at_the_address_size() -> None:
    """With 32-bit addressing, base plus index is a 32-bit number."""
    cpu = Cpu(rdi=0x1000, xmm2=lanes(-0x404), k1=1)
    assert execute("67" + MASKED_GATHER, cpu)[0].address == 0xFFFFFFF0


def test_segment_limits_hold() -> None:
    """In 32-bit code each element must lie in its segment, and gets its base."""
    cpu = Cpu(bits=32, rdi=0, xmm2=lanes(1, 0x3FF), k1=0b11, ds_base=0x10000)
    cpu.limits = [0xFFE] * 6
    bus = Everywhere()
    with pytest.raises(GeneralProtection):
        execute(MASKED_GATHER, cpu, bus=bus)
    assert (bus.log, cpu.k1) == ([(1, 0x10004, 4)], 0b10)


def test_an_interrupted_gather_goes_on_where_it_was() -> None:
    """Finished elements are in the destination and out of the mask; once more, and only the others are read."""
    bus = Everywhere(fail_at=2)
    cpu = Cpu(rdi=0x1000, zmm1=ONES, xmm2=lanes(0, 4, 8, 12), zmm3=ONES)
    with pytest.raises(Interrupted):
        execute(GATHER, cpu, MEMORY, bus)
    assert cpu.zmm1 == lanes(0x11111111, 0x22222222, -1, -1)
    assert (cpu.zmm3, cpu.rip) == (lanes(0, 0, -1, -1), 0)
    assert [touch.address for touch in execute(GATHER, cpu, MEMORY)] == [0x1020, 0x1030]
    assert (cpu.zmm1, cpu.zmm3, cpu.rip) == (LANES, 0, 6)


def test_an_interrupted_scatter_goes_on_where_it_was() -> None:
    """Finished elements are out of the opmask."""
    bus = Everywhere(fail_at=1)
    cpu = Cpu(rdi=0x1000, xmm1=LANES, xmm2=lanes(0, 4, 8, 12), k1=0xF5)
    with pytest.raises(Interrupted):
        execute(SCATTER, cpu, bus=bus)
    assert (cpu.k1, cpu.rip) == (0xF4, 0)


def test_a_fault_at_the_first_element_changes_nothing() -> None:
    """The destination is as it was, not even cleared above; the elements of a vector mask become all ones or zero."""
    refused(GeneralProtection, MASKED_GATHER, Cpu(rdi=1 << 47, zmm1=ONES, k1=1))
    cpu = Cpu(rdi=1 << 47, zmm1=ONES, zmm3=lanes(1 << 31, 1))
    with pytest.raises(GeneralProtection):
        execute(GATHER, cpu)
    assert (cpu.zmm1, cpu.zmm3) == (ONES, 0xFFFFFFFF)


@pytest.mark.parametrize("code", ["c4e261900c8f", "c4e271900c97", "c4e269900c97", "62f27d09900c8f", "62f27d08900c97"])
def test_registers_must_differ(code: str) -> None:
    """Destination, index and mask are three registers, and an opmask is not k0: anything else is no instruction."""
    with pytest.raises(InvalidInstruction):
        decode(bytes.fromhex(code))
