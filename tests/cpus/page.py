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
        "QEMU can emulate an x86 CPU without hardware help (TCG). This page lists the instructions whose result there "
        "differs from that of a real CPU, found while pagetrap's own emulator was compared with both. It is of use to "
        "those who run code in QEMU and get other results than on hardware.",
        120,
    )
    yield ""
    yield from wrap(
        f"It is made by `make test-cpus`, with QEMU {version}, {cases} cases a form, seed {seed}, and these CPU "
        f"models: {', '.join(guests)}. In each guest the same cases run on the emulated CPU and in pagetrap: "
        "registers, defined flags, memory and faults are compared. A difference is listed here when a real CPU "
        f"({host_cpu()}) agrees with pagetrap on the same case. Many come from what QEMU leaves out on purpose: "
        "alignment checks (EFLAGS.AC, SSE operands), the limits of segments, unmasked floating-point exceptions. "
        "In the column of differences, *silicon* is the CPU of the guest.",
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
