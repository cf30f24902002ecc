"""The conformance kit passes what is right and names what is wrong."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from decode.registers import REGISTERS
from emulate import Bus, Cpu, Ram
from emulate.conformance import Case, Outcome, check_bus, check_emulator, check_registers, machine, recorded
from emulate.conformance.case import Case as RecordedCase
from emulate.conformance.registers import Runner
from tests.record import PLACE, packed


def test_the_file_is_made_of_its_contents_alone() -> None:
    """Neither the time nor a name is in the compressed file (RFC 1952, 2.3), so equal cases are equal bytes."""
    head = PLACE.read_bytes()[:10]
    assert head == bytes((0x1F, 0x8B, 8, 0, *(4 * [0]), 2, 255))
    text = gzip.decompress(PLACE.read_bytes()).decode()
    assert packed(text)[:10] == head
    assert gzip.decompress(packed(text)).decode() == text


def test_there_are_some_thousand_cases_in_all_modes() -> None:
    """The recorded cases are many, of all modes, some of them faults; and the file is not large."""
    modes = Counter(case.bits for case, _ in recorded())
    assert min(modes[bits] for bits in (64, 32, 16)) > 500
    assert len({case.form for case, _ in recorded()}) > 1200
    assert sum(outcome.fault is not None for _, outcome in recorded()) > 100
    assert PLACE.stat().st_size < 1 << 18


def test_the_emulator_conforms() -> None:
    """On its own registers the emulator ends every recorded case as silicon did."""
    report = check_registers(Cpu)
    assert report, str(report)
    assert report.checked > len(recorded())


class Reversed(Cpu):
    """Registers in the opposite order, as a back end may have them."""

    slots = tuple(range(17, -1, -1))

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.regs.reverse()  # rflags begins with its bit that is always one


def test_registers_in_another_order_conform() -> None:
    """A register file may have its words in any order."""
    report = check_registers(Reversed)
    assert report, str(report)


class Guarded(list[int]):
    """Registers that take no more bits than the CPU has."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__([0] * len(widths))
        self.widths = widths

    def __setitem__(self, index: Any, value: Any) -> None:
        assert value >> self.widths[index] == 0, "a register that is not there was given a value"
        super().__setitem__(index, value)


def with_avx_only(bits: int) -> Cpu:
    """The registers of a CPU with AVX and without AVX-512."""
    cpu = Cpu(bits)
    cpu.vector, cpu.k = Guarded([256] * 16 + [0] * 16), Guarded([0] * 8)
    return cpu


def test_registers_of_a_smaller_cpu_conform() -> None:
    """What a register file lacks is neither written nor compared; cases that need it are counted as not judged."""
    report = check_registers(with_avx_only, without=("AVX512",))
    assert report, str(report)
    beyond = [case for case, _ in recorded() if any(name.startswith("AVX512") for name in case.features)]
    assert report.unjudged == len(beyond) > 100
    assert str(report).splitlines()[0].endswith(f", {len(beyond)} not judged for want of CPU features")


def test_an_emulator_may_lack_features() -> None:
    """An emulator is not asked for instructions and registers of the features it lacks."""
    asked: list[Case] = []
    right = Runner(Cpu)

    def run(case: Case) -> Outcome:
        asked.append(case)
        return right(case)

    report = check_emulator(run, without=("AVX", "MOVBE"))
    assert report, str(report)
    assert len(asked) + report.unjudged == len(recorded())
    assert not any({"AVX", "MOVBE"} & case.features for case in asked)
    names = {name: value for case in asked for name, value in case.registers.items() if name.startswith(("zmm", "k"))}
    assert set(names) == {f"zmm{index}" for index in range(16)}
    assert max(names.values()) < 1 << 128


def test_unknown_features_are_refused() -> None:
    """A feature that no case needs is an error that names it, since leaving it out would change nothing."""
    with pytest.raises(ValueError, match="got 'AVX1024'"):
        check_registers(Cpu, without=("AVX1024",))


def test_the_file_says_where_it_was_recorded() -> None:
    """The file names the CPU and its features, and has no case that needs another one."""
    assert "family" in machine().cpu
    assert all(case.features <= machine().features for case, _ in recorded())


class Clashing(Cpu):
    """Two registers in one word."""

    slots = (1, 1, *range(2, 18))


class Forgetful(Cpu):
    """Writes to AH are lost."""

    @property
    def ah(self) -> int:
        """Nothing."""
        return 0

    @ah.setter
    def ah(self, value: int) -> None:
        pass


@pytest.mark.parametrize(("kind", "law"), [(Clashing, "`slots` gives each"), (Forgetful, "a register holds")])
def test_wrong_registers_are_named(kind: type[Cpu], law: str) -> None:
    """A register file with a fault fails the law that is about it."""
    report = check_registers(kind)
    assert not report
    assert any(failure.law.startswith(law) for failure in report)


def wrong_in(change: Callable[[Case, Outcome], Outcome]) -> Callable[[Case], Outcome]:
    """An emulator whose outcomes are changed."""
    right = Runner(Cpu)
    return lambda case: change(case, right(case))


def carry_lost(case: Case, outcome: Outcome) -> Outcome:
    """ADC without its carry out."""
    flags = outcome.registers["rflags"]
    lost = flags & ~1 if case.form.startswith("ADC_") else flags
    return attrs.evolve(outcome, registers={**outcome.registers, "rflags": lost})


def store_lost(case: Case, outcome: Outcome) -> Outcome:
    """Stores that do not arrive."""
    return attrs.evolve(outcome, memory=case.memory)


def fault_lost(case: Case, outcome: Outcome) -> Outcome:
    """Faults that are not told."""
    return attrs.evolve(outcome, fault=None)


def registers_lost(case: Case, outcome: Outcome) -> Outcome:
    """An outcome that says nothing of the registers."""
    return attrs.evolve(outcome, registers={})


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (carry_lost, r"ADC_\w+ .*\nrflags: expected"),
        (store_lost, r"memory at 0x\w+: expected [0-9a-f ]+, got"),
        (fault_lost, "fault: expected vector 14, got none"),
        (registers_lost, "registers: expected all of them, got none called rax"),
    ],
)
def test_wrong_emulators_are_named(change: Callable[[Case, Outcome], Outcome], line: str) -> None:
    """An emulator that is wrong fails with the case and the difference."""
    report = check_emulator(wrong_in(change))
    assert not report
    assert any(re.search(line, failure.example) for failure in report)


def test_an_emulator_may_refuse_but_not_raise() -> None:
    """NotImplementedError skips a case; any other exception is a failure."""

    def refuse(case: RecordedCase) -> Outcome:
        if case.bits == 64:
            raise NotImplementedError
        raise ZeroDivisionError("oops")

    report = check_emulator(refuse)
    assert (report.skipped, report.checked) == (
        sum(case.bits == 64 for case, _ in recorded()),
        sum(case.bits != 64 for case, _ in recorded()),
    )
    assert len(report.failures) == report.checked
    assert "raised ZeroDivisionError('oops')" in str(report)


def test_ram_is_a_good_bus() -> None:
    """The plain memory of the package keeps every law of a bus."""
    report = check_bus(lambda: Ram(512, base=0x1000), 0x1000, 512)
    assert report, str(report)


class Split(Ram):
    """A store in two halves, of which the second may fault."""

    def write(self, address: int, width: int, value: int) -> None:
        half = width // 2 or width
        super().write(address, half, value & (1 << 8 * half) - 1)
        if half < width:
            super().write(address + half, width - half, value >> 8 * half)


class Narrow(Ram):
    """Values cut to eight bytes."""

    def read(self, address: int, width: int) -> int:
        return super().read(address, width) & (1 << 64) - 1


class Spilling(Ram):
    """A write clears the byte behind it."""

    def write(self, address: int, width: int, value: int) -> None:
        super().write(address, width, value)
        if address + width < self.base + len(self.data):
            self.data[address + width - self.base] = 0


class WrongUpdate(Ram):
    """Returns the new value instead of the old one."""

    def update(self, address: int, width: int, operation: Callable[[int], int]) -> int:
        """Update."""
        new = operation(self.read(address, width))
        self.write(address, width, new)
        return new


class LyingBlocks(Ram):
    """Says that blocks are stored, and stores none."""

    def write_block(self, address: int, data: bytes) -> bool:
        return True


class EndlessCode(Ram):
    """Fetches one byte, whatever was asked."""

    def fetch(self, address: int, length: int) -> bytes:
        return super().fetch(address, 1)


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (Split, "an access that raises leaves everything"),
        (Narrow, "what was written is read"),
        (Spilling, "a write touches its own bytes only"),
        (WrongUpdate, "`update` calls the operation once"),
        (LyingBlocks, "`write_block` stores all bytes"),
        (EndlessCode, "`fetch` returns the bytes"),
    ],
)
def test_bad_buses_are_named(kind: Callable[[int], Bus], law: str) -> None:
    """A bus with a fault fails the law that is about it, and no other but by that."""
    report = check_bus(lambda: kind(512), 0, 512)
    assert law in str(report)


def test_too_little_memory_tells_nothing() -> None:
    """A stretch too short for the laws is refused."""
    with pytest.raises(ValueError, match="192 bytes"):
        check_bus(lambda: Ram(64), 0, 64)


def test_names_of_cases_are_names_of_registers() -> None:
    """A case's registers are called as everywhere else, but for the physical x87 registers."""
    known = REGISTERS.keys() | {f"{name}_base" for name in ("es", "cs", "ss", "ds", "fs", "gs")}
    known |= {f"x87_{i}" for i in range(8)} | {"mxcsr", "fcw", "fsw", "ftw"}
    assert {name for case, _ in recorded() for name in case.registers} <= known
