"""The engines agree where they should, and a disagreement is told readably."""

from __future__ import annotations

import random
import signal
from typing import Any

import attrs
import pytest

from decode.operands import READ, WRITE
from tests.cases.build import random_case
from tests.cases.forms import codes_by_operation
from tests.oracle.case import DEFAULT_K, FLAGS, CannotRun, Case, Outcome, Signal, VectorState, Window, compare
from tests.oracle.host import need_silicon
from tests.oracle.judge import differences
from tests.oracle.pagetrap import PagetrapEngine
from tests.oracle.unicorn import UnicornEngine

PLAIN = ("mov", "movzx", "add", "sub", "adc", "sbb", "xor", "or", "cmp", "inc", "dec", "not", "movs", "stos", "lods")


@pytest.mark.parametrize("bits", [64, 32, 16])
@pytest.mark.parametrize("name", PLAIN)
def test_unicorn_agrees_with_silicon(name: str, bits: int) -> None:
    """Two independent judges come to the same result, so the cases reach both unharmed."""
    silicon, unicorn, source = need_silicon(), UnicornEngine(), random.Random(bits)
    agreed = 0
    for code in codes_by_operation(bits).get(name, []):
        for _ in range(20):
            case = random_case(source, code, bits)
            if case.rflags & FLAGS["AC"] or 0x67 in case.code[:4]:
                continue  # Unicorn checks no alignment, and keeps the upper halves of rCX and pointers
            truth = silicon.run(case)
            try:
                second = unicorn.run(case)
            except CannotRun:
                continue
            if truth.fault is None and second.fault is None:
                undefined = FLAGS["AF"] if name in ("or", "xor") else 0
                assert compare(case, truth, second, undefined) == [], case
                agreed += 1
    assert agreed >= 5


def test_unicorn_says_what_it_cannot() -> None:
    """AVX and segment bases in 32-bit code are refused by name."""
    unicorn = UnicornEngine()
    with pytest.raises(CannotRun, match="does not know"):
        unicorn.run(Case(bytes.fromhex("62f17c4858c2"), vectors=VectorState()))
    with pytest.raises(CannotRun, match="segment bases"):
        unicorn.run(Case(b"\x90", bits=32, bases={"ds": 0x1000}))


def test_unicorn_branches_and_divides_by_zero() -> None:
    """A branch to nowhere is done all the same; #DE is the signal it is on Linux."""
    unicorn = UnicornEngine()
    assert unicorn.run(Case(b"\xff\xe0", regs={"rax": 0x123456})).rip == 0x123456
    fault = unicorn.run(Case(b"\xf7\xf1", regs={"rcx": 0})).fault
    assert fault is not None
    assert fault.number == signal.SIGFPE


@pytest.mark.parametrize(
    ("code", "regs"),
    [
        ("8b07", {"rdi": 0x1000}),
        ("8907", {"rdi": 0x402FFE}),
        ("8b07", {"rdi": 1 << 63}),
        ("8b4500", {"rbp": 1 << 63}),
        ("0f2807", {"rdi": 0x400008}),
        ("f3aa", {"rdi": 0x402FF0, "rcx": 100}),
    ],
    ids=["absent", "border", "non-canonical", "non-canonical stack", "misaligned", "rep"],
)
def test_pagetrap_tells_faults_as_linux_does(code: str, regs: dict[str, int]) -> None:
    """A fault of the emulator is the signal, code and address that silicon's is."""
    case = Case(bytes.fromhex(code), regs=regs, vectors=VectorState())
    truth = need_silicon().run(case)
    assert truth.fault is not None
    assert compare(case, truth, PagetrapEngine().run(case)) == []


def test_pagetrap_logs_its_accesses() -> None:
    """The log has the accesses of the last case, in order; blocks, where they are allowed, are not in it."""
    case = Case(b"\xf3\xa5", regs={"rsi": 0x400000, "rdi": 0x401000, "rcx": 2})
    engine, bulk = PagetrapEngine(), PagetrapEngine(bulk=True)
    assert engine.run(case).memory == bulk.run(case).memory
    assert engine.log == [
        *((READ, 0x400000, 4), (WRITE, 0x401000, 4)),
        *((READ, 0x400004, 4), (WRITE, 0x401004, 4)),
    ]
    assert bulk.log == []


def test_pagetrap_refuses_what_it_does_not_do() -> None:
    """An instruction without emulation is refused, not skipped."""
    with pytest.raises(CannotRun, match="vaddps"):
        PagetrapEngine().run(Case(bytes.fromhex("62f1744858c2"), vectors=VectorState()))


def outcome(**changes: Any) -> Outcome:
    """An outcome that differs from the plain one in `changes`."""
    plain = Outcome("silicon", tuple(range(16)), 0x1000, 0x202, (0,) * 6, Window().contents, VectorState())
    return attrs.evolve(plain, **changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"regs": (7, *range(1, 16))}, "rax: silicon 0x0, pagetrap 0x7"),
        ({"rip": 0x1002}, "rip: silicon 0x1000, pagetrap 0x1002"),
        ({"rflags": 0x243}, "rflags: silicon -, pagetrap CF ZF"),
        ({"bases": (0, 0, 0, 0, 5, 0)}, "fs base: silicon 0x0, pagetrap 0x5"),
        ({"vectors": VectorState().replaced(k3=9)}, f"k3: silicon {DEFAULT_K[3]:#x}, pagetrap 0x9"),
        ({"fault": Signal(11, 1, 0x500)}, "fault: silicon None, pagetrap signal 11 code 0x1 address 0x500"),
        ({"memory": Window(patches={5: b"\1\2"}).contents}, "memory 0x400005: silicon 50 f7, pagetrap 01 02"),
    ],
    ids=["register", "rip", "flags", "base", "mask register", "fault", "memory"],
)
def test_differences_name_what_differs(changes: dict[str, Any], line: str) -> None:
    """Each difference is one line with both values, by the engines' names."""
    assert compare(Case(b"\x90"), outcome(), outcome(engine="pagetrap", **changes)) == [line]


def test_undefined_flags_do_not_differ() -> None:
    """Undefined flags are left out, unless the instruction faulted and so left them alone."""
    case, other = Case(b"\x90"), outcome(rflags=0x212)
    assert compare(case, outcome(), other, FLAGS["AF"]) == []
    assert (
        compare(case, outcome(fault=Signal(11, 1, 0)), attrs.evolve(other, fault=Signal(11, 1, 0)), FLAGS["AF"]) != []
    )


@pytest.mark.parametrize(
    ("code", "wrong"),
    [(b"\x48\x01\xd8", {"rip": 7}), (b"\xf3\xa4", {"rip": 7}), (b"\x8b\x07", {"memory": bytes(0x3000)})],
)
def test_judge_settles_no_result(code: bytes, wrong: dict[str, Any]) -> None:
    """What the judge leaves out is about faults only: a wrong result is always told."""
    case = Case(code)
    assert differences(case, outcome(), outcome()) == []
    assert differences(case, outcome(), outcome(**wrong)) != []
    faulted = outcome(fault=Signal(signal.SIGSEGV, 1, 0x5000))
    assert differences(case, faulted, outcome()) != []
    assert differences(case, outcome(), faulted) != []
