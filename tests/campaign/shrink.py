"""Make a failing case simple: leave out what it does without.

Hypothesis shrinks choices; a campaign has made its own, so what is left is the case itself. Whatever a case leaves out
has a fixed default, hence simpler means: shorter to write down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from tests.oracle.case import DEFAULT_RFLAGS, Case, VectorState, Window

_SIMPLE = (0, 1, 2, 0x10)
_ROUNDS = 20


def cost(case: Case) -> int:
    """How long a case is when written down."""
    return len(repr(case))


def shrink(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Return the simplest case reached from `case` for which `fails` still holds."""
    for _ in range(_ROUNDS):
        shorter = (candidate for candidate in _simpler(case) if cost(candidate) < cost(case) and fails(candidate))
        found = next(shorter, None)
        if found is None:
            return case
        case = found
    return case


def _simpler(case: Case) -> Iterator[Case]:
    """Cases with one thing less, the largest things first."""
    if case.vectors is not None:
        yield attrs.evolve(case, vectors=VectorState())
    yield attrs.evolve(case, rflags=DEFAULT_RFLAGS)
    yield _with_patches(case, {})
    for offset in case.window.patches:
        yield _with_patches(case, {at: data for at, data in case.window.patches.items() if at != offset})
    for name in case.regs:
        yield attrs.evolve(case, regs={other: value for other, value in case.regs.items() if other != name})
    for name, value in case.regs.items():
        for simple in _SIMPLE:
            if simple < value:
                yield attrs.evolve(case, regs={**case.regs, name: simple})
    if case.bits != 16:
        for name in case.bases:
            yield attrs.evolve(case, bases={other: base for other, base in case.bases.items() if other != name})


def _with_patches(case: Case, patches: dict[int, bytes]) -> Case:
    return attrs.evolve(case, window=Window(case.window.base, case.window.pages, patches, case.window.absent))
