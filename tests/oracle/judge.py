"""What counts as a difference between silicon and pagetrap.

Everything counts, except flags that the manual leaves undefined and the few things below that no rule settles, each
with its reason. A hole in pagetrap is never one of them: what it does not do is for the caller to count.
"""

from __future__ import annotations

import signal

import attrs

from decode import DecodeError, Instruction, decode
from emulate.flags import undefined
from tests.oracle.case import Case, Outcome, compare

_SEGV_MAPERR = 1


def differences(case: Case, silicon: Outcome, pagetrap: Outcome) -> list[str]:
    """List what pagetrap does otherwise than silicon, one readable line each."""
    try:
        instruction = decode(case.code, case.bits)
    except DecodeError:
        return compare(case, silicon, pagetrap)
    silicon, pagetrap = _settle(instruction, silicon, pagetrap)
    return compare(case, silicon, pagetrap, undefined(instruction, case.registers()[1] & 0xFF))


def _settle(instruction: Instruction, silicon: Outcome, pagetrap: Outcome) -> tuple[Outcome, Outcome]:
    """Make equal what no rule settles."""
    if silicon.fault is None or pagetrap.fault is None:
        return silicon, pagetrap
    if silicon.fault.number != signal.SIGSEGV or {silicon.fault.code, pagetrap.fault.code} != {_SEGV_MAPERR}:
        return silicon, pagetrap
    if instruction.string == "cmps":
        # Two loads, both of absent pages: the manual does not say which comes first, and Intel's order varies.
        pagetrap = attrs.evolve(pagetrap, fault=silicon.fault)
    return silicon, pagetrap
