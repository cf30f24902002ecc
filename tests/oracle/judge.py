"""What counts as a difference between silicon and pagetrap.

Everything counts, but for flags that the manual leaves undefined and the few things that no bus or no manual can tell,
each with its reason: those below concern any CPU; `intel` and `amd` have what only these CPUs do. Where these differ in
defined state, pagetrap does as this CPU. What pagetrap does not do is never settled.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

import attrs

from decode import DecodeError, Instruction, Vendor, decode
from decode.instruction import MemoryAccess
from decode.memory import monitored
from decode.operands import MemoryOperand
from emulate.flags import undefined
from mmio.live.vendor import cpu_vendor
from tests.oracle import amd, intel
from tests.oracle.case import Case, Outcome, Signal, compare
from tests.oracle.cell import BLOCK

_SEGV_MAPERR = 1
# Page faults of elements that are masked off: told by some CPUs, say the manual's pages of MASKMOV; always told, since
# they are of an exception class without fault suppression, by VEXTRACT. pagetrap touches only what is chosen.
_UNSUPPRESSED = ("maskmovq", "maskmovdqu", "vmaskmovdqu", "vextract")
_SETTLE: Final[dict[Vendor, Callable[[Case, Instruction, Outcome, Outcome], Outcome]]] = {
    "intel": intel.settle,
    "amd": amd.settle,
}


def differences(case: Case, silicon: Outcome, pagetrap: Outcome) -> list[str]:
    """List what pagetrap does otherwise than silicon, one readable line each."""
    try:
        instruction = decode(case.code, case.bits, cpu_vendor())
    except DecodeError:
        return compare(case, silicon, pagetrap)
    if silicon.fault is not None and instruction.mnemonic.startswith(_UNSUPPRESSED):
        return []
    if silicon.fault is None and pagetrap.fault is not None and _is_in_code(case, pagetrap.fault):
        return []  # silicon's program can read its own code, which is not part of pagetrap's memory
    if silicon.fault is not None and _is_memory_fault(silicon.fault) and _touches_nothing(instruction):
        return []  # CLFLUSH and similar ones ask for a page, but nothing of it, which no bus can tell
    pagetrap = _checked_before(instruction, silicon, pagetrap)
    pagetrap = _SETTLE[cpu_vendor()](case, instruction, silicon, pagetrap)
    if silicon.fault is not None and instruction.mnemonic == "enter" and _is_probe(case, silicon.fault, pagetrap):
        # Having done its pushes, ENTER asks for the page of the new top of the stack, which no bus can tell.
        pagetrap = attrs.evolve(pagetrap, fault=silicon.fault, regs=tuple(case.registers()), rip=case.ip)
    return compare(case, silicon, pagetrap, undefined(instruction, case.registers()[1] & 0xFF))


def _checked_before(instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Settle that pagetrap makes the checks of all accesses before the first; CPUs check each when they get to it.

    By then a CPU may have met a page that is missing, and ENTER has pushed. Its new top of the stack has a check, too.
    """
    theirs, ours = silicon.fault, pagetrap.fault
    enters = instruction.mnemonic == "enter"
    several = sum(isinstance(access, MemoryAccess) for access in instruction.accesses) > 1
    if not (several or enters) or theirs is None or ours is None or not (_is_check(ours) and _is_memory_fault(theirs)):
        return pagetrap
    return attrs.evolve(pagetrap, fault=theirs, memory=silicon.memory if enters else pagetrap.memory)


def _is_in_code(case: Case, fault: Signal) -> bool:
    block = case.code_address & -BLOCK
    return fault.code == _SEGV_MAPERR and block <= fault.address < block + BLOCK


def _touches_nothing(instruction: Instruction) -> bool:
    names_memory = any(isinstance(operand, MemoryOperand) for operand in instruction.operands)
    return not instruction.accesses and (names_memory or monitored(instruction) is not None)


def _is_probe(case: Case, fault: Signal, pagetrap: Outcome) -> bool:
    """Whether a page fault is that of the stack pointer which pagetrap continued with."""
    pointer = pagetrap.regs[4] & (1 << case.bits) - 1
    top = pointer if case.bits == 64 else pointer + case.bases.get("ss", 0) & 0xFFFFFFFF
    return pagetrap.fault is None and fault.number == signal.SIGSEGV and 0 <= fault.address - top < 8


def _is_memory_fault(fault: Signal) -> bool:
    return fault.number in (signal.SIGSEGV, signal.SIGBUS)


def _is_check(fault: Signal) -> bool:
    """Whether it is #GP, #SS or #AC: raised for an address by itself, whatever is mapped there."""
    return _is_memory_fault(fault) and fault.address == 0
