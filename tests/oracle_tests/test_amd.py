"""The judge of AMD CPUs: what they do otherwise is settled, on any machine, and nothing beside it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs
import pytest

from decode import decode
from tests.emulate.regressions import REGRESSIONS
from tests.oracle import amd
from tests.oracle.case import Case, Outcome, Signal, compare
from tests.oracle.pagetrap import PagetrapEngine

MISALIGNED = Signal(signal.SIGBUS, 1, 0)
BEYOND_LIMIT = Signal(signal.SIGBUS, 0x80, 0)
ABSENT = Signal(signal.SIGSEGV, 1, 0x2FFFE)
Change = Callable[[Case, Outcome], Outcome]


def register(index: int, value: int) -> Change:
    """Return an outcome with another value of a general register."""
    return lambda case, seen: attrs.evolve(seen, regs=(*seen.regs[:index], value, *seen.regs[index + 1 :]))


def untouched(fault: Signal | None) -> Change:
    """Return how a case begins, with a fault: what remains of one that faults."""
    return lambda case, seen: attrs.evolve(
        seen, regs=tuple(case.registers()), rip=case.ip, memory=case.window.contents, vectors=case.vectors, fault=fault
    )


def flags(value: int) -> Change:
    """Return an outcome with other flags."""
    return lambda case, seen: attrs.evolve(seen, rflags=value)


def fault(signal: Signal) -> Change:
    """Return an outcome with another fault."""
    return lambda case, seen: attrs.evolve(seen, fault=signal)


SETTLED: dict[str, Change] = {
    "repe cmpsb faults at its second element": flags(0x246),
    "rep movsb with 32-bit pointers and nothing to do": register(6, 0xFFFFFFFF00400000),
    "repe scasb with a 32-bit count of zero": register(1, 0xFFFFFFFF00000000),
    "shld of a word by 31": register(0, 0xFFFF),
    "lddqu across a page, with alignment checking": fault(MISALIGNED),
    "vandpd of a misaligned vector, with alignment checking": untouched(MISALIGNED),
    "leave reads across 4 GiB": fault(BEYOND_LIMIT),
    "movsxd to a word at the end of memory": untouched(Signal(signal.SIGSEGV, 1, 0x403000)),
    "vpmovdw through the segment's limit": fault(ABSENT),
}
"""What AMD CPUs make of a case, told by the difference to what pagetrap does."""


def judged(case: Case, change: Change) -> list[str]:
    """Return what an AMD judge finds when silicon's outcome differs from pagetrap's by a change."""
    ours = PagetrapEngine().run(case)
    silicon = attrs.evolve(change(case, ours), engine="silicon")
    assert compare(case, silicon, ours)
    return compare(case, silicon, amd.settle(case, decode(case.code, case.bits), silicon, ours))


@pytest.mark.parametrize("name", SETTLED)
def test_what_amd_does_otherwise_is_settled(name: str) -> None:
    """Each rule makes its difference equal."""
    assert judged(REGRESSIONS[name], SETTLED[name]) == []


@pytest.mark.parametrize("name", SETTLED)
def test_anything_beside_it_counts(name: str) -> None:
    """A register that no rule speaks of is compared as ever."""
    beside = register(13, 0xBAD)

    def both(case: Case, seen: Outcome) -> Outcome:
        return beside(case, SETTLED[name](case, seen))

    whole = ("lddqu", "vandpd", "movsxd")  # where the CPU faults instead, nothing of the instruction remains
    assert judged(REGRESSIONS[name], both) or name.startswith(whole)


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("a6", flags(0x246)),  # cmpsb without repe
        ("f3a4", register(6, 0xFFFFFFFF00400000)),  # rep movsb with 64-bit pointers
        ("660fa4c80f", register(0, 0xFFFF)),  # shld by 15
        ("8b00", untouched(None)),  # mov eax,[rax] is no vector: its alignment is checked
        ("0fb700", fault(Signal(signal.SIGSEGV, 1, 0x403000))),  # movzx
    ],
)
def test_neighbours_of_a_rule_are_not_settled(code: str, change: Change) -> None:
    """An instruction or a state that a rule does not name is judged as on any CPU."""
    place = {"rax": 0x400001, "rsi": 0x400000, "rdi": 0x400000, "rcx": 0}
    assert judged(Case(bytes.fromhex(code), regs=place, rflags=0x40202), change)
