"""One scenario, run both ways and judged."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

from tests.soak.judging import Verdict, judge
from tests.soak.running import Outcome, native, traced
from tests.soak.scenario import Scenario


class Trial(NamedTuple):
    """A scenario, how it ended under pagetrap, and the verdict."""

    scenario: Scenario
    traced: Outcome
    verdict: Verdict

    def __str__(self) -> str:
        """Return what is wrong, and the command that repeats it."""
        lines = (f"FAILED: {self.scenario}", *self.verdict.differences, f"again: {self.scenario.repeat}")
        return "\n    ".join(lines)


def run(made: Scenario, keep: Path, *, whatever: bool = False) -> Trial:
    """Run a scenario both ways and judge it; its files are kept when it fails, or `whatever` it does."""
    directory = keep / f"{made.engine}-{made.seed}"
    rmtree(directory, ignore_errors=True)
    alone, watched = native(made, directory / "native"), traced(made, directory / "traced")
    verdict = judge(made, alone, watched)
    if not verdict.differences and not whatever:
        rmtree(directory)
    return Trial(made, watched, verdict)
