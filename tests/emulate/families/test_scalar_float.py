"""SSE arithmetic on the lowest element: operands, registers, MXCSR. The numbers are test_softfloat's."""

import pytest

from emulate import AlignmentCheck, Cpu, Emulator, SimdFault
from emulate.flags import AC, AF, CF, OF, PF, SF, ZF
from emulate.softfloat import DE, IE, PE, ZE
from tests.emulate.everywhere import Everywhere
from tests.emulate.families.executing import execute, reads, word

ONE, TWO, THREE, FOUR = 0x3F800000, 0x40000000, 0x40400000, 0x40800000
ONE_D, TWO_D, THREE_D, FOUR_D = (0x3FF << 52, 1 << 62, 0x4008 << 48, 0x4010 << 48)
THIRD, MORE = 0x3EAAAAAB, 0x3EAAAAAA  # to nearest and up, towards zero
NAN, QUIET = 0x7F800001, 0x7FC00000
REST, OTHER = (0x1234 << 64) + (0x99 << 256), (0x5678 << 64) + (0x77 << 256)
LOW = (1 << 128) - 1


@pytest.mark.parametrize(
    ("code", "width", "first", "second", "result"),
    [
        ("f30f580f", 4, ONE, TWO, THREE),  # addss xmm1,[rdi]
        ("f20f590f", 8, TWO_D, TWO_D, FOUR_D),  # mulsd xmm1,[rdi]
        ("f20f5e0f", 8, FOUR_D, TWO_D, TWO_D),  # divsd xmm1,[rdi]
        ("f30f5d0f", 4, TWO, ONE, ONE),  # minss xmm1,[rdi]
        ("f20f510f", 8, 0, FOUR_D, TWO_D),  # sqrtsd xmm1,[rdi]
        ("f30f5a0f", 4, 0, THREE, THREE_D),  # cvtss2sd xmm1,[rdi]
        ("f20f2a0f", 4, 0, 3, THREE_D),  # cvtsi2sd xmm1,dword [rdi]
    ],
)
def test_legacy(code: str, width: int, first: int, second: int, result: int) -> None:
    """One read of the element's width, anywhere; the rest of the destination stays, as does a clean MXCSR."""
    cpu = Cpu(rdi=0x1001, zmm1=REST | first)
    assert execute(code, cpu, {0x1001: word(second, width)}) == [reads(0x1001, width, second)]
    assert (cpu.zmm1, cpu.mxcsr) == (REST | result, 0x1F80)


@pytest.mark.parametrize(
    ("code", "width", "first", "second", "result"),
    [
        ("c5eb5c0f", 8, THREE_D, TWO_D, ONE_D),  # vsubsd xmm1,xmm2,[rdi]
        ("c5eb5f0f", 8, THREE_D, TWO_D, THREE_D),  # vmaxsd xmm1,xmm2,[rdi]
        ("c5ea510f", 4, ONE, FOUR, TWO),  # vsqrtss xmm1,xmm2,[rdi]
        ("c5eb5a0f", 8, ONE, TWO_D, TWO),  # vcvtsd2ss xmm1,xmm2,[rdi]
        ("c4e1eb2a0f", 8, ONE_D, 4, FOUR_D),  # vcvtsi2sd xmm1,xmm2,qword [rdi]
    ],
)
def test_vex(code: str, width: int, first: int, second: int, result: int) -> None:
    """The rest comes from the first source, up to 128 bits; what is above is cleared."""
    cpu = Cpu(rdi=0x1000, zmm1=REST, zmm2=OTHER | first)
    assert execute(code, cpu, {0x1000: word(second, width)}) == [reads(0x1000, width, second)]
    assert cpu.zmm1 == OTHER & LOW | result


def test_registers() -> None:
    """A source register gives its lowest element; a general register its signed value."""
    cpu = Cpu(zmm1=REST | ONE, zmm2=OTHER | 0xFFFFFFFF << 32 | TWO, rax=2**64 - 1)
    execute("f30f5eca", cpu)  # divss xmm1,xmm2
    assert cpu.zmm1 == REST | 0x3F000000
    execute("f3480f2ac8", cpu)  # cvtsi2ss xmm1,rax
    assert cpu.zmm1 == REST | 0xBF800000


@pytest.mark.parametrize(
    ("code", "width", "value", "rax", "flags"),
    [
        ("f20f2c07", 8, 0xBFF8 << 48, 0xFFFFFFFF, PE),  # cvttsd2si eax,[rdi]: -1.5
        ("f2480f2d07", 8, 0xBFF8 << 48, 2**64 - 2, PE),  # cvtsd2si rax,[rdi]
        ("c5fa2c07", 4, QUIET, 0x80000000, IE),  # vcvttss2si eax,[rdi]
    ],
)
def test_to_integer(code: str, width: int, value: int, rax: int, flags: int) -> None:
    """A 32-bit result clears the upper half; what was lost is told by MXCSR."""
    cpu = Cpu(rdi=0x1000, rax=2**64 - 1)
    execute(code, cpu, {0x1000: word(value, width)})
    assert (cpu.rax, cpu.mxcsr) == (rax, 0x1F80 | flags)


@pytest.mark.parametrize("code", ["0f2e0f", "c5f82f0f"])  # ucomiss, vcomiss xmm1,[rdi]
@pytest.mark.parametrize(
    ("first", "second", "flags"), [(TWO, ONE, 0), (ONE, TWO, CF), (0, 1 << 31, ZF), (ONE, NAN, ZF | PF | CF)]
)
def test_comparison(code: str, first: int, second: int, flags: int) -> None:
    """ZF, PF and CF tell the order; OF, SF and AF are cleared; the register stays."""
    cpu = Cpu(rdi=0x1000, zmm1=REST | first, rflags=OF | SF | AF | ZF | PF | CF | 2)
    execute(code, cpu, {0x1000: word(second, 4)})
    assert (cpu.rflags, cpu.zmm1) == (flags | 2, REST | first)
    assert cpu.mxcsr == 0x1F80 | (IE if second == NAN else 0)


def test_only_comisd_minds_a_quiet_nan() -> None:
    """The U is for unordered: UCOMISS takes a quiet NaN without a word."""
    quiet, loud = Cpu(rdi=0x1000, xmm1=QUIET), Cpu(rdi=0x1000, xmm1=0x7FF8 << 48)
    execute("0f2e0f", quiet)  # ucomiss xmm1,[rdi]
    execute("660f2f0f", loud)  # comisd xmm1,[rdi]
    assert (quiet.mxcsr, loud.mxcsr) == (0x1F80, 0x1F81)


def test_exceptions_add_up_in_mxcsr() -> None:
    """The bits are sticky."""
    cpu = Cpu(rdi=0x1000, zmm1=ONE, mxcsr=0x1F80 | IE)
    execute("f30f580f", cpu, {0x1000: word(1, 4)})  # addss xmm1,[rdi]
    assert cpu.mxcsr == 0x1F80 | IE | DE | PE


@pytest.mark.parametrize(
    ("mxcsr", "divisor", "after", "exceptions"),
    [
        (0x1F80 & ~(ZE << 7), 0, 0x1F80 & ~(ZE << 7) | ZE, ZE),
        (0x1F80 & ~(PE << 7), THREE, 0x1F80 & ~(PE << 7) | PE, PE),
        (DE << 7 ^ 0x1F80, 1, DE << 7 ^ 0x1F80 | DE, DE),
        (IE, NAN, IE, IE),
    ],
)
def test_unmasked(mxcsr: int, divisor: int, after: int, exceptions: int) -> None:
    """#XM: MXCSR tells what happened, nothing else has changed; what comes before the operation hides what comes after.

    A third is not exact, and one divided by the least denormal overflows, but a denormal operand is found first.
    """
    cpu, bus = Cpu(rdi=0x1000, zmm1=REST | ONE, mxcsr=mxcsr), Everywhere()
    bus.memory.update(enumerate(word(divisor, 4), 0x1000))
    with pytest.raises(SimdFault, match=f"#XM floating-point exceptions {exceptions:#x} are not masked") as caught:
        Emulator(bus).step(cpu, bytes.fromhex("f30f5e0f"))  # divss xmm1,[rdi]
    assert caught.value.exceptions == exceptions
    assert cpu == Cpu(rdi=0x1000, zmm1=REST | ONE, mxcsr=after)


def test_what_happened_before_is_not_raised_again() -> None:
    """An exception bit that is set already, and not masked, disturbs no instruction that does not add to it."""
    cpu = Cpu(rdi=0x1000, zmm1=ONE, mxcsr=PE)
    execute("f30f580f", cpu, {0x1000: word(ONE, 4)})  # addss xmm1,[rdi]
    assert (cpu.zmm1, cpu.mxcsr) == (TWO, PE)


def test_opmask() -> None:
    """An operation called off reads nothing and says nothing; the element is kept or zeroed."""
    third = {0x1000: word(THREE, 4)}
    done, kept, zeroed = (Cpu(rdi=0x1000, zmm1=REST | FOUR, zmm2=OTHER | ONE, k1=k1) for k1 in (1, 2, 2))
    assert execute("62f16e095e0f", done, third) == [reads(0x1000, 4, THREE)]  # vdivss xmm1{k1},xmm2,[rdi]
    assert execute("62f16e095e0f", kept, third) == []
    assert execute("62f16e895e0f", zeroed, third) == []  # vdivss xmm1{k1}{z},xmm2,[rdi]
    assert (done.zmm1, kept.zmm1, zeroed.zmm1) == tuple(OTHER & LOW | low for low in (THIRD, FOUR, 0))
    assert (done.mxcsr, kept.mxcsr, zeroed.mxcsr) == (0x1F80 | PE, 0x1F80, 0x1F80)


@pytest.mark.parametrize(
    ("code", "result", "flags"),
    [
        ("62f16e085ecb", MORE, PE),  # vdivss xmm1,xmm2,xmm3: as MXCSR says
        ("62f16e185ecb", THIRD, 0),  # {rn-sae}
        ("62f16e385ecb", MORE, 0),  # {rd-sae}
        ("62f16e585ecb", THIRD, 0),  # {ru-sae}
        ("62f16e785ecb", MORE, 0),  # {rz-sae}
    ],
)
def test_embedded_rounding(code: str, result: int, flags: int) -> None:
    """It stands in for the rounding control, and no exception is told of, let alone raised."""
    cpu = Cpu(zmm2=ONE, zmm3=THREE, mxcsr=0x7F80)
    execute(code, cpu)
    assert (cpu.zmm1, cpu.mxcsr) == (result, 0x7F80 | flags)
    if not flags:
        execute(code, Cpu(zmm2=ONE, zmm3=THREE, mxcsr=0))


def test_suppressed_exceptions() -> None:
    """{sae} on a comparison: the flags are set, MXCSR is not."""
    cpu = Cpu(zmm1=QUIET << 32, zmm2=0x7FF0000000000001, mxcsr=0)
    execute("62f1fd182fca", cpu)  # vcomisd xmm1,xmm2{sae}
    assert (cpu.rflags, cpu.mxcsr) == (ZF | PF | CF | 2, 0)


def test_alignment_is_checked_like_a_general_operand() -> None:
    """With EFLAGS.AC and alignment checking on, a misaligned element raises #AC."""
    cpu = Cpu(rdi=0x1002, rflags=AC | 2)
    with pytest.raises(AlignmentCheck):
        Emulator(Everywhere(), alignment_check=True).step(cpu, bytes.fromhex("f30f580f"))
