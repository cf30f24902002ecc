"""What AMD CPUs do that pagetrap does otherwise, though it has `vendor="amd"`.

Either the manuals leave a result undefined, or no bus can tell, or no CPU was at hand that has the form. Each rule is
as narrow as it can be said: on the same cases everything else still counts, and on other CPUs none of this is asked.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Final

import attrs

from decode import Instruction, RegisterOperand
from decode.instruction import MemoryAccess
from decode.operands import ImmediateOperand, MemoryOperand
from decode.registers import VECTOR
from emulate.flags import AC, shift_count
from tests.oracle.case import Case, Outcome, Signal

_SI_KERNEL = 0x80  # a fault without an address: #GP, #SS
_RSP = 4


def settle(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Return pagetrap's outcome with what AMD CPUs do otherwise made equal to silicon's."""
    for rule in _RULES:
        pagetrap = rule(case, instruction, silicon, pagetrap)
    return pagetrap


def _evex_alignment(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Make EFLAGS.AC count for AVX-512 vectors, of which AMD's CPUs look at the elements where a mask chooses them.

    Which, and where a move narrows or widens them, is for a CPU with AVX-512 to tell.
    """
    if not case.rflags & AC or not (_is_alignment_check(silicon.fault) or _is_alignment_check(pagetrap.fault)):
        return pagetrap
    memory = _memory(instruction)
    of_vectors = memory is not None and any(
        isinstance(o, RegisterOperand) and o.register.file == VECTOR for o in instruction.operands
    )
    whole = memory is not None and memory.selection == "whole" and memory.width < 16
    if instruction.encoding != "evex" or not of_vectors or (whole and not instruction.mnemonic.startswith("vpmov")):
        return pagetrap
    return attrs.evolve(silicon, engine=pagetrap.engine)


def _shifted_out(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Leave the result of SHLD and SHRD undefined when the count exceeds the operand (APM vol. 3, SHLD)."""
    if instruction.mnemonic not in ("shld", "shrd") or silicon.fault is not None or pagetrap.fault is not None:
        return pagetrap
    destination, *_, count = instruction.operands
    by = count.value if isinstance(count, ImmediateOperand) else case.registers()[1] & 0xFF
    if shift_count(by, destination.width) <= 8 * destination.width:
        return pagetrap
    if isinstance(destination, RegisterOperand):
        regs = list(pagetrap.regs)
        index = destination.register.index
        regs[index] = regs[index] & ~0xFFFF | silicon.regs[index] & 0xFFFF
        return attrs.evolve(pagetrap, regs=tuple(regs))
    return attrs.evolve(pagetrap, memory=silicon.memory)


def _popped(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Keep what POPA has popped before it faults: pagetrap changes no register at a fault, as the manuals say."""
    if not instruction.mnemonic.startswith("popa") or silicon.fault is None or pagetrap.fault is None:
        return pagetrap
    regs = (*silicon.regs[:_RSP], pagetrap.regs[_RSP], *silicon.regs[_RSP + 1 :])
    return attrs.evolve(pagetrap, regs=regs)


def _written_elements(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Restore the elements a bus wrote before it faulted at a later one: the CPU asks for all pages first."""
    memory = _memory(instruction)
    if memory is None or memory.selection in ("whole", "gather") or silicon.fault != pagetrap.fault is not None:
        return pagetrap
    return attrs.evolve(pagetrap, memory=silicon.memory) if silicon.fault is not None else pagetrap


def _limit_of_elements(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Check a segment's limit part by part: pagetrap makes all checks first, when a page of an earlier part is missing.

    Parts are elements, the halves of long vectors and of BOUND's operand, the numbers of a far pointer, and 8 and 2 of
    ten bytes. They also wrap one by one at 64 KiB. pagetrap makes one access of all but elements, and so do no CPUs.
    """
    memory = _memory(instruction)
    if memory is None or silicon.fault is None or pagetrap.fault is None or not _is_limit(pagetrap.fault):
        return pagetrap
    two = instruction.mnemonic == "bound" or memory.width in (6, 10) or _is_far(instruction)
    in_parts = two or memory.selection != "whole" or memory.width >= 32 or "compress" in instruction.mnemonic
    return attrs.evolve(pagetrap, fault=silicon.fault) if in_parts else pagetrap


def _either_string(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Let REPE CMPSB fault at either of the two bytes it is at: Zen 3 reads ES:rDI first, Zen 4 DS:rSI."""
    if not compares_bytes(instruction) or None in (silicon.fault, pagetrap.fault) or silicon.regs != pagetrap.regs:
        return pagetrap
    assert silicon.fault is not None
    return attrs.evolve(pagetrap, fault=silicon.fault) if _is_page_fault(silicon.fault) else pagetrap


def compares_bytes(instruction: Instruction) -> bool:
    """Return whether an instruction is REPE CMPSB, whose reads Zen 4 makes in another order than those of any other."""
    return instruction.mnemonic == "cmpsb" and instruction.rep == "repe"


_RULES: Final[tuple[Callable[[Case, Instruction, Outcome, Outcome], Outcome], ...]] = (
    _evex_alignment,
    _shifted_out,
    _popped,
    _limit_of_elements,
    _written_elements,
    _either_string,
)


def _memory(instruction: Instruction) -> MemoryAccess | None:
    """Return the first access to memory, if there is one."""
    accesses = (access for access in instruction.accesses if isinstance(access, MemoryAccess))
    return next((access for access in accesses if isinstance(access.operand, MemoryOperand)), None)


def _is_far(instruction: Instruction) -> bool:
    return instruction.form.endswith(("M1616", "M1632"))


def _is_alignment_check(fault: Signal | None) -> bool:
    return fault is not None and fault.number == signal.SIGBUS and fault.code != _SI_KERNEL


def _is_page_fault(fault: Signal) -> bool:
    return fault.number == signal.SIGSEGV and fault.code != _SI_KERNEL


def _is_limit(fault: Signal) -> bool:
    return fault.code == _SI_KERNEL and fault.address == 0
