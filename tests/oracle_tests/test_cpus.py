"""Rows of CPUs are kept, and what differs on an emulated CPU is judged by the real one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from tests.campaign import cpus
from tests.campaign.tally import Mismatch, State, Tally
from tests.campaign.trial import Verdict as Result
from tests.cpus import arbiter, sample, work
from tests.cpus.arbiter import Verdict
from tests.cpus.page import Judged, departures

TOP = Path(__file__).parents[2]
FORM = "ADD_RM32_R32"
ZEN = cpus.Row("Zen", "AuthenticAMD", True, ("AVX", "X64"), 1700, 1786, 5000, 0, "1")
OLD = cpus.Row("QEMU old", "GenuineIntel", False, ("X64",), 1000, 1786, 3000, 7, "1", refuted=6, undecided=1)


def tally(*kinds: str, bits: int = 64) -> Tally:
    """Return the tally of cases of one form with these verdicts."""
    counted = Tally(len(kinds))
    for kind in kinds:
        counted.count(bits, Result(kind, ("a reason",)))
        if kind == "mismatch":
            counted.add(kind, Mismatch(1, "Case(...)", bits, "add eax,ebx", ["rax: silicon 0x1, pagetrap 0x2"]))
    return counted


def state(counted: Tally) -> State:
    """Return a campaign of one form."""
    return State({"subject": "pagetrap", "sources": "1"}, {FORM: counted})


def test_a_row_replaces_that_of_its_cpu_only(tmp_path: Path) -> None:
    """A machine's second row takes the place of its first, but for its tests; the others stay; real CPUs come first."""
    path = tmp_path / "cpus.json"
    cpus.record([OLD, cpus.Row("Zen", "AuthenticAMD", True, (), 1, 1, 1, 0, "0", tests="3 passed")], path)
    assert cpus.record([ZEN], path) == cpus.load(path) == [attrs.evolve(ZEN, tests="3 passed"), OLD]


def test_a_row_counts_forms_cases_and_features() -> None:
    """Forms count when a case of them was compared, and features are those of such forms."""
    row = cpus.row_of(state(tally("equal", "mismatch")), "a CPU", "a vendor", silicon=True)
    assert (row.judged, row.forms, row.cases, row.differing, row.features) == (1, 1, 2, 1, ("INTEL386",))
    row = cpus.row_of(state(tally("illegal", "not run")), "a CPU", "a vendor", silicon=True)
    assert (row.judged, row.forms, row.cases, row.features) == (0, 1, 0, ())


def test_the_table_takes_the_place_of_the_one_before() -> None:
    """The section is put before the mismatches, and only it changes after that."""
    page = "# Verification\n\nwords\n\n## Mismatches\n\nNone.\n"
    first = cpus.replaced(page, [OLD])
    both = cpus.replaced(first, [ZEN, OLD])
    assert first.startswith("# Verification\n\nwords\n\n## CPUs\n")
    assert both.endswith("\n\n## Mismatches\n\nNone.\n")
    assert both.count("## CPUs") == both.count("## Mismatches") == 1
    assert "| Zen, real | AuthenticAMD | AVX | 1,700 of 1,786 | 5,000 | 0 |  | - |" in both
    assert "| QEMU old, emulated | GenuineIntel | - | 1,000 of 1,786 | 3,000 | 7 | 6, 1 open | - |" in both


def test_the_page_has_every_row() -> None:
    """docs/verification.md has the table of docs/cpus.json."""
    text = (TOP / "docs/verification.md").read_text()
    assert text == cpus.replaced(text, cpus.load()), "run make campaign or make test-cpus"


@pytest.mark.parametrize(
    ("real", "whose"),
    [
        (tally("equal", "equal fault"), Verdict.EMULATED),
        (tally("equal", "mismatch"), Verdict.PAGETRAP),
        (tally("illegal", "illegal"), Verdict.OPEN),
        (tally("equal", bits=32), Verdict.OPEN),
        (None, Verdict.OPEN),
    ],
)
def test_the_real_cpu_judges(real: Tally | None, whose: Verdict) -> None:
    """A difference is QEMU's where silicon agrees with pagetrap, and open where silicon lacks the form in that mode."""
    assert arbiter.verdict(tally("equal", "mismatch"), real) is whose


def test_the_page_lists_departures_and_failed_tests() -> None:
    """A departure has its mnemonic, how many cases of each model, and an example; a failed test its first line."""
    guest = state(tally("equal", "mismatch", "mismatch"))
    reported = work.Tests(3, 0, {"tests.a::test_b": "assert 1 == 2"}, refuted={"tests.a::test_c": "no fault"})
    judged = Judged(guest, arbiter.differing(guest, state(tally("equal"))), reported)
    page = departures({"old": judged}, "7.2", 3, 1)
    assert "| add | old 2 | `add eax,ebx` (64-bit) | rax: silicon 0x1, pagetrap 0x2 | `Case(...)` |" in page
    failed, passed = page.index("## Tests that fail in a guest"), page.index("## Tests that the real CPU passes")
    assert page.index("| old | `tests.a::test_b` | assert 1 == 2 |") > failed > passed
    assert passed < page.index("| old | `tests.a::test_c` | no fault |") < failed
    assert "Not decided" not in page
    assert "Errors of pagetrap" not in page


def test_reports_of_the_suites(tmp_path: Path) -> None:
    """Passed, skipped and failed tests are distinguished; without a report there is none."""
    assert work.tests(tmp_path) is None
    (tmp_path / work.JUNIT).write_text(
        "<testsuites><testsuite><testcase classname='a' name='b'/>"
        "<testcase classname='a' name='c'><skipped/></testcase>"
        "<testcase classname='a' name='d'><failure message='no&#10;more'/></testcase>"
        "<testcase classname='a' name='e'><properties><property name='silicon' value='a.py::e'/></properties>"
        "<failure message='silicon says no'/></testcase></testsuite></testsuites>"
    )
    found = work.tests(tmp_path)
    assert found == work.Tests(1, 1, {"a::d": "no", "a::e": "silicon says no"}, {"a.py::e": "a::e"})
    assert str(found) == "1 passed, 2 failed, 1 skipped"


def test_the_suites_run_on_the_real_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are reported as a guest's suites are, and the report of an earlier run is not taken for a new one."""
    results = tmp_path / "silicon"
    module = tmp_path / "test_of_the_cpu.py"
    module.write_text("def test_right():\n    pass\n\ndef test_wrong():\n    raise AssertionError('no')\n")
    monkeypatch.setattr(work, "SUITES", (str(module),))
    found = work.run_suites(results)
    assert found is not None
    assert (found.passed, list(found.failed.values())) == (1, ["AssertionError: no"])
    monkeypatch.setattr(work, "SUITES", ("--no-such-option",))
    assert work.run_suites(results) is None


def test_the_real_cpu_judges_tests_that_failed(tmp_path: Path) -> None:
    """A test that the CPU judges is run here without the features of the guest's lack; others stay failures."""
    module = tmp_path / "test_of_the_cpu.py"
    module.write_text(
        "import os\n\n"
        "def test_right():\n    assert os.environ['PAGETRAP_HIDE'] == 'AVX,BMI1'\n\n"
        "def test_wrong():\n    raise AssertionError\n"
    )
    failed = {"m::test_right": "a", "m::test_wrong": "b", "m::test_other": "c"}
    judged = {f"{module}::test_right": "m::test_right", f"{module}::test_wrong": "m::test_wrong"}
    found = arbiter.refuted(work.Tests(1, 0, failed, judged), {"BMI1", "AVX"})
    assert found.refuted == {"m::test_right": "a"}
    assert found.failed == {"m::test_wrong": "b", "m::test_other": "c"}
    assert str(found) == "1 passed, 2 failed, 1 the emulated CPU's errors"


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without QEMU the command says which package has it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run([sys.executable, "-m", "tests.cpus"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "make test-cpus needs qemu-system-x86_64 (apt-get install qemu-system-x86)\n"


@pytest.mark.parametrize(
    ("cases", "kept"), [(1, [0]), (5, [0, 1, 2, 3, 4]), (6, [0, 1, 2, 3, 5]), (101, [0, 25, 50, 75, 100])]
)
def test_a_sample_has_the_first_and_the_last_case(cases: int, kept: list[int]) -> None:
    """A guest runs cases that are spread over all of a test, and every case of a test that has few."""
    assert sample.spaced(list(range(cases)), 5) == kept
