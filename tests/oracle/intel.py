"""What Intel CPUs do when an instruction faults that pagetrap does otherwise, though it follows them everywhere else.

A fault leaves the registers as they were, say the manuals and pagetrap; these CPUs leave traces. Asked of Intel CPUs
only.
"""

from __future__ import annotations

import signal

import attrs

from decode import Instruction, RegisterOperand
from decode.instruction import MemoryAccess
from decode.registers import MMX
from tests.oracle.case import PAGE, Case, Outcome, Signal

# Instructions of several steps, as moves of 80 bits are, too: when one step faults, these CPUs keep some of what the
# others did, in memory and even in registers. pagetrap checks what it can before the first, and changes no register.
IN_STEPS = ("bound", "call", "enter", "popa", "pusha")
_POINTERS_AND_COUNT = (1, 6, 7)  # rcx, rsi, rdi
_SEGV_MAPERR = 1


def is_in_steps(instruction: Instruction) -> bool:
    """Tell whether an instruction is one of those of several steps."""
    return instruction.mnemonic.startswith(IN_STEPS) or any(access.width == 10 for access in instruction.accesses)


def settle(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Return pagetrap's outcome with what Intel CPUs do otherwise made equal to silicon's, when both fault."""
    theirs, ours = silicon.fault, pagetrap.fault
    if theirs is None or ours is None:
        return pagetrap
    if is_in_steps(instruction):
        return attrs.evolve(silicon, engine=pagetrap.engine)
    accesses = [access for access in instruction.accesses if isinstance(access, MemoryAccess)]
    if instruction.bits != 64 and _is_check(theirs) and _is_check(ours):
        # One access that is both misaligned (#GP, #AC) and beyond the segment's limit (#GP, #SS).
        pagetrap = attrs.evolve(pagetrap, fault=theirs)
    if any(access.selection != "whole" for access in accesses) and _on_one_page(theirs, ours):
        # Elements are accessed one by one; a bus that faults in the middle leaves those before it written.
        pagetrap = attrs.evolve(pagetrap, fault=theirs, memory=silicon.memory)
    if instruction.rep and instruction.bits == 64 and accesses[0].operand.address_width == 4:
        # A fault at the first element changes no register, says the manual; these CPUs clear the upper halves.
        regs = list(pagetrap.regs)
        for index in _POINTERS_AND_COUNT:
            if (regs[index] ^ silicon.regs[index]) & 0xFFFFFFFF == 0:
                regs[index] = silicon.regs[index]
        pagetrap = attrs.evolve(pagetrap, regs=tuple(regs))
    if silicon.vectors is not None and pagetrap.vectors is not None and _is_mmx(instruction):
        # They enter MMX mode (tags valid, TOP 0) before they fault; the manual says a fault changes nothing.
        state = attrs.evolve(pagetrap.vectors, fsw=silicon.vectors.fsw, ftw=silicon.vectors.ftw)
        pagetrap = attrs.evolve(pagetrap, vectors=state)
    return pagetrap


def _is_check(fault: Signal) -> bool:
    """Whether it is #GP, #SS or #AC: raised for an address by itself, whatever is mapped there."""
    return fault.number in (signal.SIGSEGV, signal.SIGBUS) and fault.address == 0


def _on_one_page(theirs: Signal, ours: Signal) -> bool:
    return theirs.code == ours.code == _SEGV_MAPERR and theirs.address // PAGE == ours.address // PAGE


def _is_mmx(instruction: Instruction) -> bool:
    return any(isinstance(o, RegisterOperand) and o.register.file == MMX for o in instruction.operands)
