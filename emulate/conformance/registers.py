"""Rules for a register file: names and slots refer to the right bits, and instructions end as on silicon."""

from collections.abc import Callable, Collection

from decode.registers import FLAGS, GENERAL, MASK, POINTER, REGISTERS, VECTOR, merge
from emulate.bus import Ram
from emulate.conformance.case import SEGMENTS, Case, Outcome
from emulate.conformance.emulator import check_emulator
from emulate.conformance.features import features_without, width_of
from emulate.conformance.report import Report
from emulate.cpu import RegisterFile
from emulate.emulator import Emulator
from emulate.faults import Fault, GeneralProtection, UnsupportedInstruction


class _Memory(Ram):
    """A case's window; ports are closed, as they are to user programs."""

    def port_read(self, port: int, width: int) -> int:
        raise GeneralProtection(f"port {port:#x} is closed", error_code=0)

    def port_write(self, port: int, width: int, value: int) -> None:
        raise GeneralProtection(f"port {port:#x} is closed", error_code=0)


def check_registers(make: Callable[[int], RegisterFile], without: Collection[str] = ()) -> Report:
    """Check a kind of register file.

    Args:
        make: returns a fresh one for a mode: 64, 32 or 16.
        without: CPUID features whose registers it does not have, as `check_emulator` takes them: "AVX512".

    Raises:
        ValueError: no case needs one of these features.
    """
    cpu = make(64)
    report = Report()
    _check_slots(report, cpu)
    if report:
        _check_names(report, cpu, features_without(without))
        ran = check_emulator(Runner(make), without)
        report.checked += ran.checked
        report.skipped += ran.skipped
        report.unjudged += ran.unjudged
        report.failures += ran.failures
    return report


def _check_slots(report: Report, cpu: RegisterFile) -> None:
    slots = tuple(cpu.slots)
    good = len(slots) == 18 == len(set(slots)) and all(0 <= slot < len(cpu.regs) for slot in slots)
    law = "`slots` gives each of rax … r15, rip and rflags a word of its own in `regs`"
    report.expect(law, good, f"slots {slots!r} for {len(cpu.regs)} words: expected 18 different indices below that")


def _check_names(report: Report, cpu: RegisterFile, features: frozenset[str]) -> None:
    """Write each register by its name; its word changes as `merge` says, no other one changes, and it is read back."""
    for register in REGISTERS.values():
        if register.file not in (GENERAL, POINTER, FLAGS, VECTOR, MASK):
            continue
        whole = f"zmm{register.index}" if register.file == VECTOR else register.name
        if register.file in (VECTOR, MASK) and width_of(whole, features) < 8 * register.width:
            continue
        value = register.mask // 3  # 0x5555…
        before = _words(cpu)
        setattr(cpu, register.name, value)
        key = (register.file, register.index)
        expected = before | {key: merge(before[key], register, value)}
        example = f"after {register.name} = {value:#x}"
        got = getattr(cpu, register.name)
        report.expect("a register holds what was written to it", got == value, f"{example}: got {got:#x}")
        wrong = [f"{place}: expected {word:#x}, got {now:#x}" for place, word in expected.items()
                 if (now := _words(cpu)[place]) != word]  # fmt: skip
        report.expect("a write changes its own register only", not wrong, "\n".join([example, *wrong]))


def _words(cpu: RegisterFile) -> dict[tuple[str, int], int]:
    """Return every word of the files that names reach, each by file and index."""
    words = {(GENERAL, index): cpu.regs[cpu.slots[index]] for index in range(16)}
    words |= {(POINTER, 0): cpu.regs[cpu.slots[16]], (FLAGS, 0): cpu.regs[cpu.slots[17]]}
    words |= {(VECTOR, index): cpu.vector[index] for index in range(32)}
    return words | {(MASK, index): cpu.k[index] for index in range(8)}


class Runner:
    """Executes cases with this package's emulator on register files of any kind."""

    def __init__(self, make: Callable[[int], RegisterFile]) -> None:
        self._make = make
        self._emulators: dict[tuple[int, ...], Emulator] = {}

    def __call__(self, case: Case) -> Outcome:
        """Execute a case; raises `NotImplementedError` for what the emulator does not do."""
        cpu = self._make(case.bits)
        _fill(cpu, case)
        memory = _Memory(case.memory, case.start)
        slots = tuple(cpu.slots)
        if slots not in self._emulators:
            self._emulators[slots] = Emulator(memory, slots=slots, alignment_check=True)
        emulator = self._emulators[slots]
        emulator.bus = memory
        fault = None
        try:
            emulator.step(cpu, case.code)
        except UnsupportedInstruction as error:
            raise NotImplementedError(str(error)) from error
        except Fault as error:
            fault = error.vector
        return Outcome({name: _get(cpu, name) for name in case.registers}, bytes(memory.data), fault)


def _fill(cpu: RegisterFile, case: Case) -> None:
    """Give a register file the state of a case, which is one of a user program."""
    cpu.protected = True
    for name, value in case.registers.items():
        if name.startswith("x87_"):
            cpu.x87[int(name[4:])] = value
        else:
            setattr(cpu, name, value)
    if case.bits == 16:
        cpu.limits = [0xFFFF] * 6
    elif case.bits == 32 and any(case.registers[f"{name}_base"] for name in SEGMENTS[:4]):
        cpu.limits = [0xFFFFFFFF] * 6


def _get(cpu: RegisterFile, name: str) -> int:
    value: int = cpu.x87[int(name[4:])] if name.startswith("x87_") else getattr(cpu, name)
    return value
