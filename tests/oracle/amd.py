"""What AMD CPUs do otherwise than pagetrap, which follows Intel's where the manuals leave a choice.

Each rule is as narrow as it can be said: on the same cases everything else still counts, and on an Intel CPU none
of this is asked.
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
_MM = 1 << 17
_LOW_HALF = (1 << 32) - 1


def settle(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Return pagetrap's outcome with what AMD CPUs do otherwise made equal to silicon's."""
    for rule in _RULES:
        pagetrap = rule(case, instruction, silicon, pagetrap)
    return pagetrap


def _vector_alignment(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Make EFLAGS.AC count for whole vectors, and not for vectors of bytes.

    Intel: alignment checking of 16 and more bytes "may or may not" be done (SDM vol. 2B, MOVUPS and its like). AMD CPUs
    do it, but look at the elements where a mask chooses them or a move narrows or widens them.
    """
    if not case.rflags & AC or not (_is_alignment_check(silicon.fault) or _is_alignment_check(pagetrap.fault)):
        return pagetrap
    memory = _memory(instruction)
    of_vectors = memory is not None and any(
        isinstance(o, RegisterOperand) and o.register.file == VECTOR for o in instruction.operands
    )
    whole = memory is not None and memory.selection == "whole" and memory.width < 16
    if not of_vectors or (whole and not instruction.mnemonic.startswith(("vpmov", "pmov"))):
        return pagetrap
    return attrs.evolve(silicon, engine=pagetrap.engine)


def _shifted_out(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Leave the result of SHLD and SHRD undefined when the count exceeds the operand (SDM vol. 2B, SHLD)."""
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


def _no_iteration(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Keep the upper halves of 32-bit pointers and counts when REP has nothing to do.

    The manuals say what the registers end as after the last iteration, and not what becomes of them without one.
    """
    if not (instruction.rep and instruction.bits == 64) or silicon.fault is not None:
        return pagetrap
    memory = _memory(instruction)
    if memory is None or memory.operand.address_width != 4 or case.registers()[1] & _LOW_HALF:
        return pagetrap
    before = case.registers()
    regs = tuple(
        theirs if theirs == old and (ours ^ theirs) & _LOW_HALF == 0 else ours
        for ours, theirs, old in zip(pagetrap.regs, silicon.regs, before, strict=True)
    )
    return attrs.evolve(pagetrap, regs=regs)


def _flags_at_fault(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Keep the flags of the last finished comparison when REP CMPS or SCAS faults.

    Intel restores the flags from before the instruction (SDM vol. 2B, REP); AMD's manual does not say.
    """
    if not (instruction.rep and instruction.mnemonic.startswith(("cmps", "scas"))):
        return pagetrap
    if silicon.fault is None or pagetrap.fault is None:
        return pagetrap
    return attrs.evolve(pagetrap, rflags=silicon.rflags)


def _gather_at_fault(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Keep what a VEX gather has not got to when it faults: Intel clears what lies above destination and mask at once.

    Of the mask's elements to come only the sign counts, and Intel has spread it over them by then.
    """
    if instruction.encoding != "vex" or "gather" not in instruction.mnemonic:
        return pagetrap
    if silicon.fault is None or pagetrap.fault is None or silicon.vectors is None or pagetrap.vectors is None:
        return pagetrap
    vector = list(pagetrap.vectors.vector)
    before = case.vectors.vector if case.vectors is not None else vector
    destination, _, mask = instruction.operands
    assert isinstance(destination, RegisterOperand)
    assert isinstance(mask, RegisterOperand)
    for operand in (destination, mask):
        index, above = operand.register.index, -1 << 8 * operand.width
        vector[index] = vector[index] & ~above | before[index] & above
    memory = _memory(instruction)
    assert memory is not None
    index, bits = mask.register.index, 8 * memory.element
    for low in range(0, 8 * mask.width, bits):
        element = (1 << bits) - 1 << low
        extended = element if before[index] >> low + bits - 1 & 1 else 0
        if vector[index] & element == extended and silicon.vectors.vector[index] & element == before[index] & element:
            vector[index] = vector[index] & ~element | before[index] & element
    return attrs.evolve(pagetrap, vectors=attrs.evolve(pagetrap.vectors, vector=tuple(vector)))


def _wider_load(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Read four bytes for MOVSXD to 16 bits, of which two count; Intel reads two (SDM vol. 2B, MOVSX/MOVSXD)."""
    narrow = instruction.mnemonic == "movsxd" and instruction.operands[0].width == 2 and instruction.accesses
    if not narrow or silicon.fault is None or (pagetrap.fault is not None and not case.rflags & AC):
        return pagetrap
    return attrs.evolve(silicon, engine=pagetrap.engine)


def _limit_of_elements(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Check a segment's limit element by element, and of long vectors half by half: an earlier page may be missing."""
    memory = _memory(instruction)
    if memory is None or silicon.fault is None or pagetrap.fault is None or not _is_limit(pagetrap.fault):
        return pagetrap
    in_parts = memory.selection != "whole" or memory.width >= 32 or "compress" in instruction.mnemonic
    return attrs.evolve(pagetrap, fault=silicon.fault) if in_parts else pagetrap


def _wrapped_elements(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Wrap the 16-bit offset of each element of VMASKMOV; Intel wraps that of the whole only."""
    memory = _memory(instruction)
    if memory is None or memory.operand.address_width != 2 or "maskmov" not in instruction.mnemonic:
        return pagetrap
    return pagetrap if pagetrap.fault is None else attrs.evolve(silicon, engine=pagetrap.engine)


def _misaligned_mask(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Let MXCSR have its bit 17, MM, which makes SSE operands need no alignment (APM vol. 2, 3.1.4)."""
    vectors = silicon.vectors
    if not instruction.mnemonic.endswith("ldmxcsr") or vectors is None or not vectors.mxcsr & _MM:
        return pagetrap
    return attrs.evolve(silicon, engine=pagetrap.engine)


def _round_the_end(case: Case, instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> Outcome:
    """Take an access across 4 GiB as one beyond the segment's limit; Intel wraps it (SDM vol. 3A, 5.3)."""
    if case.bits != 32 or silicon.fault is None or pagetrap.fault is None or not _is_limit(silicon.fault):
        return pagetrap
    width = max((access.width for access in instruction.accesses), default=0)
    if pagetrap.fault.number != signal.SIGSEGV or pagetrap.fault.address + width <= 1 << 32:
        return pagetrap
    return attrs.evolve(pagetrap, fault=silicon.fault)


_RULES: Final[tuple[Callable[[Case, Instruction, Outcome, Outcome], Outcome], ...]] = (
    _vector_alignment,
    _shifted_out,
    _no_iteration,
    _flags_at_fault,
    _gather_at_fault,
    _wider_load,
    _limit_of_elements,
    _wrapped_elements,
    _misaligned_mask,
    _round_the_end,
)


def _memory(instruction: Instruction) -> MemoryAccess | None:
    """Return the first access to memory, if there is one."""
    accesses = (access for access in instruction.accesses if isinstance(access, MemoryAccess))
    return next((access for access in accesses if isinstance(access.operand, MemoryOperand)), None)


def _is_alignment_check(fault: Signal | None) -> bool:
    return fault is not None and fault.number == signal.SIGBUS and fault.code != _SI_KERNEL


def _is_limit(fault: Signal) -> bool:
    return fault.code == _SI_KERNEL and fault.address == 0
