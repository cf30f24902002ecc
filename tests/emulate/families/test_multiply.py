"""MUL IMUL DIV IDIV MULX ADCX ADOX."""

import pytest

from emulate import Cpu, DivideError
from emulate.flags import AF, CF, OF, PF, SF, STATUS, ZF
from tests.emulate.families.executing import execute, reads, refused, word


@pytest.mark.parametrize(
    ("code", "rax", "rcx", "pair", "flags"),
    [
        ("f6e1", 0x80, 0x02, (0x100, 0), CF | OF | PF),  # mul cl
        ("f6e1", 0x0F, 0x11, (0xFF, 0), SF | PF),
        ("66f7e1", 0xFFFF, 0xFFFF, (0x0001, 0xFFFE), CF | OF),  # mul cx
        ("f7e1", 0x80000000, 0x2, (0, 1), CF | OF | PF),  # mul ecx
        ("48f7e1", 1 << 63, 4, (0, 2), CF | OF | PF),  # mul rcx
        ("f6e9", 0xFF, 0xFF, (0x0001, 0), 0),  # imul cl: -1 * -1
        ("f6e9", 0x80, 0xFF, (0x0080, 0), CF | OF | SF),  # -128 * -1 does not fit a byte
        ("f6e9", 0xFF, 0x01, (0xFFFF, 0), SF | PF),
        ("f7e9", 0xFFFFFFFF, 3, (0xFFFFFFFD, 0xFFFFFFFF), SF),  # imul ecx
        ("48f7e9", (1 << 64) - 2, 1 << 63, (0, 1), CF | OF | PF),  # imul rcx
    ],
)
def test_one_operand_makes_a_double_width_product(
    code: str, rax: int, rcx: int, pair: tuple[int, int], flags: int
) -> None:
    """The pair is AH:AL, DX:AX, EDX:EAX or RDX:RAX; CF and OF tell that its upper half is more than an extension."""
    cpu = Cpu(rax=rax, rcx=rcx, rflags=AF | ZF | 2)
    execute(code, cpu)
    assert (cpu.rax, cpu.rdx) == pair
    assert cpu.rflags == flags | 2


def test_mul_of_words_keeps_the_upper_parts() -> None:
    """DX and AX are merged into their registers."""
    cpu = Cpu(rax=0x1111111111110004, rdx=0x2222222222222222, rdi=0x1000)
    assert execute("66f727", cpu, {0x1000: word(0x4000, 2)}) == [reads(0x1000, 2, 0x4000)]
    assert (cpu.rax, cpu.rdx) == (0x1111111111110000, 0x2222222222220001)


@pytest.mark.parametrize(
    ("code", "rax", "flags"),
    [
        ("0fafc1", 0xFFFFFFFE, SF),  # imul eax,ecx
        ("660fafc1", 0x9999_9999_0000_FFFE, SF),
        ("6bc17f", 0xFFFFFF02, SF),  # imul eax,ecx,127
        ("6bc180", 0x100, PF),  # imul eax,ecx,-128
        ("69c100000080", 0, CF | OF | PF),  # imul eax,ecx,80000000h: too large
        ("486bc1fe", 0xFFFFFFFE00000004, SF),  # imul rax,rcx,-2
    ],
)
def test_two_and_three_operands_keep_the_lower_half(code: str, rax: int, flags: int) -> None:
    """CF and OF tell that the product was cut."""
    cpu = Cpu(rax=0x9999999900000001, rcx=0xFFFFFFFE, rflags=STATUS | 2)
    execute(code, cpu)
    assert (cpu.rax, cpu.rflags) == (rax, flags | 2)


def test_mulx_gives_the_upper_half_when_both_destinations_are_one() -> None:
    """MULX EAX,EBX takes EDX as the other factor and changes no flag."""
    cpu = Cpu(rdx=0x80000000, rcx=6, rflags=STATUS | 2)
    execute("c4e263f6c1", cpu)  # mulx eax,ebx,ecx
    assert (cpu.rax, cpu.rbx, cpu.rflags) == (3, 0, STATUS | 2)
    execute("c4e27bf6c1", cpu)  # mulx eax,eax,ecx
    assert cpu.rax == 3


@pytest.mark.parametrize(
    ("code", "rdx", "rax", "rcx", "quotient", "remainder"),
    [
        ("66f7f1", 0x0001, 0x0000, 0x0003, 0x5555, 0x0001),  # div cx
        ("f7f1", 0, 7, 2, 3, 1),
        ("48f7f1", 1, 0, 16, 1 << 60, 0),
        ("f7f9", 0xFFFFFFFF, 0xFFFFFFF9, 2, 0xFFFFFFFD, 0xFFFFFFFF),  # idiv ecx: -7 / 2 = -3, -1 left
        ("f7f9", 0, 7, 0xFFFFFFFE, 0xFFFFFFFD, 1),  # 7 / -2 = -3, 1 left
        ("f7f9", 0xFFFFFFFF, 0x80000000, 1, 0x80000000, 0),  # the least value fits
    ],
)
def test_division_rounds_towards_zero(code: str, rdx: int, rax: int, rcx: int, quotient: int, remainder: int) -> None:
    """The remainder has the dividend's sign; no flag changes."""
    cpu = Cpu(rax=rax, rdx=rdx, rcx=rcx, rflags=STATUS | 2)
    execute(code, cpu)
    assert (cpu.rax, cpu.rdx, cpu.rflags) == (quotient, remainder, STATUS | 2)


def test_division_of_ax_leaves_quotient_and_remainder_in_al_and_ah() -> None:
    """DIV r/m8 divides AX; the rest of RAX stays."""
    cpu = Cpu(rax=0xBBBBBBBBBBBB0105, rcx=0x0400)
    execute("f6f5", cpu)  # div ch
    assert cpu.rax == 0xBBBBBBBBBBBB0141
    execute("f6fd", cpu)  # idiv ch
    assert cpu.rax == 0xBBBBBBBBBBBB0150


@pytest.mark.parametrize(
    ("code", "rdx", "rax", "divisor"),
    [
        ("f737", 0, 1, 0),  # div by zero
        ("f737", 2, 0, 2),  # the quotient has 33 bits
        ("f73f", 0, 1, 0),  # idiv by zero
        ("f73f", 0xFFFFFFFF, 0x80000000, 0xFFFFFFFF),  # -2**31 / -1
        ("f73f", 1, 0, 2),  # 2**31
    ],
)
def test_a_quotient_that_does_not_fit_is_a_divide_error(code: str, rdx: int, rax: int, divisor: int) -> None:
    """#DE comes after the divisor was read, and leaves everything as it was."""
    cpu = Cpu(rax=rax, rdx=rdx, rdi=0x1000, rflags=STATUS | 2)
    assert refused(DivideError, code, cpu, {0x1000: word(divisor, 4)}).log == [(1, 0x1000, 4)]


def test_adcx_and_adox_carry_in_one_flag_each() -> None:
    """ADCX adds and changes CF alone, ADOX OF alone."""
    cpu = Cpu(rax=0xFFFFFFFF, rcx=0, rflags=CF | ZF | 2)
    execute("660f38f6c1", cpu)
    assert (cpu.rax, cpu.rflags) == (0, CF | ZF | 2)
    execute("f30f38f6c1", cpu)
    assert (cpu.rax, cpu.rflags) == (0, CF | ZF | 2)
    cpu = Cpu(rax=(1 << 64) - 1, rcx=1, rflags=OF | 2)
    execute("f3480f38f6c1", cpu)
    assert (cpu.rax, cpu.rflags) == (1, OF | 2)
    execute("66480f38f6c1", cpu)
    assert (cpu.rax, cpu.rflags) == (2, OF | 2)
