"""Hypothesis strategies every test module may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import reject
from hypothesis import strategies as st
from iced_x86 import Code_

from tests.cases.build import build_case
from tests.cases.forms import Unbuildable
from tests.oracle.case import Case

T = TypeVar("T")


class _DrawChooser:
    """Choices drawn by hypothesis, which shrinks them."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        """Return one of the options."""
        return options[self._draw(st.integers(0, len(options) - 1))]

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        return self._draw(st.integers(low, high))


@st.composite
def instruction_cases(draw: st.DrawFn, codes: Sequence[Code_], bits: int = 64) -> Case:
    """Cases for iced-x86 codes that are `buildable` in a mode, ready to run on any engine."""
    code = draw(st.sampled_from(codes))
    try:
        return build_case(code, bits, _DrawChooser(draw))
    except Unbuildable:
        reject()
