"""Which elements of its memory operand a masked instruction touches."""

import pytest
from iced_x86 import Register as IcedRegister

from decode import Instruction, MemoryAccess, decode
from decode.forms import encode, example


def masked(form: str, *, broadcast: bool = False) -> Instruction:
    """An example of an EVEX form under opmask k1."""
    instruction = example(form, 64)
    instruction.op_mask = IcedRegister.K1
    instruction.is_broadcast = broadcast
    return decode(encode(instruction, 64))


def memory_access(instruction: Instruction) -> MemoryAccess:
    """The access to memory of an instruction that makes one."""
    (access,) = (a for a in instruction.accesses if isinstance(a, MemoryAccess))
    return access


@pytest.mark.parametrize(
    ("code", "selection", "selector", "element", "count"),
    [
        ("62f17c481007", "whole", None, 64, 1),
        ("62f17c491007", "masked", "k1", 4, 16),
        ("62f1fd4a2807", "masked", "k2", 8, 8),
        ("62f17f4b6f07", "masked", "k3", 1, 64),
        ("62f27d498a07", "packed", "k1", 4, 16),
        ("62f2fd496207", "packed", "k1", 2, 32),
        ("c4e2712c07", "masked", "xmm1", 4, 4),
        ("0ff7c1", "masked", "mm1", 1, 8),
        ("660ff7c1", "masked", "xmm1", 1, 16),
        ("62f27d49900497", "gather", "k1", 4, 16),
        ("c4e2699004a7", "gather", "xmm2", 4, 4),
        ("62f17c585807", "whole", None, 4, 1),
        ("62f17c595807", "masked", "k1", 4, 16),
    ],
)
def test_a_masked_access_names_its_selector(
    code: str, selection: str, selector: str | None, element: int, count: int
) -> None:
    """An access says which register selects its elements, how wide they are, and how many the selector speaks of."""
    access = memory_access(decode(bytes.fromhex(code)))
    assert (access.selection, access.selector and access.selector.name) == (selection, selector)
    assert (access.element, access.count) == (element, count)


@pytest.mark.parametrize(
    ("form", "broadcast", "element", "count"),
    [
        ("EVEX_VADDPD_ZMM_K1Z_ZMM_ZMMM512B64_ER", False, 8, 8),
        ("EVEX_VADDPD_ZMM_K1Z_ZMM_ZMMM512B64_ER", True, 8, 8),
        ("EVEX_VBROADCASTSS_ZMM_K1Z_XMMM32", False, 4, 16),
        ("EVEX_VBROADCASTF64X2_ZMM_K1Z_M128", False, 8, 8),
        ("EVEX_VPMULDQ_ZMM_K1Z_ZMM_ZMMM512B64", False, 8, 8),
        ("EVEX_VPDPBUSD_ZMM_K1Z_ZMM_ZMMM512B32", False, 4, 16),
        ("EVEX_VPMOVZXBD_ZMM_K1Z_XMMM128", False, 1, 16),
        ("EVEX_VFMADDCSH_XMM_K1Z_XMM_XMMM32_ER", False, 4, 1),
        ("EVEX_V4FMADDPS_ZMM_K1Z_ZMMP3_M128", False, 16, 16),
    ],
)
def test_elements_are_paired_with_opmask_bits(form: str, broadcast: bool, element: int, count: int) -> None:
    """Each element of memory has its bits of the opmask: one, or, where it is used several times, several."""
    access = memory_access(masked(form, broadcast=broadcast))
    assert (access.selection, access.element, access.count) == ("masked", element, count)


@pytest.mark.parametrize(
    "form",
    [
        "EVEX_VSHUFPS_ZMM_K1Z_ZMM_ZMMM512B32_IMM8",
        "EVEX_VPACKSSWB_ZMM_K1Z_ZMM_ZMMM512",
        "EVEX_VINSERTF32X4_ZMM_K1Z_ZMM_XMMM128_IMM8",
        "EVEX_VPSRAD_ZMM_K1Z_ZMM_XMMM128",
    ],
)
def test_some_read_their_operand_whole(form: str) -> None:
    """Where elements of memory have no opmask bit of their own, all of the operand is read."""
    access = memory_access(masked(form))
    assert (access.selection, access.element, access.selector) == ("whole", access.width, None)
