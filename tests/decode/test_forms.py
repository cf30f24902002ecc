"""The generated list of forms, and the examples made for them."""

import re

import pytest
from iced_x86 import Code, OpCodeInfo

from decode import Form, MemoryAccess, MemoryOperand, PortAccess, decode, forms
from decode.forms import encode, example
from decode.iced import names

FORMS = {form.name: form for form in forms()}
EXAMPLES = [(form, bits) for form in forms() for bits in form.examples]

# What the manual writes for an operand in memory: m8, r/m32, xmm3/m128, m16:32, moffs8, vm32x, mib …
MEMORY_OPERAND = re.compile(r"\b(m|mt|mvt|mem|mib|sibmem|moffs\d+|vm\d+[xyz]|m\d+(int|fp|dec|bcd|byte|bcst|.\d+)?)\b")

OBSOLETE = {
    *("CYRIX_D3NOW", "CYRIX_EMMI", "CYRIX_SHR", "CYRIX_SMM", "IA64", "INTEL386_A0_ONLY", "INTEL486_A_ONLY"),
    *("INTEL8086_ONLY", "KNC", "MPX", "PADLOCK_PMM", "UMOV"),
}


def test_names_are_unique() -> None:
    """A form's name is its key."""
    assert len(FORMS) == len(forms())


def test_every_form_with_memory_in_its_syntax_is_listed() -> None:
    """Whatever the manual writes with a memory operand is in the list: no hole between the table and the list."""
    codes = {name: OpCodeInfo(getattr(Code, name)) for name in names(Code).values()}
    written = {name for name, code in codes.items() if MEMORY_OPERAND.search(code.instruction_string)}
    assert len(written) > 4000
    assert written - set(FORMS) == set()


@pytest.mark.parametrize("name", ["PUSHQ_IMM8", "RETNQ", "CALL_REL32_64", "POPFQ", "MOVSB_M8_M8", "MASKMOVQ_RDI_MM_MM"])
def test_implicit_memory_counts(name: str) -> None:
    """A form that touches memory without naming it is listed too."""
    assert name in FORMS


@pytest.mark.parametrize("name", ["IN_AL_DX", "OUT_IMM8_EAX", "INSB_M8_DX", "OUTSD_DX_M32"])
def test_a_form_that_accesses_a_port_is_listed(name: str) -> None:
    """So is one that accesses a port."""
    assert name in FORMS


@pytest.mark.parametrize("name", ["NOPD", "ADD_EAX_IMM32", "JMP_REL8_64", "CPUID", "INVALID", "DECLAREBYTE"])
def test_what_touches_nothing_is_not_listed(name: str) -> None:
    """A form that touches neither memory nor ports is no business of the list."""
    assert name not in FORMS


def test_a_form_describes_itself() -> None:
    """A form has the manual's syntax, its CPUID features, and an example in each of its modes."""
    assert FORMS["MOVAPS_XMM_XMMM128"] == Form(
        name="MOVAPS_XMM_XMMM128",
        syntax="MOVAPS xmm1, xmm2/m128",
        mnemonic="movaps",
        encoding="legacy",
        features=("SSE",),
        privileged=False,
        examples={bits: bytes.fromhex(code) for bits, code in ((16, "0f285410"), (32, "0f285610"), (64, "0f285610"))},
    )
    assert FORMS["MOVSXD_R64_RM32"].examples.keys() == {64}
    assert FORMS["LGDT_M1632"].privileged


def test_examples_decode_as_their_form() -> None:
    """`decode` reads every example back as the form it is an example of, to its last byte."""
    for form, bits in EXAMPLES:
        instruction = decode(form.examples[bits], bits)
        assert (instruction.form, instruction.mnemonic, instruction.encoding, instruction.length) == (
            form.name,
            form.mnemonic,
            form.encoding,
            len(form.examples[bits]),
        )


def test_examples_are_about_memory_or_ports() -> None:
    """Every example names memory, or touches it or a port without naming it."""
    for form, bits in EXAMPLES:
        instruction = decode(form.examples[bits], bits)
        named = any(isinstance(operand, MemoryOperand) for operand in instruction.operands)
        touched = any(isinstance(access, MemoryAccess | PortAccess) for access in instruction.accesses)
        assert named or touched, form


def test_only_obsolete_forms_have_no_example() -> None:
    """What `decode` does not read are instructions of CPUs long gone, reserved, or WAIT and a second one."""
    unread = [form for form in forms() if not form.examples]
    others = [form.name for form in unread if not OBSOLETE & set(form.features)]
    reserved = [f"RESERVEDNOP_RM{bits}_R{bits}_{op}" for op in ("0F0D", "0F18") for bits in (16, 32, 64)]
    after_wait = ["FSTENV_M14BYTE", "FSTENV_M28BYTE", "FSTCW_M2BYTE", "FSAVE_M94BYTE", "FSAVE_M108BYTE", "FSTSW_M2BYTE"]
    assert sorted(others) == sorted(reserved + after_wait)


def test_an_example_can_be_varied() -> None:
    """`example` gives iced-x86's instruction to change, `encode` its bytes."""
    instruction = example("ADD_RM32_R32", 64)
    instruction.has_lock_prefix = True
    assert decode(encode(instruction, 64)).format() == "lock add [rsi+10h],edx"


def test_no_encoding_in_a_mode_is_an_error() -> None:
    """An instruction that does not exist in a mode has no bytes there."""
    with pytest.raises(ValueError, match="64-bit"):
        encode(example("MOVSXD_R64_RM32", 64), 32)
