"""What counts as a difference between silicon and pagetrap.

Everything counts, but for flags that the manual leaves undefined and the few things below that no rule settles, each
with its reason: those below concern any CPU, and cases that fault; `amd` has what AMD CPUs do otherwise. What pagetrap
does not do is never settled.
"""

from __future__ import annotations

import signal

import attrs

from decode import DecodeError, Instruction, decode
from decode.decoder import monitored
from decode.instruction import MemoryAccess
from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import MMX
from emulate.flags import undefined
from tests.oracle import amd
from tests.oracle.case import PAGE, Case, Outcome, Signal, compare
from tests.oracle.cell import BLOCK
from tests.oracle.host import AMD, vendor

_SEGV_MAPERR = 1
# Page faults of elements that are masked off: told by some CPUs, say the manual's pages of MASKMOV; always told, since
# they are of an exception class without fault suppression, by VEXTRACT. pagetrap touches only what is chosen.
_UNSUPPRESSED = ("maskmovq", "maskmovdqu", "vmaskmovdqu", "vextract")
# Instructions of several steps, as moves of 80 bits are, too: when one step faults, Intel CPUs keep some of what the
# others did, in memory and even in registers. pagetrap checks what it can before the first, and changes no register.
_IN_STEPS = ("bound", "call", "enter", "popa", "pusha")
_POINTERS_AND_COUNT = (1, 6, 7)  # rcx, rsi, rdi


def differences(case: Case, silicon: Outcome, pagetrap: Outcome) -> list[str]:
    """List what pagetrap does otherwise than silicon, one readable line each."""
    try:
        instruction = decode(case.code, case.bits)
    except DecodeError:
        return compare(case, silicon, pagetrap)
    if silicon.fault is not None and instruction.mnemonic.startswith(_UNSUPPRESSED):
        return []
    if silicon.fault is None and pagetrap.fault is not None and _is_in_code(case, pagetrap.fault):
        return []  # silicon's program can read its own code, which is not part of pagetrap's memory
    if silicon.fault is not None and _is_memory_fault(silicon.fault) and _touches_nothing(instruction):
        return []  # CLFLUSH and the like ask for a page, but nothing of it, which no bus can tell
    if silicon.fault is not None and pagetrap.fault is not None:
        if instruction.mnemonic.startswith(_IN_STEPS) or any(access.width == 10 for access in instruction.accesses):
            return []
        pagetrap = _settle(instruction, silicon, silicon.fault, pagetrap, pagetrap.fault)
    if vendor() == AMD:
        pagetrap = amd.settle(case, instruction, silicon, pagetrap)
    if silicon.fault is not None and instruction.mnemonic == "enter" and _is_probe(case, silicon.fault, pagetrap):
        # Having done its pushes, ENTER asks for the page of the new top of the stack, which no bus can tell.
        pagetrap = attrs.evolve(pagetrap, fault=silicon.fault, regs=tuple(case.registers()), rip=case.ip)
    return compare(case, silicon, pagetrap, undefined(instruction, case.registers()[1] & 0xFF))


def _settle(instruction: Instruction, silicon: Outcome, theirs: Signal, pagetrap: Outcome, ours: Signal) -> Outcome:
    """Return pagetrap's outcome with what no rule settles made equal to silicon's."""
    accesses = [access for access in instruction.accesses if isinstance(access, MemoryAccess)]
    if len(accesses) > 1 and _is_memory_fault(theirs) and _is_memory_fault(ours):
        # Either operand faults. The manual does not order them; pagetrap does all checks before the first access.
        pagetrap = attrs.evolve(pagetrap, fault=theirs)
    if instruction.bits != 64 and _is_check(theirs) and _is_check(ours):
        # One access that is both misaligned (#GP, #AC) and beyond the segment's limit (#GP, #SS).
        pagetrap = attrs.evolve(pagetrap, fault=theirs)
    if any(access.selection != "whole" for access in accesses) and _on_one_page(theirs, ours):
        # Elements are accessed one by one; a bus that faults in the middle leaves those before it written.
        pagetrap = attrs.evolve(pagetrap, fault=theirs, memory=silicon.memory)
    if instruction.rep and instruction.bits == 64 and accesses[0].operand.address_width == 4:
        # A fault at the first element changes no register, says the manual; Intel CPUs clear the upper halves.
        regs = list(pagetrap.regs)
        for index in _POINTERS_AND_COUNT:
            if (regs[index] ^ silicon.regs[index]) & 0xFFFFFFFF == 0:
                regs[index] = silicon.regs[index]
        pagetrap = attrs.evolve(pagetrap, regs=tuple(regs))
    if silicon.vectors is not None and pagetrap.vectors is not None and _is_mmx(instruction):
        # Intel CPUs enter MMX mode (tags valid, TOP 0) before they fault; the manual says a fault changes nothing.
        state = attrs.evolve(pagetrap.vectors, fsw=silicon.vectors.fsw, ftw=silicon.vectors.ftw)
        pagetrap = attrs.evolve(pagetrap, vectors=state)
    return pagetrap


def _is_in_code(case: Case, fault: Signal) -> bool:
    block = case.code_address & -BLOCK
    return fault.code == _SEGV_MAPERR and block <= fault.address < block + BLOCK


def _touches_nothing(instruction: Instruction) -> bool:
    names_memory = any(isinstance(operand, MemoryOperand) for operand in instruction.operands)
    return not instruction.accesses and (names_memory or monitored(instruction) is not None)


def _is_probe(case: Case, fault: Signal, pagetrap: Outcome) -> bool:
    """Whether a page fault is that of the stack pointer which pagetrap went on with."""
    pointer = pagetrap.regs[4] & (1 << case.bits) - 1
    top = pointer if case.bits == 64 else pointer + case.bases.get("ss", 0) & 0xFFFFFFFF
    return pagetrap.fault is None and fault.number == signal.SIGSEGV and 0 <= fault.address - top < 8


def _is_memory_fault(fault: Signal) -> bool:
    return fault.number in (signal.SIGSEGV, signal.SIGBUS)


def _is_check(fault: Signal) -> bool:
    """Whether it is #GP, #SS or #AC: raised for an address by itself, whatever is mapped there."""
    return _is_memory_fault(fault) and fault.address == 0


def _on_one_page(theirs: Signal, ours: Signal) -> bool:
    return theirs.code == ours.code == _SEGV_MAPERR and theirs.address // PAGE == ours.address // PAGE


def _is_mmx(instruction: Instruction) -> bool:
    return any(isinstance(o, RegisterOperand) and o.register.file == MMX for o in instruction.operands)
