"""Features that the oracle is told to do without."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from iced_x86 import Code

from tests.oracle import hidden as hiding
from tests.oracle import xstate
from tests.oracle.case import ALL_VECTOR_BITS, Case, Outcome, VectorState, compare
from tests.oracle.hidden import VARIABLE, hidden, needed, taken_for_others
from tests.oracle.host import need_silicon
from tests.oracle.silicon import SiliconEngine
from tests.oracle.xstate import Layout

YMM, OPMASK, ZMM_HI256, HI16_ZMM = 2, 5, 6, 7


def hide(monkeypatch: pytest.MonkeyPatch, words: str) -> frozenset[str]:
    """Return what is hidden by these words."""
    monkeypatch.setenv(VARIABLE, words)
    names = hidden.__wrapped__()
    assert isinstance(names, frozenset)
    return names


def test_nothing_is_hidden_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable hides nothing."""
    assert hide(monkeypatch, "") == frozenset()


def test_the_beginning_of_a_name_hides_all_that_begin_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """AVX512 is every feature of AVX-512, and no other."""
    names = hide(monkeypatch, "avx512")
    assert {"AVX512F", "AVX512BW", "AVX512_VBMI2"} <= names
    assert all(name.startswith("AVX512") for name in names)


def test_what_needs_a_hidden_feature_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AVX there are neither FMA nor AVX-512; MOVBE and BMI stay."""
    names = hide(monkeypatch, "AVX, SHA")
    assert {"AVX", "AVX2", "FMA", "F16C", "AVX512F", "SHA"} <= names
    assert not {"BMI1", "MOVBE", "SSE4_2"} & names


def test_a_feature_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A word that begins no feature's name is an error that shows it."""
    with pytest.raises(ValueError, match="got 'AVX1024'"):
        hide(monkeypatch, "AVX1024")


def test_instructions_that_an_old_cpu_takes_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CPUID does not tell of LZCNT, BMI1, XOP, TBM and LWP, their forms are not judged: they raise no #UD."""
    answers = {0: 6, 0x80000001: 0}
    monkeypatch.setattr(hiding, "trampoline", lambda: SimpleNamespace(cpuid=lambda leaf: (answers[leaf],) * 4))
    assert taken_for_others.__wrapped__() == {"BMI1", "LWP", "LZCNT", "TBM", "XOP"}
    answers = {0: 7, 7: 1 << 3, 0x80000001: 1 << 5}
    assert taken_for_others.__wrapped__() == {"LWP", "TBM", "XOP"}


def test_needs_of_a_form() -> None:
    """A form's features are those iced-x86 knows."""
    assert needed(Code.MOVBE_R32_M32) == {"MOVBE"}
    assert "AVX512F" in needed(Code.EVEX_VMOVDQU32_ZMM_K1Z_ZMMM512)


@pytest.mark.parametrize(
    ("parts", "low", "high", "masks"),
    [((), 128, 0, 0), ((YMM,), 256, 0, 0), ((YMM, OPMASK, ZMM_HI256, HI16_ZMM), 512, 512, 64)],
)
def test_only_the_bits_of_a_layout_are_compared(parts: tuple[int, ...], low: int, high: int, masks: int) -> None:
    """A difference in a bit that the CPU has is told; one in a bit that it lacks is not."""
    bits = Layout(4096, dict.fromkeys(parts, 576)).bits
    assert bits.x87 == ALL_VECTOR_BITS.x87
    zeros = VectorState(vector=(0,) * 32, k=(0,) * 8)
    silicon = Outcome("silicon", (0,) * 16, 0, 2, (0,) * 6, b"", zeros, vector_bits=bits)
    for name, count in (("zmm3", low), ("zmm19", high), ("k5", masks)):
        for bit in range(64 if name == "k5" else 512):
            ours = Outcome("ours", (0,) * 16, 0, 2, (0,) * 6, b"", zeros.replaced(**{name: 1 << bit}))
            assert bool(compare(Case(b""), silicon, ours)) == (bit < count), (name, bit)


def test_a_cpu_without_xsave_has_the_area_of_fxsave() -> None:
    """Leaf 0DH is not asked where CPUID does not tell of XSAVE: Intel CPUs would answer with another leaf's data."""

    def cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        assert (leaf, subleaf) == (1, 0)
        return 0, 0, 0, 0

    layout = Layout.of_host(cpuid)
    assert (layout.size, layout.offsets, layout.bits.vector[0]) == (512, {}, (1 << 128) - 1)


def test_vector_state_by_way_of_fxsave(monkeypatch: pytest.MonkeyPatch) -> None:
    """With XSAVE hidden, XMM, MXCSR and x87 registers still go to the CPU and come back, and nothing else is judged."""
    need_silicon()
    monkeypatch.setattr(xstate, "hidden", lambda: frozenset(("XSAVE",)))
    state = VectorState().replaced(mxcsr=0x1FA0, fsw=0x3800, ftw=0xFF)
    with SiliconEngine() as engine:
        outcome = engine.run(Case(b"\x90", vectors=state))
    assert outcome.vectors == state
    assert outcome.vector_bits.vector == ((1 << 128) - 1,) * 16 + (0,) * 16


@pytest.mark.cpu("AVX")
def test_a_hidden_feature_is_judged_no_more() -> None:
    """With AVX hidden the oracle's layout, its forms and the report's head leave it out; without, they have it."""
    program = (
        "from iced_x86 import Code; from tests.oracle.host import host_has, silicon; from tests.cpu import cpu_report;"
        "from tests.oracle.case import Case, VectorState;"
        "bits = silicon().run(Case(b'\\x90', vectors=VectorState())).vector_bits.vector[0].bit_length();"
        "print(host_has(Code.VEX_VMOVUPS_YMM_YMMM256), host_has(Code.MOVUPS_XMM_XMMM128), bits > 128,"
        " 'AVX' in cpu_report().partition('without')[2].split())"
    )
    for words, said in (("", "True True True False"), ("AVX", "False True False True")):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, VARIABLE: words},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == said
