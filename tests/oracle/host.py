"""What this machine's CPU can do, found out by having it do it.

The flags in /proc/cpuinfo have names of their own and say nothing of single instructions. A form the CPU lacks is one
that raises #UD whatever its operands are, so a handful of cases decides.
"""

from __future__ import annotations

import atexit
import functools
import random
import signal
from collections import Counter
from typing import Final

from iced_x86 import Code_

from tests.cases.build import random_case
from tests.cases.forms import all_codes, operation
from tests.needs import need
from tests.oracle.case import CannotRun, Case
from tests.oracle.hidden import hidden, needed, taken_for_others
from tests.oracle.silicon import SiliconEngine

AMD: Final = "AuthenticAMD"

# Ports are closed to user programs, the kernel does SMSW for them, and a hypervisor MONITORX, checking no address: so
# silicon has nothing to say of these.
PRIVILEGED: Final = frozenset(("in", "out", "ins", "outs", "smsw", "monitorx"))

_TRIES = 8
_FEW = 4


@functools.cache
def silicon() -> SiliconEngine:
    """Return this process's engine, for all to share."""
    engine = SiliconEngine()
    atexit.register(engine.close)
    return engine


@functools.cache
def vendor() -> str:
    """Return who made the CPU, as CPUID says: `AMD` or another; raises as `host_has` does."""
    _, ebx, ecx, edx = silicon().cpuid(0)
    return b"".join(register.to_bytes(4, "little") for register in (ebx, edx, ecx)).decode("ascii", "replace")


def need_silicon() -> SiliconEngine:
    """Return the engine to a test that needs it; where a child may not be traced the test is skipped, or fails."""
    try:
        silicon().run(Case(b"\x90"))
    except CannotRun as error:
        need(False, f"permission to ptrace a child process ({error})")
    return silicon()


@functools.cache
def host_has(code: Code_, bits: int = 64) -> bool:
    """Tell whether this CPU has an instruction form, by its iced-x86 `Code`; those of hidden features it has not.

    Raises:
        CannotRun: A child process may not be traced here.
    """
    silicon().run(Case(b"\x90"))
    if needed(code) & (hidden() | taken_for_others()):
        return False
    source = random.Random(code)
    return any(_runs(random_case(source, code, bits)) for _ in range(_TRIES))


def _runs(case: Case) -> bool:
    try:
        fault = silicon().run(case).fault
    except CannotRun:  # it got as far as making a system call
        return True
    return fault is None or fault.number != signal.SIGILL


@functools.cache
def features() -> frozenset[str]:
    """Return the CPU's features, by their names in iced-x86's `CpuidFeature`; raises as `host_has` does.

    A feature counts as present when an instruction of it runs; those whose instructions are NOPs on older CPUs
    (CLDEMOTE, CET) thus always do. It counts as missing when a few of its instructions do not: AMD CPUs lack one of the
    reserved NOPs.
    """
    found: set[str] = set()
    failed: Counter[str] = Counter()
    for code in all_codes(64):
        wanted = needed(code)
        if wanted <= found or any(failed[name] >= _FEW for name in wanted):
            continue
        if host_has(code):
            found |= wanted
        elif len(wanted - found) == 1:
            failed.update(wanted - found)
    return frozenset(found)


def is_judged(code: Code_) -> bool:
    """Tell whether this CPU can say what a form does: it has the features, and lets user programs execute it.

    Raises:
        CannotRun: A child process may not be traced here.
    """
    return needed(code) <= features() and operation(code) not in PRIVILEGED
