"""Laws that hold for every instruction form the emulator does, in every mode.

Each form gets a few cases, with operands, registers and flags of all kinds, on buses that answer everywhere. Whether
results are right is the business of `test_silicon`; here it is how they come about.
"""

from __future__ import annotations

import functools
import random
from itertools import islice

import attrs
import pytest

from decode import READ, Instruction, MemoryAccess, MemoryOperand, RegisterOperand, decode, iter_accesses, merge
from decode.operands import BranchOperand
from decode.registers import GENERAL, VECTOR, Register, read
from emulate import Cpu, Emulator, Fault, is_supported
from emulate.recipes import RECIPES
from tests.cases.build import random_case
from tests.cases.forms import all_codes, codes_by_operation, operation
from tests.emulate.everywhere import Everywhere, Interrupted, Locking
from tests.oracle import pagetrap
from tests.oracle.case import Case

pytestmark = pytest.mark.slow

CASES_A_FORM = 3
INTERRUPTIONS = 16
EMULATOR = Emulator(Everywhere())

# A group of tests for each mode: pytest-xdist then makes its cases in one process only.
each_mode = pytest.mark.parametrize(
    "bits", [pytest.param(bits, marks=pytest.mark.xdist_group(f"laws{bits}")) for bits in (64, 32, 16)]
)


@functools.cache
def cases(bits: int) -> tuple[Case, ...]:
    """The cases of every form the emulator does in a mode."""
    source = random.Random(bits)
    codes = [code for code in all_codes(bits) if operation(code) in RECIPES]
    made = (random_case(source, code, bits) for code in codes for _ in range(CASES_A_FORM))
    return tuple(case for case in made if is_supported(decode(case.code, bits)))


def cpu_of(case: Case) -> Cpu:
    """The registers a case starts with, in real mode as far as selectors go: any can be loaded."""
    cpu = pagetrap.cpu_of(case)
    cpu.protected = False
    return cpu


def run(case: Case, bus: Everywhere, cpu: Cpu | None = None, emulator: Emulator = EMULATOR) -> Cpu:
    """Execute a case on a bus; return the registers after it, or as a fault or interruption left them."""
    cpu = cpu or cpu_of(case)
    emulator.bus = bus
    try:
        emulator.step(cpu, case.code)
    except (Fault, Interrupted):
        return cpu
    return cpu


def raises(case: Case, bus: Everywhere, cpu: Cpu) -> bool:
    """Execute a case and tell whether it raised."""
    EMULATOR.bus = bus
    try:
        EMULATOR.step(cpu, case.code)
    except (Fault, Interrupted):
        return True
    return False


def shown(case: Case) -> str:
    """A case as it reads, and as it can be pasted."""
    return f"{decode(case.code, case.bits).format(case.ip)}: {case!r}"


def is_restartable(instruction: Instruction) -> bool:
    """Whether an instruction keeps its finished elements when it is interrupted: REP, gathers and scatters."""
    gathers = any(isinstance(access, MemoryAccess) and access.selection == "gather" for access in instruction.accesses)
    return bool(instruction.rep) or gathers


@each_mode
def test_there_are_cases_of_every_operation(bits: int) -> None:
    """No recipe is left out of these laws in a mode that has its instruction."""
    instructions = [decode(case.code, bits) for case in cases(bits)]
    met = {instruction.string or instruction.mnemonic for instruction in instructions}
    assert sorted(name for name in RECIPES if name in codes_by_operation(bits) and name not in met) == []


@each_mode
def test_the_bus_log_equals_decode_accesses(bits: int) -> None:
    """The emulator makes the accesses of `decode.accesses`, in order, until a fault or REPE ends them."""
    for case in cases(bits):
        instruction = decode(case.code, bits)
        bus, cpu = Everywhere(), cpu_of(case)
        expected = iter_accesses(instruction, cpu.copy())
        cut_short = raises(case, bus, cpu) or instruction.rep in ("repe", "repne")
        assert bus.log == [tuple(touch) for touch in islice(expected, len(bus.log))], shown(case)
        assert cut_short or next(expected, None) is None, shown(case)


@each_mode
def test_nothing_changes_when_an_access_raises(bits: int) -> None:
    """If any access raises, the registers are unchanged, and the exception of the bus propagates unchanged."""
    for case in cases(bits):
        if is_restartable(decode(case.code, bits)):
            continue
        whole = Everywhere()
        run(case, whole)
        for n in range(len(whole.log)):
            bus, cpu = Everywhere(fail_at=n), cpu_of(case)
            EMULATOR.bus = bus
            with pytest.raises(Interrupted):
                EMULATOR.step(cpu, case.code)
            assert cpu == cpu_of(case), f"access {n} of {shown(case)}"
            assert bus.log == whole.log[:n], f"access {n} of {shown(case)}"


@each_mode
def test_nothing_changes_when_an_instruction_faults(bits: int) -> None:
    """A fault is raised before any write to memory or registers, except the bits of MXCSR that report #XM."""
    for case in cases(bits):
        bus, cpu, before = Everywhere(), cpu_of(case), cpu_of(case)
        if raises(case, bus, cpu) and not is_restartable(decode(case.code, bits)):
            before.mxcsr |= cpu.mxcsr & 0x3F
            assert cpu == before, shown(case)
            assert not bus.memory, shown(case)


def points(accesses: int) -> list[int]:
    """Where to interrupt so many accesses: everywhere, or here and there when they are many."""
    return sorted(random.Random(accesses).sample(range(accesses), min(accesses, INTERRUPTIONS)))


@each_mode
def test_elements_finished_before_an_interruption_stay_finished(bits: int) -> None:
    """REP and gathers that are interrupted at any access and executed again end as without interruption."""
    for case in cases(bits):
        if not is_restartable(decode(case.code, bits)):
            continue
        whole = Everywhere()
        finished = run(case, whole)
        for n in points(len(whole.log)):
            bus, cpu = Everywhere(fail_at=n), cpu_of(case)
            assert raises(case, bus, cpu), f"access {n} of {shown(case)}"
            assert (cpu.rip, cpu.rflags) == (case.ip, case.rflags), f"access {n} of {shown(case)}"
            run(case, bus, cpu)
            assert cpu == finished, f"access {n} of {shown(case)}"
            assert bus.memory == whole.memory, f"access {n} of {shown(case)}"


@each_mode
@pytest.mark.parametrize("most", [1, 2, 5])
def test_rep_in_steps_ends_as_in_one(bits: int, most: int) -> None:
    """With `max_iterations` a step processes at most that many elements; further steps process the rest."""
    bounded = Emulator(Everywhere(), max_iterations=most)
    for case in cases(bits):
        if not decode(case.code, bits).rep:
            continue
        whole = Everywhere()
        finished = run(case, whole)
        bus, cpu = Everywhere(), cpu_of(case)
        accesses = len(decode(case.code, bits).accesses)
        while True:
            before = len(bus.log)
            run(case, bus, cpu, bounded)
            assert len(bus.log) - before <= most * accesses, shown(case)
            if not cpu.pending:
                break
            assert cpu.rip == case.ip, shown(case)
        assert cpu == finished, shown(case)
        assert (bus.log, bus.memory) == (whole.log, whole.memory), shown(case)


@each_mode
def test_compiled_once_equals_compiled_anew(bits: int) -> None:
    """An instruction from the cache has the same effect as when it was compiled."""
    for case in cases(bits)[::CASES_A_FORM]:
        run(case, Everywhere())
        old, new = Everywhere(), Everywhere()
        assert run(case, old) == run(case, new, emulator=Emulator(new, cache_size=1)), shown(case)
        assert (old.log, old.values) == (new.log, new.values), shown(case)


@each_mode
def test_an_instruction_does_not_depend_on_where_it_stands(bits: int) -> None:
    """An instruction moved together with its IP-relative operands has the same effect."""
    distance = 0x1230 if bits == 16 else 0x12345000
    for case in cases(bits):
        instruction = decode(case.code, bits)
        relative = any(isinstance(o, MemoryOperand) and o.is_rip_relative for o in instruction.operands)
        here, there = Everywhere(), Everywhere(offset=distance if relative else 0)
        cpu, moved = run(case, here), run(attrs.evolve(case, ip=case.ip + distance), there)
        if instruction.mnemonic in ("call", "lea") or any(isinstance(o, BranchOperand) for o in instruction.operands):
            continue  # what they are there for is an address
        if cpu.rip in (case.ip, case.ip + instruction.length):
            assert moved.rip == cpu.rip + distance, shown(case)
            moved.rip = cpu.rip
        assert moved == cpu, shown(case)
        assert there.values == here.values, shown(case)


def word(cpu: Cpu, register: Register) -> int:
    """The whole word a register lies in."""
    return (cpu.regs if register.file == GENERAL else cpu.vector)[register.index]


@each_mode
def test_one_rule_merges_results_into_registers(bits: int) -> None:
    """A write to a part of a register keeps or clears its other bits as `merge` defines, or leaves it unchanged."""
    for case in cases(bits):
        instruction = decode(case.code, bits)
        written = [o.register for o in instruction.operands if isinstance(o, RegisterOperand) and o.direction & 2]
        before, after = cpu_of(case), cpu_of(case)
        if raises(case, Everywhere(), after):
            continue
        for register in written:
            if register.file not in (GENERAL, VECTOR) or [r.index for r in written].count(register.index) > 1:
                continue
            old, new = word(before, register), word(after, register)
            vex = register.file == VECTOR and instruction.encoding != "legacy"
            assert new in (old, merge(old, register, read(new, register), zero_upper=vex)), shown(case)


@each_mode
def test_memory_may_change_between_the_accesses(bits: int) -> None:
    """A read-modify-write reads once and uses this value, even if memory changes before the write."""
    for case in cases(bits):
        quiet, restless = Everywhere(), Everywhere(restless=True)
        cpu = run(case, quiet)
        places = [address + i for direction, address, width in quiet.log if direction == READ for i in range(width)]
        if len(set(places)) == len(places):  # what is read twice may differ
            assert run(case, restless) == cpu, shown(case)
            assert (restless.log, restless.values) == (quiet.log, quiet.values), shown(case)


@each_mode
def test_registers_may_stand_in_any_order(bits: int) -> None:
    """Compiled for another order of `regs`, an instruction changes the same registers in the same way."""
    order = tuple(random.Random(1).sample(range(18), 18))
    emulator = Emulator(Everywhere(), slots=order)
    for case in cases(bits):
        shuffled = cpu_of(case)
        shuffled.slots = order
        for register, value in enumerate(cpu_of(case).regs):
            shuffled.regs[order[register]] = value
        plain, other = Everywhere(), Everywhere()
        cpu = run(case, plain)
        run(case, other, shuffled, emulator)
        shuffled.regs[:] = [shuffled.regs[slot] for slot in order]
        assert shuffled == cpu, shown(case)
        assert (other.log, other.values) == (plain.log, plain.values), shown(case)


@each_mode
def test_an_indivisible_update_is_the_same_read_and_write(bits: int) -> None:
    """LOCK, and XCHG with memory, use the bus's `update` if it has one; no other instruction does."""
    for case in cases(bits):
        instruction = decode(case.code, bits)
        plain, locking = Everywhere(), Locking()
        assert run(case, locking) == run(case, plain), shown(case)
        assert (locking.log, locking.values) == (plain.log, plain.values), shown(case)
        exchange = instruction.mnemonic == "xchg" and bool(plain.log)
        assert locking.updates == (1 if (instruction.lock or exchange) and plain.log else 0), shown(case)
