"""docs/qemu.md: differences between QEMU's emulated CPUs and silicon, by mnemonic, with the simplest case of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import wrap

import attrs

from tests.campaign.run import forms, host_cpu
from tests.campaign.tally import Mismatch, State
from tests.cases.forms import operation
from tests.cpus.arbiter import Verdict
from tests.cpus.work import Tests

_LINES = 3


@attrs.frozen
class Judged:
    """A guest's campaign, whose the forms that differ are, and what its suites said."""

    state: State
    verdicts: Mapping[str, Verdict]
    tests: Tests | None

    def count(self, verdict: Verdict) -> int:
        """Return how many cases differ whose error it is."""
        return sum(self.state.tallies[name].differing for name, found in self.verdicts.items() if found is verdict)


@attrs.define
class _Departure:
    """Differences of one mnemonic: cases by model, the mnemonic's cases compared, the simplest of them."""

    by_model: dict[str, int]
    compared: int
    simplest: Mismatch | None


def departures(guests: Mapping[str, Judged], version: str, cases: int, seed: int) -> str:
    """Return the page."""
    return "\n".join(_lines(guests, version, cases, seed)) + "\n"


def _lines(guests: Mapping[str, Judged], version: str, cases: int, seed: int) -> Iterator[str]:
    yield "# Differences between QEMU and silicon"
    yield ""
    yield from wrap(
        f"QEMU {version} without hardware help (TCG), by `make test-cpus` with {cases} cases a form, seed {seed}, in "
        f"guests with these CPU models: {', '.join(guests)}. In a guest the emulated CPU judges pagetrap as a real one "
        "does: registers, defined flags, memory, faults. Listed is what differs there, and where a real CPU "
        f"({host_cpu()}), on the same cases, agrees with pagetrap. Much follows from what QEMU leaves out on purpose: "
        "alignment checks (EFLAGS.AC, SSE operands), the limits of segments, unmasked floating-point exceptions. "
        "In the lines below, silicon is what the guest took for its CPU.",
        120,
    )
    for verdict, title in (
        (Verdict.EMULATED, "QEMU's errors"),
        (Verdict.OPEN, "Not decided"),
        (Verdict.PAGETRAP, "Errors of pagetrap"),
    ):
        found = _grouped(guests, verdict)
        if not found and verdict is not Verdict.EMULATED:
            continue
        yield ""
        yield f"## {title}"
        yield ""
        if verdict is Verdict.OPEN:
            yield "The real CPU does not have these forms."
            yield ""
        yield "| mnemonic | cases that differ | for example | what differs | case |"
        yield "|---|---|---|---|---|"
        for mnemonic, departure in sorted(found.items()):
            yield f"| {mnemonic} | {_counts(departure)} | {_example(departure.simplest)} |"
    reports = {model: guest.tests for model, guest in guests.items() if guest.tests}
    for title, reported in (
        ("Tests that the real CPU passes", {model: tests.refuted for model, tests in reports.items()}),
        ("Tests that fail in a guest", {model: tests.failed for model, tests in reports.items()}),
    ):
        failures = [(model, test, why) for model, failed in reported.items() for test, why in failed.items()]
        if not failures:
            continue
        yield ""
        yield f"## {title}"
        yield ""
        yield "| model | test | says |"
        yield "|---|---|---|"
        for model, test, why in failures:
            yield f"| {model} | `{test}` | {why.replace('|', chr(0x2223))} |"


def _grouped(guests: Mapping[str, Judged], verdict: Verdict) -> dict[str, _Departure]:
    codes = forms()
    found: dict[str, _Departure] = {}
    for model, guest in guests.items():
        for name, whose in guest.verdicts.items():
            if whose is not verdict:
                continue
            tally, mnemonic = guest.state.tallies[name], operation(codes[name])
            departure = found.setdefault(mnemonic, _Departure({}, 0, None))
            departure.by_model[model] = departure.by_model.get(model, 0) + tally.differing
            departure.compared += tally.verified_in_all
            known = [departure.simplest] if departure.simplest else []
            departure.simplest = min([*known, *tally.mismatches.values()], key=lambda m: len(m.case), default=None)
    return found


def _counts(departure: _Departure) -> str:
    return ", ".join(f"{model} {count}" for model, count in departure.by_model.items())


def _example(mismatch: Mismatch | None) -> str:
    if mismatch is None:
        return "#UD for some operands only | |"
    lines = "; ".join(mismatch.lines[:_LINES]) + ("; …" if len(mismatch.lines) > _LINES else "")
    return f"`{mismatch.text}` ({mismatch.bits}-bit) | {lines} | `{mismatch.case}`"
