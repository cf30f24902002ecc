"""One case on silicon and on the subject of the campaign, and the verdict.

A case is made from the campaign's seed, the form and its number alone, so that any case of any campaign can be made
again by itself, a campaign can stop and continue, and more processes make no other cases.
"""

from __future__ import annotations

import random
import re
import signal
from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs
from iced_x86 import Code, Code_, Decoder

from decode import decode
from emulate.flags import undefined
from tests.cases.build import random_case
from tests.cases.forms import Unbuildable, buildable
from tests.oracle.case import FLAGS, CannotRun, Case, Engine, Outcome, VectorState, compare
from tests.oracle.judge import differences
from tests.oracle.pagetrap import PagetrapEngine
from tests.oracle.unicorn import UnicornEngine

Subject: TypeAlias = Literal["pagetrap", "unicorn"]
MODES = (64, 32, 16)


@attrs.frozen
class Verdict:
    """What one case showed.

    Attributes:
        kind: "equal", "equal fault", "equal #UD", "illegal" (the CPU does not know the instruction, the subject does),
            "not run", "refused" (by the subject); anything else names a mismatch.
        detail: why it was not run; or each difference, a line each.
    """

    kind: str
    detail: tuple[str, ...] = ()

    @property
    def mismatch(self) -> bool:
        """Whether the subject is wrong, as far as one case can tell."""
        return self.kind not in ("equal", "equal fault", "equal #UD", "illegal", "not run", "refused")


def modes_of(code: Code_) -> tuple[int, ...]:
    """The modes in which cases can be made for a form."""
    return tuple(bits for bits in MODES if buildable(code, bits))


def mode_of_case(code: Code_, number: int) -> int:
    """The mode of a form's case: they take turns."""
    modes = modes_of(code)
    return modes[number % len(modes)]


def make_case(seed: int, code: Code_, name: str, number: int) -> Case:
    """Make the case of a number: the same one each time.

    Raises:
        Unbuildable: the choices of this number do not go together.
    """
    return random_case(random.Random(f"{seed} {name} {number}"), code, mode_of_case(code, number))


class Trial:
    """Runs cases on silicon and on the subject."""

    def __init__(self, silicon: Engine, subject: Subject) -> None:
        self.silicon = silicon
        self.make: Callable[[], Engine] = PagetrapEngine if subject == "pagetrap" else UnicornEngine
        self.prepare = _plain if subject == "pagetrap" else _without_alignment_check
        self._compare = _differs_from_pagetrap if subject == "pagetrap" else _differs_from_unicorn
        self._subject: Engine | None = None

    def run(self, case: Case) -> Verdict:
        """Run a case on both and compare; a mismatch is one that a fresh subject shows, too."""
        case = self.prepare(case)
        try:
            truth = self.silicon.run(case)
        except CannotRun as error:
            return Verdict("not run", (re.split("[:,]", str(error))[0],))
        if self._subject is None:
            self._subject = self.make()
        verdict = self._verdict(case, truth, self._subject)
        if verdict.mismatch:  # Unicorn keeps some of its state from one case to the next
            self._subject = self.make()
            verdict = self._verdict(case, truth, self._subject)
        return verdict

    def _verdict(self, case: Case, truth: Outcome, subject: Engine) -> Verdict:
        try:
            theirs = subject.run(case)
        except CannotRun as error:
            return Verdict("refused", (re.split("[:,]", str(error))[0],))
        except Exception as error:
            return Verdict("undocumented error", (repr(error),))
        illegal = _is_illegal(truth)
        if illegal and not _is_illegal(theirs):
            return Verdict("illegal")
        if found := self._compare(case, truth, theirs):
            return found
        return Verdict("equal" if truth.fault is None else "equal #UD" if illegal else "equal fault")


def _plain(case: Case) -> Case:
    return case


def _without_alignment_check(case: Case) -> Case:
    """Clear EFLAGS.AC, which Unicorn does not heed; silicon runs the same."""
    return attrs.evolve(case, rflags=case.rflags & ~FLAGS["AC"])


def _is_illegal(outcome: Outcome) -> bool:
    return outcome.fault is not None and outcome.fault.number == signal.SIGILL


def _differs_from_pagetrap(case: Case, truth: Outcome, ours: Outcome) -> Verdict | None:
    lines = differences(case, truth, ours)
    return Verdict("mismatch", tuple(lines)) if lines else None


def _differs_from_unicorn(case: Case, truth: Outcome, theirs: Outcome) -> Verdict | None:
    """Compare, not asking more of Unicorn than it tells: of a fault, that it is one."""
    if truth.fault is not None and theirs.fault is None:
        return Verdict("fault missed", tuple(compare(case, truth, theirs)))
    if truth.fault is None and theirs.fault is not None:
        return Verdict("fault invented", tuple(compare(case, truth, theirs)))
    theirs = attrs.evolve(theirs, fault=truth.fault, vectors=_visible(truth.vectors, theirs.vectors))
    known = Decoder(case.bits, case.code).decode().code != Code.INVALID
    ignored = undefined(decode(case.code, case.bits), case.registers()[1] & 0xFF) if known else 0
    lines = compare(case, truth, theirs, ignored)
    if not lines:
        return None
    return Verdict("wrong result" if truth.fault is None else "wrong state after a fault", tuple(lines))


def _visible(truth: VectorState | None, theirs: VectorState | None) -> VectorState | None:
    """Return what Unicorn's engine shows, XMM registers and MXCSR, the rest made equal to silicon's."""
    if truth is None or theirs is None:
        return None
    low = [ours >> 128 << 128 | new & (1 << 128) - 1 for ours, new in zip(truth.vector, theirs.vector, strict=True)]
    return attrs.evolve(truth, vector=(*low[:16], *truth.vector[16:]), mxcsr=theirs.mxcsr)


__all__ = ["MODES", "Subject", "Trial", "Unbuildable", "Verdict", "make_case", "mode_of_case", "modes_of"]
