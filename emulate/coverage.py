"""List the instruction forms that are emulated, and those that are not.

`decode.forms` lists every form that touches memory or a port; each is either done by a recipe or covered by a decision
of `emulate.unsupported`. Nothing here is written by hand, so nothing can be forgotten: a form that is in neither is an
error.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal, TypeAlias

from attrs import frozen

from decode import Form, Instruction, decode, forms
from emulate.compiler import is_supported
from emulate.recipes import RECIPES
from emulate.unsupported import DECISIONS, Decision, Status

Fate: TypeAlias = Literal["emulated"] | Status
"""What becomes of a form."""


@frozen(slots=True)
class Entry:
    """One form and what becomes of it.

    Attributes:
        form: which.
        recipe: the function that does it, "moves.mov" for `emulate.families.moves.mov`; "" when nothing does.
        decision: why it is not emulated; None when it is.
    """

    form: Form
    recipe: str
    decision: Decision | None

    @property
    def fate(self) -> Fate:
        """Return what becomes of the form."""
        return "emulated" if self.decision is None else self.decision.status

    @property
    def feature(self) -> str:
        """The CPUID feature that brought the form; of several the most particular one."""
        return self.form.features[-1]


@cache
def coverage() -> tuple[Entry, ...]:
    """Return every form with what becomes of it.

    Raises:
        LookupError: a form is neither emulated nor covered by a decision, or emulated in some of its modes only.
    """
    return tuple(_entry(form) for form in forms())


def fate_of(instruction: Instruction) -> tuple[Fate, str]:
    """Return what becomes of one instruction, and the function that does it or the reason why none does."""
    if is_supported(instruction):
        return "emulated", _place(RECIPES[instruction.string or instruction.mnemonic])
    features = next((form.features for form in forms() if form.name == instruction.form), ())
    for decision in DECISIONS:
        if decision.status != "unread" and decision.covers(instruction.mnemonic, features):
            return decision.status, decision.reason
    return "refused", "is not emulated; it touches neither memory nor a port"


def _entry(form: Form) -> Entry:
    instructions = [decode(code, bits) for bits, code in form.examples.items()]
    done = {is_supported(instruction) for instruction in instructions}
    if done == {True}:
        return Entry(form, _place(RECIPES[instructions[0].string or form.mnemonic]), None)
    if len(done) > 1:
        raise LookupError(f"{form.name} is emulated in some of its modes only: {sorted(form.examples)}")
    for decision in DECISIONS:
        if (decision.status == "unread") == (not instructions) and decision.covers(form.mnemonic, form.features):
            return Entry(form, "", decision)
    raise LookupError(f"{form.name} ({form.syntax}) is neither emulated nor in emulate.unsupported")


def _place(function: Callable[..., object]) -> str:
    """Return where a recipe, or the pure function under it, is written."""
    return f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"
