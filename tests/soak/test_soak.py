"""A minute of the soak test, and that it sees what it looks for."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.campaign.report import verification
from tests.campaign.tally import State, Tally
from tests.soak import figures
from tests.soak.judging import judge
from tests.soak.running import Outcome, native, traced
from tests.soak.scenario import ENGINES, Kill, Scenario, scenario
from tests.soak.trial import run

SEEDS = range(15)
PAGE = figures.PATH.parent / "verification.md"

each_engine = pytest.mark.parametrize("engine", ENGINES)


@pytest.mark.slow
@pytest.mark.timeout(400)  # a scenario that hangs is given 120 s, and says where
@each_engine
@pytest.mark.parametrize("seed", SEEDS)
def test_a_disturbed_program_ends_as_natively(tmp_path: Path, engine: str, seed: int) -> None:
    """Under any mixture of disturbances a program ends as natively, and its trace has each of its accesses."""
    trial = run(scenario(seed, engine), tmp_path)
    assert not trial.verdict.differences, str(trial)


@each_engine
def test_a_seed_makes_one_scenario(engine: str) -> None:
    """Scenarios are the same whenever they are made, and differ from one another."""
    made = [scenario(seed, engine) for seed in range(100)]
    assert made == [scenario(seed, engine) for seed in range(100)]
    assert len(set(map(str, made))) == 100


@each_engine
def test_all_kinds_of_disturbances_are_made(engine: str) -> None:
    """Among some hundred scenarios is every operation and every disturbance."""
    made = [scenario(seed, engine) for seed in range(500)]
    assert {word[0] for each in made for word in each.words} >= set("aAtjkhilufpxmsdwqK")
    assert {each.kill.victim for each in made if each.kill} == {"target", "tracer"}
    assert {each.way for each in made} == {"trace", "run"} | ({"attach"} if engine == "ptrace" else set())
    assert any(each.disk == 0 for each in made)
    assert any(each.disk for each in made)
    assert any(each.limit for each in made)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scenario, Outcome, Outcome]:
    """A scenario that nothing disturbs, and how it ended natively and traced."""
    made = Scenario(1, "ptrace", "trace", ("a1", "f2", "s3", "A4", "q5"))
    directory = tmp_path_factory.mktemp("soak")
    return made, native(made, directory / "native"), traced(made, directory / "traced")


def test_a_program_that_nothing_disturbs_passes(quiet: tuple[Scenario, Outcome, Outcome]) -> None:
    """Both outcomes are equal, and the program's own count is that of the records."""
    made, alone, watched = quiet
    assert judge(made, alone, watched).differences == ()
    assert watched.counters.started == watched.counters.done
    assert alone.status == 5


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"status": 6}, "exit status 6, not 5"),
        ({"output": "a1 0\n"}, "output differs in line 1"),
        ({"output": ""}, "output ends after 0 lines, natively after"),
        ({"contents": bytes(0x4000)}, "contents differ at"),
        ({"complaints": "Traceback (most recent call last):"}, "a traceback"),
        ({"complaints": "pagetrap: something"}, "complains: pagetrap: something"),
        ({"left": ("17 target",)}, "left behind: 17 target"),
        ({"hung": "17 target"}, "hangs"),
        ({"trace": Path("/nowhere/run.jsonl")}, "there is no trace"),
    ],
)
def test_each_difference_is_told(
    quiet: tuple[Scenario, Outcome, Outcome], change: dict[str, Any], difference: str
) -> None:
    """An outcome that is not the native one fails, in whatever it differs."""
    made, alone, watched = quiet
    verdict = judge(made, alone, attrs.evolve(watched, **change))
    assert any(line.startswith(difference) for line in verdict.differences), verdict


def test_lost_and_invented_records_are_told(quiet: tuple[Scenario, Outcome, Outcome], tmp_path: Path) -> None:
    """A trace that lacks one access, or has one more than the program made, fails; so does one that cannot be read."""
    made, alone, watched = quiet
    lines = watched.trace.read_text().splitlines(keepends=True)
    path = tmp_path / "run.jsonl"
    last = max(number for number, line in enumerate(lines) if '"direction"' in line)
    lost, extra = lines[:last] + lines[last + 1 :], lines[last].replace('"sequence":', '"sequence":9')
    for changed in (lost, [*lines, extra], [*lines, "{"]):
        path.write_text("".join(changed))
        assert judge(made, alone, attrs.evolve(watched, trace=path)).differences


def test_a_killed_program_may_end_early(quiet: tuple[Scenario, Outcome, Outcome]) -> None:
    """It ends by the signal, and what it has printed by then is the beginning of what it prints natively."""
    made, alone, watched = quiet
    killed = attrs.evolve(watched, killed=True, status=-9, output=alone.output[: alone.output.index("\n") + 1])
    made = attrs.evolve(made, kill=Kill("target", 9, 1))
    assert judge(made, alone, killed).differences == ()
    assert judge(made, alone, attrs.evolve(killed, status=-15)).differences


def test_the_section_is_the_only_one_that_changes() -> None:
    """Publishing figures leaves the other sections of the page alone, and a campaign's page has the figures."""
    report = figures.Report((figures.Figures("ptrace", scenarios=1234),), 7, 60, "a machine")
    page = PAGE.read_text()
    before = figures.replaced(page, report)
    assert "| scenarios | 1,234 |" in before
    assert figures.replaced(before, report) == before
    known = figures.Report.load()
    if known is not None:
        assert figures.replaced(before, known) == page
        campaign = State({"seed": 1, "cpu": "", "sources": ""}, {"ADD_RM8_R8": Tally()})
        assert "\n".join(figures.section(known)) in verification(campaign)
