"""LDS LES LFS LGS LSS and ARPL."""

import pytest

from emulate import Cpu, UnsupportedInstruction
from emulate.families.segments import arpl
from emulate.flags import STATUS, ZF
from tests.emulate.families.executing import execute, reads


@pytest.mark.parametrize(
    ("code", "segment", "width", "offset"),
    [
        ("c50f", "ds", 4, 0x1234),  # lds cx,[bx]
        ("c40f", "es", 4, 0x1234),
        ("0fb20f", "ss", 4, 0x1234),
        ("0fb40f", "fs", 4, 0x1234),
        ("660fb50f", "gs", 6, 0x56781234),  # lgs ecx,[bx]
    ],
)
def test_a_far_pointer_is_offset_then_selector(code: str, segment: str, width: int, offset: int) -> None:
    """It is read once; in real mode the new base is sixteen times the selector."""
    cpu = Cpu(16, rbx=0x40)
    touches = execute(code, cpu, {0x40: bytes.fromhex("341278569abc")})
    assert [(t.address, t.width) for t in touches] == [(0x40, width)]
    selector = 0xBC9A if width == 6 else 0x5678
    assert (cpu.ecx, getattr(cpu, segment), getattr(cpu, f"{segment}_base")) == (offset, selector, selector << 4)


def test_a_cpu_with_descriptors_may_load_segments_in_protected_mode() -> None:
    """`segment_base` is asked for the base; it refuses by NotImplementedError."""

    class Described(Cpu):
        def segment_base(self, index: int, selector: int) -> int:
            return {0x2B: 0x7000}.get(selector, 0)

    cpu = Described(64, rdi=0x1000)
    touches = execute("480fb40f", cpu, {0x1000: bytes.fromhex("88776655443322112b00")})  # lfs rcx,[rdi]
    assert touches == [reads(0x1000, 10, 0x2B1122334455667788)]
    assert (cpu.rcx, cpu.fs, cpu.fs_base) == (0x1122334455667788, 0x2B, 0x7000)
    with pytest.raises(UnsupportedInstruction, match="cannot be done"):
        execute("480fb40f", Cpu(64, rdi=0x1000))


@pytest.mark.parametrize(
    ("a", "b", "result", "zf"), [(0xAA0, 3, 0xAA3, True), (0xAA1, 1, 0xAA1, False), (0xAA3, 0, 0xAA3, False)]
)
def test_arpl_raises_the_privilege_level(a: int, b: int, result: int, zf: bool) -> None:
    """ZF tells whether the selector was changed; no other flag is touched."""
    assert arpl(a, b, STATUS, 2) == (result, STATUS if zf else STATUS & ~ZF)
    assert arpl(a, b, 0, 2) == (result, ZF if zf else 0)
