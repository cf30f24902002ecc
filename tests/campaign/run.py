"""A campaign on all cores: one process a core, each with its own child on the CPU.

Work is given out in rounds over all forms, so that a campaign stopped early has been everywhere.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import attrs
from iced_x86 import Code_

from decode import DecodeError, decode
from emulate.recipes import RECIPES
from tests.campaign.shrink import shrink
from tests.campaign.tally import Mismatch, State, Tally
from tests.campaign.trial import MODES, Subject, Trial, Verdict, make_case, mode_of_case
from tests.cases.forms import CODE_NAMES, Unbuildable, all_codes, operation
from tests.oracle.case import Case
from tests.oracle.hidden import hidden, needed, taken_for_others
from tests.oracle.silicon import SiliconEngine

ROUND = 50
SHRUNK = 3  # mismatches of a form and kind that a stretch of cases shrinks, to keep the simplest
SAVED_EVERY = 10.0  # seconds
_SOURCES = ("decode", "emulate", "tests/oracle", "tests/cases")
_TOP = Path(__file__).parents[2]


@attrs.frozen
class Stretch:
    """Cases `start` to `stop` of one form."""

    code: Code_
    start: int
    stop: int


def forms() -> dict[str, Code_]:
    """Every form that the emulator knows and cases can be made for, by name."""
    found = {code for bits in MODES for code in all_codes(bits) if operation(code) in RECIPES}
    return {CODE_NAMES[code]: code for code in sorted(found)}


def host_cpu() -> str:
    """This machine's CPU, by name and by the numbers that tell steppings apart."""
    info = Path("/proc/cpuinfo").read_text()
    fields = dict(re.findall(r"^(\w[\w ]*?)\s*: (.*)$", info.partition("\n\n")[0], re.MULTILINE))
    numbers = ", ".join(f"{name} {fields.get(name, '?')}" for name in ("cpu family", "model", "stepping", "microcode"))
    return f"{fields.get('model name', 'unknown')} ({numbers})"


def identity(subject: Subject, seed: int, bits: int | None) -> dict[str, str | int | None]:
    """What makes two campaigns the same one: the cases, the CPU and the sources of all that takes part."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_TOP / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    sources = digest.hexdigest()[:16]
    same = {"subject": subject, "seed": seed, "bits": bits, "cpu": host_cpu(), "sources": sources}
    return same | ({"hidden": " ".join(sorted(hidden()))} if hidden() else {})


class Campaign:
    """Cases 0 to `cases` of every form, but for those `state` has already, in one mode only if `bits` says so."""

    def __init__(self, state: State, path: Path, cases: int, codes: dict[str, Code_]) -> None:
        self.state = state
        self.path = path
        self.cases = cases
        self.codes = codes

    def run(self, seconds: float | None = None) -> None:
        """Run until all cases are done or the time is over; what is done is saved, however it ends."""
        began, saved = time.monotonic(), time.monotonic()
        before = self.state.cases
        seed, subject, bits = (self.state.identity[name] for name in ("seed", "subject", "bits"))
        work = functools.partial(run_stretch, seed=seed, bits=bits)
        context = multiprocessing.get_context("fork")
        processes = ProcessPoolExecutor(os.cpu_count(), context, _begin, (subject,))
        try:
            for stretches in self._rounds():
                for name, tally in processes.map(work, stretches, chunksize=4):
                    self.state.tallies.setdefault(name, Tally()).merge(tally)
                    now = time.monotonic()
                    if now - saved > SAVED_EVERY:
                        saved = now
                        self.state.save(self.path)
                        self._progress((self.state.cases - before) / (now - began))
                    if seconds is not None and now - began > seconds:
                        return
        finally:
            processes.shutdown(cancel_futures=True)
            self.state.save(self.path)
            self._progress((self.state.cases - before) / (time.monotonic() - began))
            print(file=sys.stderr)

    def _rounds(self) -> Iterator[list[Stretch]]:
        while True:
            stretches = []
            for name, code in self.codes.items():
                start = self.state.tallies[name].done if name in self.state.tallies else 0
                if start < self.cases:
                    stretches.append(Stretch(code, start, min(start + ROUND, self.cases)))
            if not stretches:
                return
            yield stretches

    def _progress(self, pace: float) -> None:
        total, done = self.cases * len(self.codes), self.state.cases
        left = f", {(total - done) / pace / 60:.0f} minutes left" if pace and done < total else ""
        wrong = sum(tally.differing for tally in self.state.tallies.values())
        line = f"{done:,} of {total:,} cases, {pace:,.0f}/s, {wrong:,} mismatches{left}"
        print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)


_trial: Trial


def _begin(subject: Subject) -> None:
    """Make this process ready to work; Ctrl-C is the parent's to handle."""
    global _trial
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _trial = Trial(SiliconEngine(), subject)  # of its own: a child on the CPU obeys the process that made it


def run_stretch(stretch: Stretch, seed: int, bits: int | None) -> tuple[str, Tally]:
    """Run a stretch of cases in a worker; return the form's name and what they showed."""
    name = CODE_NAMES[stretch.code]
    return name, tally_of(_trial, stretch, seed, bits)


def tally_of(trial: Trial, stretch: Stretch, seed: int, bits: int | None) -> Tally:
    """Run a stretch of cases; return what they showed."""
    tally = Tally(stretch.stop)
    name = CODE_NAMES[stretch.code]
    for number in range(stretch.start, stretch.stop):
        mode = mode_of_case(stretch.code, number)
        if bits not in (None, mode):
            continue
        if needed(stretch.code) & hidden():
            tally.count(mode, Verdict("not run", ("its CPU feature is hidden",)))
            continue
        if needed(stretch.code) & taken_for_others():
            tally.count(mode, Verdict("not run", ("this CPU takes it for another instruction",)))
            continue
        try:
            case = make_case(seed, stretch.code, name, number)
        except Unbuildable:
            tally.count(mode, Verdict("not run", ("no choice of operands could be encoded",)))
            continue
        verdict = trial.run(case)
        tally.count(mode, verdict)
        if verdict.mismatch:
            known = tally.mismatches.get(verdict.kind)
            tally.add(verdict.kind, _described(trial, case, verdict, known is None or known.count < SHRUNK))
    return tally


def _described(trial: Trial, case: Case, verdict: Verdict, simple: bool) -> Mismatch:
    """Write a mismatch down, its case made simple first if that is asked for."""
    case = trial.prepare(case)
    if simple:
        case = shrink(case, lambda candidate: trial.run(candidate).kind == verdict.kind)
        verdict = trial.run(case)
    try:
        text = decode(case.code, case.bits).format(case.ip)
    except DecodeError:
        text = case.code.hex(" ")
    return Mismatch(1, repr(case), case.bits, text, list(verdict.detail))
