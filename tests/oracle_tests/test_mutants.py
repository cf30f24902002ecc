"""The suite notices faults: a few here, all of them by `make mutants`."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.mutants.__main__ import run
from tests.mutants.table import CONTROL, MUTANTS, Mutant
from tests.oracle.host import need_silicon

TOP = Path(__file__).parents[2]
HANDFUL = ("MOVSX reads twice", "XCHG not locked", "ADC loses the carry", "PUSH moves the pointer before it writes")


@pytest.mark.parametrize("mutant", [*MUTANTS, CONTROL], ids=lambda mutant: mutant.name)
def test_the_text_to_replace_exists(mutant: Mutant) -> None:
    """Every fault can be put in: its text stands in its module, once."""
    source = (TOP / (mutant.module.replace(".", "/") + ".py")).read_text()
    assert source.count(mutant.old) == 1


@pytest.mark.parametrize("name", HANDFUL)
def test_a_fault_is_noticed_by_its_law(name: str) -> None:
    """The law that is there for a kind of fault notices it."""
    need_silicon()
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    assert run(mutant) == mutant.law


def test_without_a_fault_the_laws_hold() -> None:
    """What the laws say of mutants means something: on the same cases, the sources as they are pass them all."""
    need_silicon()
    operations = " ".join(mutant.operations for mutant in MUTANTS if mutant.name in HANDFUL)
    assert run(attrs.evolve(CONTROL, operations=operations)) == ""
