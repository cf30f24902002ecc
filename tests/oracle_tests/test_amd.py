"""The judge of AMD CPUs: what is undefined, or no bus can tell, is settled, on any machine, and nothing beside it."""

from __future__ import annotations

import signal
from collections.abc import Callable

import attrs
import pytest

from decode import decode
from tests.emulate.regressions import LOW, REAL, REGRESSIONS
from tests.oracle import amd
from tests.oracle.case import Case, Outcome, Signal, VectorState, Window, compare
from tests.oracle.pagetrap import PagetrapEngine

ABSENT = Signal(signal.SIGSEGV, 1, 0x2FFFE)
Change = Callable[[Case, Outcome], Outcome]


def register(index: int, value: int) -> Change:
    """Return an outcome with another value of a general register."""
    return lambda case, seen: attrs.evolve(seen, regs=(*seen.regs[:index], value, *seen.regs[index + 1 :]))


def flags(value: int) -> Change:
    """Return an outcome with other flags."""
    return lambda case, seen: attrs.evolve(seen, rflags=value)


def fault(signal: Signal | None) -> Change:
    """Return an outcome with another fault."""
    return lambda case, seen: attrs.evolve(seen, fault=signal)


def unwritten(case: Case, seen: Outcome) -> Outcome:
    """Return an outcome that left memory as it was."""
    return attrs.evolve(seen, memory=case.window.contents)


SETTLED: dict[str, tuple[Case, Change]] = {
    "a word shifted by 31": (REGRESSIONS["shld of a word by 31"], register(0, 0xFFFF)),
    "elements through the segment's limit": (REGRESSIONS["vpmovdw through the segment's limit"], fault(ABSENT)),
    "bounds of which the second begins at 64 KiB": (
        Case(bytes.fromhex("6207"), bits=16, regs={"rbx": 0xFFFE}, window=LOW, bases=REAL, ip=0x100),
        fault(ABSENT),
    ),
    "popad whose second slot is absent": (
        Case(bytes.fromhex("61"), bits=32, regs={"rsp": 0x402FFC}),
        register(7, 0xB9126BC4),
    ),
    "elements of a store of which a later one is absent": (
        Case(
            bytes.fromhex("c4e2712e00"),
            regs={"rax": 0x402FFC},
            vectors=VectorState().replaced(zmm1=2**512 - 1),
        ),
        unwritten,
    ),
    "avx-512 and alignment checking": (
        Case(
            bytes.fromhex("62f27e093100"),
            regs={"rax": 0x400001},
            rflags=0x40202,
            vectors=VectorState().replaced(k1=2**64 - 1),
        ),
        fault(None),
    ),
}
"""What AMD CPUs make of a case, told by the difference to what pagetrap does."""


def judged(case: Case, change: Change) -> list[str]:
    """Return what an AMD judge finds when silicon's outcome differs from pagetrap's by a change."""
    ours = PagetrapEngine(vendor="amd").run(case)
    silicon = attrs.evolve(change(case, ours), engine="silicon")
    assert compare(case, silicon, ours)
    return compare(case, silicon, amd.settle(case, decode(case.code, case.bits, "amd"), silicon, ours))


@pytest.mark.parametrize("name", SETTLED)
def test_what_no_bus_can_tell_is_settled(name: str) -> None:
    """Each rule makes its difference equal."""
    assert judged(*SETTLED[name]) == []


@pytest.mark.parametrize("name", SETTLED)
def test_anything_beside_it_counts(name: str) -> None:
    """A register that no rule speaks of is compared as usual."""
    beside, (case, change) = register(13, 0xBAD), SETTLED[name]
    # Where the CPU faults instead, nothing of the instruction remains, and POPA pops nearly all registers.
    assert judged(case, lambda case, seen: beside(case, change(case, seen))) or name.startswith(("avx-512", "popad"))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("f3a6", flags(0x246)),  # repe cmpsb
        ("67f3a4", register(6, 0xFFFFFFFF00400000)),  # rep movsb with 32-bit pointers and nothing to do
        ("660fa4c80f", register(0, 0xFFFF)),  # shld by 15
        ("8b00", fault(Signal(signal.SIGSEGV, 1, 0x403000))),  # mov
        ("0f1000", fault(Signal(signal.SIGSEGV, 1, 0x403000))),  # movups
        ("666300", register(0, 0xBAD)),  # movsxd
    ],
)
def test_what_pagetrap_does_itself_is_not_settled(code: str, change: Change) -> None:
    """What an emulator of AMD's CPUs does as they do is judged as on any CPU."""
    place = {"rax": 0x400001, "rsi": 0x400000, "rdi": 0x400000, "rcx": 0}
    case = Case(bytes.fromhex(code), regs=place, rflags=0x40202, window=Window(), vectors=VectorState())
    assert judged(case, change)
