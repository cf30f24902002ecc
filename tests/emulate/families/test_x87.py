"""x87 data movement: the stack, its exceptions, and control."""

import pytest

from decode import decode
from emulate import Cpu, MathFault, is_supported
from emulate.families.x87_formats import INDEFINITE
from emulate.families.x87_state import C1, SF
from emulate.softfloat import DE, IE, OE, PE, UE
from tests.emulate.families.executing import execute, reads, refused, word, writes

ONE = 0x3FFF_8000_0000_0000_0000
TWO = 0x4000_8000_0000_0000_0000
TINY = 0x0001_8000_0000_0000_0000  # far below the normal doubles
HUGE = 0x7FFE_8000_0000_0000_0000  # far above all doubles
PENDING = 0x8080
MASKED = 0x37F


def stack(*values: int, fcw: int = MASKED) -> Cpu:
    """A CPU with these values on its x87 stack, the top first, at rdi = 0x1000."""
    top = -len(values) & 7
    cpu = Cpu(rdi=0x1000, fsw=top << 11, fcw=fcw)
    for i, value in enumerate(values):
        cpu.x87[top + i & 7] = value
        cpu.ftw |= 1 << (top + i & 7)
    return cpu


def contents(cpu: Cpu) -> list[int | None]:
    """The stack from the top, None where it is empty, without the empty registers at the end."""
    order = [(cpu.fsw >> 11) + i & 7 for i in range(8)]
    values = [cpu.x87[place] if cpu.ftw >> place & 1 else None for place in order]
    while values and values[-1] is None:
        values.pop()
    return values


def status(cpu: Cpu) -> int:
    """The status word without TOP."""
    return cpu.fsw & ~0x3800


@pytest.mark.parametrize(
    ("code", "width", "raw", "value"),
    [
        ("d907", 4, 0x3F800000, ONE),  # fld dword [rdi]
        ("dd07", 8, 0xC000000000000000, 1 << 79 | TWO),  # fld qword [rdi]
        ("db2f", 10, 0x1234_5678_9ABC_DEF0_1234, 0x1234_5678_9ABC_DEF0_1234),  # fld tbyte [rdi]
        ("df07", 2, 0xFFFF, 1 << 79 | ONE),  # fild word [rdi]
        ("db07", 4, 2, TWO),  # fild dword [rdi]
        ("df2f", 8, 0, 0),  # fild qword [rdi]
        ("df27", 10, 1 << 79 | 0x2, 1 << 79 | TWO),  # fbld [rdi]
    ],
)
def test_loads(code: str, width: int, raw: int, value: int) -> None:
    """The operand is read once and pushed, converted."""
    cpu = stack(ONE)
    cpu.fsw |= C1 | 0x4500
    assert execute(code, cpu, {0x1000: word(raw, width)}) == [reads(0x1000, width, raw)]
    assert (contents(cpu), status(cpu)) == ([value, ONE], 0x4500)


@pytest.mark.parametrize(
    ("code", "width", "raw", "left"),
    [
        ("d917", 4, 0x40000000, [TWO, ONE]),  # fst dword [rdi]
        ("d91f", 4, 0x40000000, [ONE]),  # fstp dword [rdi]
        ("dd17", 8, 0x4000000000000000, [TWO, ONE]),  # fst qword [rdi]
        ("db3f", 10, TWO, [ONE]),  # fstp tbyte [rdi]
        ("df17", 2, 2, [TWO, ONE]),  # fist word [rdi]
        ("db1f", 4, 2, [ONE]),  # fistp dword [rdi]
        ("dd0f", 8, 2, [ONE]),  # fisttp qword [rdi]
        ("df37", 10, 2, [ONE]),  # fbstp [rdi]
    ],
)
def test_stores(code: str, width: int, raw: int, left: list[int]) -> None:
    """The top is converted and written once; forms that end in P pop it."""
    cpu = stack(TWO, ONE)
    assert execute(code, cpu) == [writes(0x1000, width, raw)]
    assert (contents(cpu), status(cpu)) == (left, 0)


@pytest.mark.parametrize(
    ("code", "after"),
    [
        ("d9c1", [TWO, ONE, TWO]),  # fld st(1)
        ("ddd2", [ONE, TWO, ONE]),  # fst st(2)
        ("ddda", [TWO, ONE]),  # fstp st(2)
        ("d9c9", [TWO, ONE]),  # fxch st(1)
        ("ddc0", [None, TWO]),  # ffree st(0)
        ("d9e8", [ONE, ONE, TWO]),  # fld1
        ("d9ee", [0, ONE, TWO]),  # fldz
        ("d9d0", [ONE, TWO]),  # fnop
        ("9b", [ONE, TWO]),  # wait
    ],
)
def test_moves_inside_the_stack(code: str, after: list[int | None]) -> None:
    """ST(i) counts from the top; nothing is accessed."""
    cpu = stack(ONE, TWO)
    assert execute(code, cpu) == []
    assert contents(cpu) == after


@pytest.mark.parametrize(("code", "top"), [("d9f7", 0), ("d9f6", 6)])
def test_rotating(code: str, top: int) -> None:
    """FINCSTP and FDECSTP move TOP and leave registers and tags."""
    cpu = stack(ONE)
    cpu.fsw |= C1
    execute(code, cpu)
    assert (cpu.fsw, cpu.ftw, cpu.x87[7]) == (top << 11, 0x80, ONE)


@pytest.mark.parametrize("code", ["d907", "d9c0", "d9e8"])
def test_overflow_pushes_the_indefinite(code: str) -> None:
    """A push onto a register in use sets IE, SF and C1, and puts a NaN in its place."""
    cpu = stack(*[ONE] * 8)
    execute(code, cpu)
    assert (contents(cpu)[0], status(cpu)) == (INDEFINITE, IE | SF | C1)


@pytest.mark.parametrize("code", ["d907", "d9c0", "d9e8"])
def test_unmasked_overflow_pushes_nothing(code: str) -> None:
    """The exception is left pending."""
    cpu = stack(*[ONE] * 8, fcw=MASKED - IE)
    execute(code, cpu)
    assert (contents(cpu), status(cpu)) == ([ONE] * 8, IE | SF | C1 | PENDING)


def test_underflow_comes_before_overflow() -> None:
    """FLD of an empty register onto one in use is an underflow."""
    cpu = stack(*[ONE] * 8)
    cpu.ftw = 0x80
    execute("d9c0", cpu)
    assert (contents(cpu)[0], status(cpu)) == (INDEFINITE, IE | SF)


@pytest.mark.parametrize(
    ("code", "width", "raw"),
    [
        ("d91f", 4, 0xFFC00000),
        ("dd1f", 8, 0xFFF8000000000000),
        ("db3f", 10, INDEFINITE),
        ("df1f", 2, 0x8000),
        ("df37", 10, INDEFINITE),
    ],
)
def test_underflow_stores_the_indefinite(code: str, width: int, raw: int) -> None:
    """A store of an empty register sets IE and SF, clears C1, and still pops."""
    cpu = stack()
    cpu.fsw |= C1
    assert execute(code, cpu) == [writes(0x1000, width, raw)]
    assert cpu.fsw == 1 << 11 | IE | SF


@pytest.mark.parametrize("code", ["d91f", "dd1f", "db3f", "df1f", "df37", "ddd9", "d9c9"])
def test_unmasked_underflow_does_nothing(code: str) -> None:
    """Neither written nor popped; the exception is left pending."""
    cpu = stack(fcw=MASKED - IE)
    assert execute(code, cpu) == []
    assert (cpu.fsw, cpu.ftw) == (IE | SF | PENDING, 0)


@pytest.mark.parametrize(("code", "after"), [("ddd9", [INDEFINITE]), ("d9c9", [ONE, INDEFINITE])])
def test_underflow_inside_the_stack(code: str, after: list[int]) -> None:
    """FSTP and FXCH take an empty register for the indefinite."""
    cpu = stack(ONE, ONE)
    cpu.ftw &= ~(1 << 6)
    execute(code, cpu)
    assert (contents(cpu), status(cpu)) == (after, IE | SF)


@pytest.mark.parametrize(
    ("raw", "flags", "fcw", "pushed"),
    [
        (0x7F800001, IE, MASKED, 0x7FFF_C000_0100_0000_0000),
        (0x7F800001, IE | PENDING, MASKED - IE, None),
        (0x00400000, DE, MASKED, 0x3F80_8000_0000_0000_0000),
        (0x00400000, DE | PENDING, MASKED - DE, 0x3F80_8000_0000_0000_0000),
    ],
)
def test_loading_signaling_nans_and_denormals(raw: int, flags: int, fcw: int, pushed: int | None) -> None:
    """A signaling NaN becomes quiet, or when that is not masked is not pushed; a denormal is pushed in any case."""
    cpu = stack(fcw=fcw)
    execute("d907", cpu, {0x1000: word(raw, 4)})
    assert (contents(cpu), status(cpu)) == ([pushed] if pushed else [], flags)


@pytest.mark.parametrize(
    ("value", "fcw", "raw", "flags"),
    [
        (HUGE, MASKED, 0x7FF0000000000000, OE | PE | C1),
        (HUGE, MASKED - OE, None, OE | PENDING),
        (TINY, MASKED, 0, UE | PE),
        (TINY, MASKED - UE, None, UE | PENDING),
        (ONE + 1, MASKED - PE, 0x3FF0000000000000, PE | PENDING),
        (0x7FFF_8000_0000_0000_0001, MASKED, 0x7FF8000000000000, IE),
        (0x7FFF_8000_0000_0000_0001, MASKED - IE, None, IE | PENDING),
    ],
)
def test_exceptions_of_a_store(value: int, fcw: int, raw: int | None, flags: int) -> None:
    """Unmasked, an invalid, too large or too small number is neither stored nor popped; a rounded one is both."""
    cpu = stack(value, fcw=fcw)
    assert execute("dd1f", cpu) == ([] if raw is None else [writes(0x1000, 8, raw)])
    assert (contents(cpu), status(cpu)) == ([value] if raw is None else [], flags)


WAITING = ["d907", "d9e8", "d917", "d9c9", "ddc0", "d9f7", "d9d0", "9b", "d92f", "df27"]


@pytest.mark.parametrize("code", WAITING)
def test_a_pending_exception_is_raised_by_the_next_instruction(code: str) -> None:
    """#MF, before anything is touched."""
    cpu = stack(ONE, fcw=MASKED - PE)
    cpu.fsw |= PE | PENDING
    assert refused(MathFault, code, cpu).log == []


@pytest.mark.parametrize(
    ("code", "fsw", "fcw"),
    [
        ("dbe2", 0x7F00, MASKED - PE),  # fnclex
        ("dbe3", 0, MASKED),  # fninit
        ("d93f", 0xFFFF, MASKED - PE),  # fnstcw [rdi]
        ("dfe0", 0xFFFF, MASKED - PE),  # fnstsw ax
    ],
)
def test_some_instructions_do_not_wait(code: str, fsw: int, fcw: int) -> None:
    """FNCLEX, FNINIT, FNSTCW and FNSTSW raise nothing; the first two clear exceptions."""
    cpu = Cpu(rdi=0x1000, fsw=0xFFFF, fcw=MASKED - PE, ftw=0xFF)
    execute(code, cpu)
    assert (cpu.fsw, cpu.fcw) == (fsw, fcw)
    assert cpu.ftw == (0 if code == "dbe3" else 0xFF)


def test_control_and_status_words() -> None:
    """FNSTCW and FNSTSW store two bytes; FNSTSW AX keeps the rest of RAX."""
    cpu = Cpu(rdi=0x1000, rax=0xFFFFFFFFFFFFFFFF, fsw=0x3041, fcw=0x27F)
    assert execute("d93f", cpu) == [writes(0x1000, 2, 0x27F)]
    assert execute("dd3f", cpu) == [writes(0x1000, 2, 0x3041)]
    execute("dfe0", cpu)
    assert cpu.rax == 0xFFFFFFFFFFFF3041


@pytest.mark.parametrize(("raw", "fcw", "pending"), [(0xFFFF, 0x1F7F, 0), (0x0000, 0x0040, PENDING)])
def test_loading_the_control_word(raw: int, fcw: int, pending: int) -> None:
    """Bits without a meaning keep their value; an exception that is unmasked becomes pending."""
    cpu = Cpu(rdi=0x1000, fsw=PE)
    assert execute("d92f", cpu, {0x1000: word(raw, 2)}) == [reads(0x1000, 2, raw)]
    assert (cpu.fcw, cpu.fsw) == (fcw, PE | pending)


@pytest.mark.parametrize("code", ["d937", "d927", "dd37", "dd27", "0fae07", "480fae0f", "0fae27", "0fc727"])
def test_images_of_the_state_are_not_done(code: str) -> None:
    """They hold instruction and data pointers, which the Cpu does not."""
    assert not is_supported(decode(bytes.fromhex(code)))
