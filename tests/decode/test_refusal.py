"""Which exception the CPU raises for bytes that are not an instruction."""

import random
import signal
from collections.abc import Iterator

import pytest
from iced_x86 import Code

from decode import DecodeError, InstructionTooLong, InvalidInstruction, TruncatedInstruction, decode, forms
from mmio.live.vendor import cpu_vendor
from tests.oracle.case import CannotRun, Case
from tests.oracle.cell import BLOCK
from tests.oracle.hidden import needed
from tests.oracle.host import features, need_silicon

MODES = (16, 32, 64)
UD, GP, PF = "#UD", "#GP", "#PF"
OVERRIDES = b"\x26\x2e\x36\x3e"  # segment prefixes: allowed before any instruction, and as often as there is room


@pytest.mark.parametrize(
    ("code", "bits", "kind", "vector", "error_code"),
    [
        ("0f0ac0", 64, InvalidInstruction, 6, None),
        ("f08b07", 64, InvalidInstruction, 6, None),  # LOCK, where it is not allowed
        ("66c5f82807", 64, InvalidInstruction, 6, None),  # 66 before VEX
        ("48c5f82807", 64, InvalidInstruction, 6, None),  # REX before VEX
        ("06", 64, InvalidInstruction, 6, None),  # not in this mode
        ("4827", 64, InvalidInstruction, 6, None),
        ("66" * 14 + "90", 64, None, None, None),  # fifteen bytes
        ("66" * 15 + "90", 64, InstructionTooLong, 13, 0),
        ("66" * 15, 64, InstructionTooLong, 13, 0),  # whatever comes next
        ("66" * 14, 64, TruncatedInstruction, None, None),
        ("66" * 13 + "8107", 32, InstructionTooLong, 13, 0),
        ("f0" * 14 + "0107", 64, InstructionTooLong, 13, 0),
        ("f0" * 13 + "01c0", 64, InvalidInstruction, 6, None),  # LOCK and a register, in fifteen bytes
        ("f0f26748c784240102030405060708", 64, InvalidInstruction, 6, None),  # likewise, no prefix twice
        ("f0f266674869842401020304050607", 64, InstructionTooLong, 13, 0),  # one more byte, no prefix twice
        ("48" * 14 + "0107", 64, InstructionTooLong, 13, 0),  # of many REX prefixes the last one counts
    ],
)
def test_vector_of_bytes_that_are_no_instruction(
    code: str, bits: int, kind: type[DecodeError] | None, vector: int | None, error_code: int | None
) -> None:
    """An error has the vector and the error code that the CPU's exception would have."""
    if kind is None:
        assert decode(bytes.fromhex(code), bits).length == 15
        return
    with pytest.raises(DecodeError) as caught:
        decode(bytes.fromhex(code), bits)
    assert type(caught.value) is kind
    assert (caught.value.vector, caught.value.error_code) == (vector, error_code)


def test_too_long_is_a_kind_of_invalid() -> None:
    """Who catches `InvalidInstruction` continues catching instructions that are too long."""
    assert issubclass(InstructionTooLong, InvalidInstruction)


# --- on the real CPU --------------------------------------------------------------------------------------------------


def outcome(code: bytes, bits: int, *, at_end: bool = False) -> str:
    """Return what the CPU raises for code, "" for nothing of its bytes; at the end of a page when `at_end`.

    Raises:
        CannotRun: it cannot say.
    """
    base = 0x10000 if bits == 16 else 0
    ip = 0x10000 + BLOCK - len(code) - base if at_end else 0x10100 - base
    fault = need_silicon().run(Case(code, bits=bits, ip=ip, bases={"cs": base} if base else {})).fault
    if fault is None:
        return ""
    if fault.number == signal.SIGILL:
        return UD
    if fault.number == signal.SIGSEGV and fault.code != 0x80:
        return PF if fault.address == 0x10000 + BLOCK else ""
    return GP if fault.number == signal.SIGSEGV else ""


def expected(code: bytes, bits: int) -> str:
    """Return what `decode` says the CPU raises, "" when it decodes."""
    try:
        decode(code, bits)
    except DecodeError as error:
        return {6: UD, 13: GP, None: PF}[error.vector]
    return ""


def examples(bits: int) -> Iterator[bytes]:
    """Yield an example of every form that this CPU has.

    UD0 and UD1 have a ModRM byte on Intel CPUs and none on AMD's (SDM and APM, UD0).
    """
    for form in forms():
        if (
            bits in form.examples
            and form.mnemonic not in ("ud0", "ud1")
            and needed(getattr(Code, form.name)) <= features()
        ):
            yield form.examples[bits]


@pytest.mark.silicon
@pytest.mark.parametrize("bits", MODES)
def test_length_limit_on_silicon(bits: int) -> None:
    """Redundant prefixes have no effect up to 15 bytes; with 16 or more bytes the CPU raises #GP."""
    source = random.Random(bits)
    for code in examples(bits):
        try:
            alone = outcome(code, bits)
        except CannotRun:
            continue
        for length in (14, 15, 16, source.randrange(17, 30)):
            padded = bytes(source.choices(OVERRIDES, k=length - len(code))) + code
            assert (expected(padded, bits) == GP) == (length > 15), padded.hex()
            got = outcome(padded, bits)
            assert got == GP if length > 15 else (got == UD) == (alone == UD), padded.hex()


@pytest.mark.silicon
@pytest.mark.parametrize("bits", MODES)
def test_forbidden_prefixes_on_silicon(bits: int) -> None:
    """LOCK before any form, and REX, 66, F2 and F3 before VEX, raise #UD exactly where `decode` refuses them."""
    source = random.Random(bits)
    for code in examples(bits):
        if decode(code, bits).mnemonic in ("verw", "rstorssp", "setssbsy", "clrssbsy"):
            continue  # a Zen 3 executes LOCK VERW; the others raise #UD wherever there is no shadow stack
        vex = decode(code, bits).encoding != "legacy"
        for prefix in (0xF0, 0x66, 0xF2, 0xF3, 0x48)[: (5 if bits == 64 else 4) if vex else 1]:
            prefixed = bytes((*source.choices(OVERRIDES, k=source.randrange(3)), prefix)) + code
            if len(prefixed) > 15:
                continue
            try:
                got = outcome(prefixed, bits)
            except CannotRun:
                continue
            assert (got == UD) == (expected(prefixed, bits) == UD), prefixed.hex()


@pytest.mark.silicon
@pytest.mark.parametrize("bits", MODES)
def test_end_of_a_page_on_silicon(bits: int) -> None:
    """Code that ends with its page raises #PF for the next page exactly when the instruction is truncated.

    An instruction of more than 15 bytes raises #GP first on AMD's CPUs and on Intel's Emerald Rapids. Intel's
    Ice Lake fetches its sixteenth byte before that. A CPU does the same with all instructions.
    """
    source = random.Random(bits)
    fetched = 15 if outcome(bytes(OVERRIDES[:1] * 15), bits, at_end=True) == GP else 16
    assert fetched == 15 or cpu_vendor() == "intel"
    for code in examples(bits):
        padding = bytes(source.choices(OVERRIDES, k=source.choice((len(code) == 1, 1, 2, 12, 13, 14, 15))))
        padded = padding + code
        cut = padded[: source.randrange(1, len(padded))]
        try:
            got = outcome(cut, bits, at_end=True)
        except CannotRun:
            continue
        assert expected(cut, bits) == (GP if len(cut) >= 15 else PF), cut.hex()
        assert got == (GP if len(cut) >= fetched else PF), cut.hex()


@pytest.mark.silicon
def test_opcodes_that_64_bit_mode_lacks_on_silicon() -> None:
    """No byte is fetched after a one-byte opcode that 64-bit mode does not have."""
    lacking = [bytes((opcode,)) for opcode in range(256) if expected(bytes((opcode,)), 64) == UD]
    assert len(lacking) == 15
    for code in lacking:
        assert outcome(code, 64, at_end=True) == UD, code.hex()
