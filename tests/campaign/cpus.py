"""docs/cpus.json: the CPUs that the emulator has been compared with, a row each, as a table of docs/verification.md.

A machine adds its own row and keeps those of the others: `make campaign` that of the real CPU, `make test-cpus` those
of emulated ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, Final

import attrs

from tests.campaign.tally import State
from tests.cases.forms import CODE_NAMES
from tests.oracle.hidden import needed

PATH: Final = Path(__file__).parents[2] / "docs/cpus.json"
HEADING: Final = "## CPUs"


@attrs.frozen
class Row:
    """What was compared on one CPU.

    Attributes:
        cpu: its name, and the numbers that tell steppings apart; of an emulated one, the emulator and its model.
        vendor: as CPUID says.
        silicon: whether it is real.
        features: of the forms compared, as iced-x86 calls them.
        judged, forms: forms of which cases were compared, of how many that are emulated.
        cases, differing: cases compared, and how many of them differ.
        refuted: of those that differ, how many the real CPU of the same run decided for pagetrap.
        undecided: how many it could not decide, lacking the form.
        tests: what the suites said, "" when they were not run.
        sources: what was compared, as `run.identity` has it.
    """

    cpu: str
    vendor: str
    silicon: bool
    features: tuple[str, ...]
    judged: int
    forms: int
    cases: int
    differing: int
    sources: str
    refuted: int = 0
    undecided: int = 0
    tests: str = ""


def row_of(state: State, cpu: str, vendor: str, *, silicon: bool) -> Row:
    """Return the row of a campaign."""
    verified = _verified(state)
    return Row(
        cpu,
        vendor,
        silicon,
        features=tuple(sorted(features(state))),
        judged=len(verified),
        forms=len(state.tallies),
        cases=sum(tally.verified_in_all for tally in state.tallies.values()),
        differing=sum(tally.differing for tally in state.tallies.values()),
        sources=state.identity["sources"],
    )


def features(state: State) -> set[str]:
    """Return the CPUID features that the forms compared need, as iced-x86 calls them."""
    codes = {name: code for code, name in CODE_NAMES.items()}
    return {feature for name in _verified(state) for feature in needed(codes[name])}


def _verified(state: State) -> list[str]:
    return [name for name, tally in state.tallies.items() if tally.verified_in_all]


def load(path: Path = PATH) -> list[Row]:
    """Return the rows in the file."""
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    return [Row(**{**row, "features": tuple(row["features"])}) for row in rows]


def record(rows: Iterable[Row], path: Path = PATH) -> list[Row]:
    """Write rows to the file, in the place of those of the same CPUs; return all that are in it now.

    A row without tests keeps those of the one before.
    """
    new = {row.cpu: row for row in load(path)}
    for row in rows:
        new[row.cpu] = attrs.evolve(row, tests=row.tests or new.get(row.cpu, row).tests)
    known = sorted(new.values(), key=lambda row: (not row.silicon, row.cpu))
    lines = ",\n".join(json.dumps(attrs.asdict(row)) for row in known)
    path.write_text(f"[\n{lines}\n]\n")
    return known


def table(rows: list[Row]) -> Iterator[str]:
    """Return the lines of the section."""
    common = set.intersection(*(set(row.features) for row in rows)) if rows else set()
    yield HEADING
    yield ""
    yield from wrap(
        "The CPUs that the emulator was compared with, from docs/cpus.json. A form is counted if at least one of "
        "its cases was compared; the features are those of the counted forms that not all of these CPUs have. "
        "Emulated CPUs are QEMU guests without hardware virtualisation (`make test-cpus`). Where their results "
        "differ, the same cases were executed on the real CPU of the machine, and [qemu.md](qemu.md) lists QEMU's "
        "errors. The cases of a row belong to the sources at its time.",
        120,
    )
    yield ""
    yield "| CPU | vendor | features | forms compared | cases | differ | of these errors of the emulated CPU | tests |"
    yield "|---|---|---|--:|--:|--:|--:|---|"
    for row in rows:
        kind = "real" if row.silicon else "emulated"
        shown = " ".join(feature for feature in row.features if feature not in common) or "-"
        errors = "" if row.silicon else f"{row.refuted:,}" + (f", {row.undecided:,} open" if row.undecided else "")
        yield (
            f"| {row.cpu}, {kind} | {row.vendor} | {shown} | {row.judged:,} of {row.forms:,} | {row.cases:,} "
            f"| {row.differing:,} | {errors} | {row.tests or '-'} |"
        )
    yield ""


def replaced(page: str, rows: list[Row]) -> str:
    """Return the page docs/verification.md with this section up to date."""
    before, heading, rest = page.partition(HEADING)
    if not heading:
        before, _, rest = page.partition("## Mismatches")
        rest = f"\n## Mismatches{rest}"
    return before + "\n".join(table(rows)) + rest[rest.index("\n## ") :]
