"""Compiled instructions, kept and shared."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from decode.cache import SIZE
from emulate import Cpu, Emulator, GeneralProtection, Ram
from emulate.compilations import Compilations
from tests.emulate.everywhere import Everywhere

LOAD = b"\x8b\x07"


def distinct(number: int) -> bytes:
    """Return one of 2**32 instructions: mov eax,number."""
    return b"\xb8" + number.to_bytes(4, "little")


def kept(emulator: Emulator) -> Compilations:
    """Return what an emulator keeps."""
    return emulator._compilations


def test_bounded_whatever_is_executed() -> None:
    """An emulator keeps no more than `cache_size` byte strings a mode, in both generations together."""
    emulator = Emulator(Ram(1), cache_size=50)
    for bits in (16, 32, 64):
        for number in range(300):
            emulator.compile(bits, distinct(number) + bytes(number % 9))
            assert len(kept(emulator)) <= 3 * 50
    assert len(kept(emulator)) == 3 * 50


def test_as_many_objects_after_ten_thousand_instructions_as_after_a_hundred() -> None:
    """Nothing else is kept of an instruction that has been evicted, in no cache."""
    emulator = Emulator(Ram(1), cache_size=100)

    def objects(start: int, count: int) -> int:
        for number in range(start, start + count):
            emulator.compile(64, distinct(number))
        gc.collect()
        return len(gc.get_objects())

    full = objects(0, SIZE + 100)  # decode's own cache is full, too
    assert objects(SIZE + 100, 10_000) - full < 1000  # less than one for ten instructions: pytest makes some, too


def test_equal_after_eviction() -> None:
    """An instruction that was evicted and compiled again has the same effect as before."""
    emulator = Emulator(Everywhere(), cache_size=4)
    outcomes: dict[int, list[Cpu]] = {}
    for _ in range(3):
        for number in range(20):
            cpu = Cpu(rdi=0x1000)
            emulator.step(cpu, b"\x48\x8d\x47" + bytes((number,)))  # lea rax,[rdi+number]
            outcomes.setdefault(number, []).append(cpu)
    for number, (first, *others) in outcomes.items():
        assert first.rax == 0x1000 + number
        assert all(other == first for other in others)


def test_code_of_any_length_is_kept_by_its_instruction() -> None:
    """A page passed as code is not kept as a key; the instruction in it is found all the same."""
    emulator = Emulator(Ram(1))
    compiled = emulator.compile(64, LOAD)
    for _ in range(2):
        assert emulator.compile(64, LOAD + bytes(4094)) is compiled
    assert max(map(len, kept(emulator).recent[64])) <= 32


def allow(port: int, width: int) -> bool:
    """Allow every port."""
    return True


EQUAL: list[dict[str, Any]] = [
    {},
    {"slots": tuple(range(18))},
    {"slots": list(range(18))},
    {"alignment_check": False},
    {"port_allowed": None, "cache_size": SIZE},
]
DISTINCT: list[dict[str, Any]] = [
    {},
    {"slots": tuple(reversed(range(18)))},
    {"alignment_check": True},
    {"max_iterations": 3},
    {"port_allowed": allow},
    {"bus_checks_answers": True},
    {"cache_size": 100},
]


def test_shared_between_emulators_of_equal_settings() -> None:
    """Arguments that mean the same, on any bus, give the same compiled instruction."""
    emulators = [Emulator(Ram(number + 1), **arguments) for number, arguments in enumerate(EQUAL)]
    first = emulators[0].compile(64, LOAD)
    assert all(emulator.compile(64, LOAD) is first for emulator in emulators)
    guarded = [Emulator(Ram(1), port_allowed=allow) for _ in range(2)]
    assert guarded[0].compile(64, b"\xec") is guarded[1].compile(64, b"\xec")


def test_distinct_settings_never_mix() -> None:
    """Emulators that differ in one argument share no compiled instructions."""
    emulators = [Emulator(Ram(1), **arguments) for arguments in DISTINCT]
    assert len({id(kept(emulator)) for emulator in emulators}) == len(DISTINCT)
    assert len({id(emulator.compile(64, LOAD)) for emulator in emulators}) == len(DISTINCT)


class Guard:
    """A port guard that claims to be equal to every other one, and cannot be hashed."""

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed

    def __call__(self, port: int, width: int) -> bool:
        return self.allowed

    def __eq__(self, other: object) -> bool:
        return True


def test_guards_are_told_apart_by_identity() -> None:
    """Each emulator asks its own guard, whatever the guard's `__eq__` says."""
    closed, opened = (Emulator(Everywhere(), port_allowed=Guard(allowed)) for allowed in (False, True))
    opened.step(Cpu(), b"\xec")
    with pytest.raises(GeneralProtection):
        closed.step(Cpu(), b"\xec")


def test_nothing_outlives_the_last_emulator() -> None:
    """Neither the compiled instructions nor a guard that owns the emulator are kept alive by having been shared."""

    class Machine:
        def __init__(self) -> None:
            self.guard: Callable[[int, int], bool] = lambda port, width: self is not None
            self.emulator = Emulator(Ram(1), port_allowed=self.guard)

    machine, plain = Machine(), Emulator(Ram(1), max_iterations=12345)
    machine.emulator.compile(64, b"\xec")
    watched = [weakref.ref(one) for one in (machine, kept(machine.emulator), kept(plain))]
    del machine, plain
    gc.collect()
    assert [one() for one in watched] == [None] * 3


@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (2.5, TypeError)])
def test_a_size_that_makes_no_sense_is_refused(size: Any, error: type[Exception]) -> None:
    """The cache has room for at least one entry."""
    with pytest.raises(error, match="cache"):
        Emulator(Ram(1), cache_size=size)


def test_bits_that_are_no_mode_are_refused() -> None:
    """The error says what was given."""
    with pytest.raises(ValueError, match="bits is 16, 32 or 64, not 8"):
        Emulator(Ram(1)).compile(8, LOAD)
