"""The suite notices faults: a few here, all of them by `make mutants`."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import attrs
import pytest

from tests.mutants import judge
from tests.mutants.judge import run
from tests.mutants.mutant import Fault, MmioMutant, Mutant
from tests.mutants.table import CONTROLS, MUTANTS
from tests.native import ROOT
from tests.oracle.host import need_silicon

HANDFUL = ("MOVSX reads twice", "XCHG not locked", "ADC loses the carry", "PUSH moves the pointer before it writes")
TESTED_HANDFUL = (
    "an atomic is recorded without its flag",
    "what a copy loads is recorded as emulated",
    "a fault in a copy is reported in the copy",  # in a process that the test starts
)
TESTED = [fault for fault in MUTANTS if isinstance(fault, MmioMutant)]


def packages() -> list[str]:
    """Every package of mmio that has modules of its own."""
    modules = (path.relative_to(ROOT) for path in (ROOT / "mmio").rglob("*.py") if path.name != "__init__.py")
    return sorted({str(module.parent).replace("/", ".") for module in modules})


@pytest.mark.parametrize("fault", [*MUTANTS, *CONTROLS], ids=lambda fault: fault.name)
def test_the_text_to_replace_exists(fault: Fault) -> None:
    """Every fault can be put in: its text stands in its module, once, and another takes its place, which is Python."""
    text = (ROOT / fault.path).read_text()
    assert text.count(fault.old) == 1
    compile(text.replace(fault.old, fault.new), fault.path, "exec")
    assert fault.old != fault.new or fault in CONTROLS


def test_the_page_counts_them() -> None:
    """docs/correctness.md says how many faults there are."""
    page = (ROOT / "docs" / "correctness.md").read_text()
    assert f"The {len(MUTANTS) - len(TESTED)} of `decode` and `emulate`" in page
    assert f"The {len(TESTED)} of `mmio`" in page


def test_every_name_is_one_faults() -> None:
    """A line of the report is about one fault."""
    assert [name for name, count in Counter(fault.name for fault in MUTANTS).items() if count > 1] == []


def test_tests_that_never_end_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault may keep the end of a test from ending, which no timeout of a test reaches."""
    monkeypatch.setattr(judge, "END_TIMEOUT", 0.1)
    monkeypatch.setattr(judge, "TEST_TIMEOUT", 0)
    assert run(TESTED[0]) == "tests that took over 0.1 s"


@pytest.mark.parametrize("package", packages())
def test_every_package_has_mutants(package: str) -> None:
    """There is no package of mmio without a mutant that its tests must notice."""
    assert [fault for fault in MUTANTS if fault.module.rpartition(".")[0] == package]


@pytest.mark.parametrize(
    "fault", [fault for fault in MUTANTS if isinstance(fault, MmioMutant)], ids=lambda fault: fault.name
)
def test_the_tests_exist(fault: MmioMutant) -> None:
    """Each test that is expected to notice a fault of mmio exists."""
    for test in fault.tests.split():
        path, _, name = test.partition("::")
        assert name in ("", *_functions(ROOT / "tests" / "mmio" / path))


def _functions(path: Path) -> list[str]:
    return [node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("name", HANDFUL)
def test_a_fault_is_noticed_by_its_law(name: str) -> None:
    """The law that is there for a kind of fault notices it."""
    need_silicon()
    (mutant,) = (mutant for mutant in MUTANTS if mutant.name == name)
    assert isinstance(mutant, Mutant)
    assert run(mutant) == mutant.law


@pytest.mark.parametrize("name", TESTED_HANDFUL)
def test_a_fault_is_noticed_by_its_test(name: str) -> None:
    """The test that is there for a fault of mmio notices it, also in a process that it starts."""
    (mutant,) = (mutant for mutant in TESTED if mutant.name == name)
    assert run(mutant) in mutant.tests.split()


def test_without_a_fault_the_laws_hold() -> None:
    """What the laws say of mutants means something: on the same cases, the sources as they are pass them all."""
    need_silicon()
    (control,) = (control for control in CONTROLS if isinstance(control, Mutant))
    operations = [mutant.operations for mutant in MUTANTS if isinstance(mutant, Mutant) and mutant.name in HANDFUL]
    assert run(attrs.evolve(control, operations=" ".join(operations))) == ""


def test_without_a_fault_the_tests_pass() -> None:
    """What tests say of mutants means something: in a copy of the sources as they are, they pass."""
    (control,) = (control for control in CONTROLS if isinstance(control, MmioMutant))
    tests = [mutant.tests for mutant in TESTED if mutant.name in TESTED_HANDFUL]
    assert run(attrs.evolve(control, tests=" ".join(tests))) == ""
