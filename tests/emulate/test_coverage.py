"""Every form is emulated or has a decision, and the table says which."""

import pytest

from decode import Form, forms
from emulate import coverage as module
from emulate.coverage import coverage

ENTRIES = {entry.form.name: entry for entry in coverage()}


def test_no_form_is_in_neither_list() -> None:
    """Each form that touches memory or a port has a recipe or a decision: there are no silent holes."""
    assert len(ENTRIES) == len(forms())
    for entry in ENTRIES.values():
        assert bool(entry.recipe) != (entry.decision is not None), entry.form.name


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("MOV_R32_RM32", "moves.mov"),
        ("ADD_RM8_R8", "arithmetic.add"),
        ("CMP_RM8_R8", "arithmetic.sub"),
        ("MOVSD_M32_M32", "strings.string_instruction"),
        ("XADD_RM32_R32", "exchange.xadd"),
        ("IN_AL_DX", "ports.in_"),
    ],
)
def test_a_recipe_is_named_by_its_place(name: str, recipe: str) -> None:
    """The module and the function a reader looks for."""
    assert (ENTRIES[name].recipe, ENTRIES[name].fate) == (recipe, "emulated")


@pytest.mark.parametrize(
    ("name", "fate", "reason"),
    [
        ("ADDPS_XMM_XMMM128", "native", "floating-point arithmetic"),
        ("CMPSD_XMM_XMMM64_IMM8", "native", "floating-point comparison"),
        ("LGDT_M1664", "refused", "needs descriptor tables, which are not modelled"),
        ("MVEX_VMOVAPS_ZMM_K1_ZMMMT", "unread", "belongs to Knights Corner, whose encoding no other CPU has"),
        ("UMOV_RM8_R8", "unread", "exists on a few old CPUs only; others have another instruction there or none"),
    ],
)
def test_what_is_not_emulated_has_a_reason(name: str, fate: str, reason: str) -> None:
    """The fate and the reason are the decision's."""
    entry = ENTRIES[name]
    assert (entry.recipe, entry.fate, entry.decision and entry.decision.reason) == ("", fate, reason)


def test_what_is_measured_to_matter_is_emulated() -> None:
    """Port access, plain moves and string instructions have no form that is left out."""
    for mnemonic in ("mov", "movzx", "movsx", "movsb", "movsq", "stosb", "lodsb", "in", "out", "insb", "outsd", "xchg"):
        assert {entry.fate for entry in ENTRIES.values() if entry.form.mnemonic == mnemonic} == {"emulated"}, mnemonic


def test_a_form_brings_its_most_particular_feature() -> None:
    """AVX-512 forms name the feature they are of, not the vector length extension they need besides."""
    assert ENTRIES["EVEX_VPOPCNTB_XMM_K1Z_XMMM128"].feature == "AVX512_BITALG"


def form(mnemonic: str, **examples: str) -> Form:
    """A form that does not exist."""
    codes = {int(bits.removeprefix("b")): bytes.fromhex(code) for bits, code in examples.items()}
    return Form("NEW", f"{mnemonic.upper()} m32", mnemonic, "legacy", ("NEW",), False, codes)


def test_a_form_in_neither_list_is_an_error() -> None:
    """A new instruction, or a recipe taken away, is found at once, by name."""
    with pytest.raises(LookupError, match=r"NEW \(FOO m32\) is neither emulated nor in emulate.unsupported"):
        module._entry(form("foo", b64="0f5807"))


def test_a_form_emulated_in_some_modes_is_an_error() -> None:
    """All modes or none: the table has no place for anything between."""
    with pytest.raises(LookupError, match=r"NEW is emulated in some of its modes only: \[32, 64\]"):
        module._entry(form("mov", b32="8b07", b64="0f5807"))
