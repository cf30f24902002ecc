"""What a soak test has done, by engine: docs/soak.json, and as a table of docs/verification.md."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Final

import attrs

from tests.soak.judging import Verdict
from tests.soak.running import Outcome
from tests.soak.scenario import Scenario

PATH: Final = Path(__file__).parents[2] / "docs/soak.json"
HEADING: Final = "## Soak test"


@attrs.define
class Figures:
    """Sums over the scenarios of an engine, as they were under pagetrap.

    Attributes:
        engine: of the scenarios.
        scenarios, failures: how many there were, and how many of them ended differently from a native run.
        operations: of the programs' scripts.
        records: accesses in the traces.
        signals, jumps: handled by the programs, and left by siglongjmp.
        threads, forks, execs, mappings, calls: that the programs made; calls are those with a buffer on the device.
        targets_killed, tracers_killed: by a signal from outside, in time.
        attached: programs that pagetrap was attached to.
        disks_full: traces that did not fit.
        few_descriptors, refused: runs with 12 to 64 descriptors, and how many of them pagetrap gave up, saying so.
    """

    engine: str
    scenarios: int = 0
    failures: int = 0
    operations: int = 0
    records: int = 0
    signals: int = 0
    jumps: int = 0
    threads: int = 0
    forks: int = 0
    execs: int = 0
    mappings: int = 0
    calls: int = 0
    targets_killed: int = 0
    tracers_killed: int = 0
    attached: int = 0
    disks_full: int = 0
    few_descriptors: int = 0
    refused: int = 0

    def add(self, scenario: Scenario, traced: Outcome, verdict: Verdict) -> None:
        """Add a scenario."""
        self.scenarios += 1
        self.failures += bool(verdict.differences)
        self.records += verdict.records
        for name in ("operations", "signals", "jumps", "threads", "forks", "execs", "mappings", "calls"):
            setattr(self, name, getattr(self, name) + getattr(traced.counters, name))
        victim = scenario.kill.victim if scenario.kill and traced.killed else ""
        self.targets_killed += victim == "target"
        self.tracers_killed += victim == "tracer"
        self.attached += traced.tracer_status is not None
        self.disks_full += verdict.disk_full
        self.few_descriptors += scenario.limit is not None
        self.refused += verdict.refused


@attrs.frozen
class Report:
    """A soak test: its figures, and what it was a test of."""

    figures: tuple[Figures, ...]
    seed: int
    seconds: int
    system: str

    def save(self, path: Path = PATH) -> None:
        """Write it to the file."""
        path.write_text(json.dumps(attrs.asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path = PATH) -> Report | None:
        """Return what the file has; None when there is none."""
        if not path.exists():
            return None
        known = json.loads(path.read_text())
        return cls(**{**known, "figures": tuple(Figures(**figures) for figures in known["figures"])})


def system(cpu: str) -> str:
    """Return where it ran."""
    return f"{cpu}, Linux {platform.release()}, Python {platform.python_version()}"


_ROWS: Final = (
    ("scenarios", "scenarios"),
    ("operations of their scripts", "operations"),
    ("accesses recorded", "records"),
    ("signals handled", "signals"),
    ("handlers left by siglongjmp", "jumps"),
    ("threads", "threads"),
    ("children", "forks"),
    ("execve", "execs"),
    ("changes of mappings", "mappings"),
    ("system calls on the device", "calls"),
    ("programs attached to", "attached"),
    ("programs killed", "targets_killed"),
    ("tracers killed", "tracers_killed"),
    ("traces on a full disk", "disks_full"),
    ("runs with 12 to 64 descriptors", "few_descriptors"),
    ("of these refused by pagetrap with a message", "refused"),
    ("ended differently from a native run", "failures"),
)


def table(figures: Iterable[Figures]) -> Iterator[str]:
    """Return the lines of a table, a column an engine."""
    columns = tuple(figures)
    yield f"| | {' | '.join(column.engine for column in columns)} |"
    yield f"|---|{'--:|' * len(columns)}"
    for text, name in _ROWS:
        yield f"| {text} | {' | '.join(f'{getattr(column, name):,}' for column in columns)} |"


def section(report: Report | None) -> Iterator[str]:
    """Return the lines of the section; none when there was no test."""
    if report is None:
        return
    yield HEADING
    yield ""
    yield from wrap(
        "Programs under random mixtures of signals, threads, children, execve, changes of mappings, system calls on "
        "the device, kills of program and tracer, full disks and few descriptors. Each must end with the exit status, "
        "output, contents and number of records of a native run ([how](correctness.md#methods-in-detail)). Generated "
        f"by `make soak SECONDS={report.seconds} SEED={report.seed} PUBLISH=1` on {report.system}.",
        120,
    )
    yield ""
    yield from table(report.figures)
    yield ""


def replaced(page: str, report: Report) -> str:
    """Return the page docs/verification.md with this section up to date."""
    before, heading, rest = page.partition(HEADING)
    if not heading:
        before, _, rest = page.partition("## Mismatches")
        rest = f"\n## Mismatches{rest}"
    return before + "\n".join(section(report)) + rest[rest.index("\n## ") :]
