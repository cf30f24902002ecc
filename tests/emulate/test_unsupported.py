"""The one table of decisions: nothing in it is idle, and nothing it claims is wrong."""

import re

import pytest

from decode import MemoryOperand, decode
from decode.iced import MNEMONICS
from decode.redirect import redirect
from emulate import Cpu, Emulator, UnsupportedInstruction, is_supported
from emulate.coverage import coverage
from emulate.recipes import RECIPES
from emulate.unsupported import DECISIONS, Decision, reason
from tests.emulate.everywhere import Everywhere

PAGE = 4096

each_decision = pytest.mark.parametrize("decision", DECISIONS, ids=lambda decision: decision.reason)


def alternatives(pattern: str) -> list[str]:
    """What a pattern has between the bars that are outside of parentheses."""
    return re.split(r"\|(?![^(]*\))", pattern)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("0f05", "kernel"), ("0f0137", "control"), ("f20f38f807", "device"), ("0f5807", "executed natively")],
)
def test_a_listed_instruction_is_refused_with_its_reason(code: str, reason: str) -> None:
    """SYSCALL, SMSW, ENQCMD, ADDPS: nothing is touched."""
    bus, cpu = Everywhere(), Cpu(rdi=0x1000)
    with pytest.raises(UnsupportedInstruction, match=reason):
        Emulator(bus).step(cpu, bytes.fromhex(code))
    assert (cpu, bus.log) == (Cpu(rdi=0x1000), [])
    assert not is_supported(decode(bytes.fromhex(code)))


def test_nothing_is_both_emulated_and_refused() -> None:
    """A mnemonic stands in the table or has a recipe; CMPSD, the name of two instructions, is the SSE one here."""
    both = {name for name in RECIPES for decision in DECISIONS if decision.status != "unread" and decision.covers(name)}
    assert both == set()
    assert [decision.reason for decision in DECISIONS if decision.covers("cmpsd")] == ["floating-point comparison"]


@each_decision
def test_every_decision_decides_something(decision: Decision) -> None:
    """No decision is hidden behind an earlier one, and none has outlived its instructions."""
    assert any(entry.decision is decision for entry in coverage())


@each_decision
def test_no_pattern_is_idle(decision: Decision) -> None:
    """Every alternative of every pattern is about some instruction, and every feature about some form."""
    for pattern in decision.mnemonics:
        for alternative in alternatives(pattern):
            assert any(re.fullmatch(alternative, mnemonic) for mnemonic in MNEMONICS.values()), alternative
    for feature in decision.features:
        assert any(feature in entry.form.features for entry in coverage() if entry.decision is decision), feature


def test_what_is_left_to_the_cpu_can_be_left_to_it() -> None:
    """A form called native has one memory operand, of known width, that a copy of it can have elsewhere."""
    native = [entry for entry in coverage() if entry.fate == "native" and 64 in entry.form.examples]
    assert len(native) > 2000
    for entry in native:
        instruction = decode(entry.form.examples[64])
        (operand,) = (o for o in instruction.operands if isinstance(o, MemoryOperand))
        assert 0 < operand.width <= 512, entry.form.name
        assert decode(redirect(instruction, 0, PAGE)).form == entry.form.name


@pytest.mark.parametrize(
    ("mnemonic", "text"),
    [
        (
            "vaddps",
            "is not emulated: floating-point arithmetic, which is executed natively when a real program is traced",
        ),
        ("lgdt", "needs descriptor tables, which are not modelled"),
        ("syscall", "enters or leaves the kernel, which is not modelled"),
        ("foo", "is not emulated"),
    ],
)
def test_a_reason_completes_a_sentence(mnemonic: str, text: str) -> None:
    """It follows the instruction in the message of `UnsupportedInstruction`; for the unknown it says just that."""
    assert reason(mnemonic) == text
