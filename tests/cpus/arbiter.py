"""Who is right where a guest's result differs: the same case, by its number, is run on the real CPU of this machine.

So are tests that failed in the guest, where the CPU is the judge.
"""

from __future__ import annotations

import enum
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import attrs

from tests.campaign.run import Campaign, forms, identity
from tests.campaign.tally import State, Tally
from tests.campaign.trial import MODES
from tests.cpus import work
from tests.cpus.work import Tests
from tests.oracle.hidden import VARIABLE


class Verdict(enum.Enum):
    """Whose error a difference is."""

    EMULATED = "the emulated CPU's"
    PAGETRAP = "pagetrap's"
    OPEN = "undecided: this machine's CPU does not have the form"


def truth(path: Path, cases: int, seed: int) -> State:
    """Run the cases that the guests get on this machine's CPU; what has been run before is in the file."""
    state = State.load(path, identity("pagetrap", seed, None))
    Campaign(state, path, cases, forms()).run()
    return state


def verdict(emulated: Tally, real: Tally | None) -> Verdict:
    """Say whose the differences of a form are.

    A case depends on seed, form and number only, so `real` has the verdicts of the very cases that differ in the guest.
    """
    if real is None or not all(real.has(bits) for bits in MODES if emulated.has(bits)):
        return Verdict.OPEN
    return Verdict.PAGETRAP if real.differing else Verdict.EMULATED


def differing(guest: State, real: State) -> dict[str, Verdict]:
    """Return the forms whose cases differ in a guest, by name, and whose error it is."""
    return {
        name: verdict(tally, real.tallies.get(name)) for name, tally in sorted(guest.tallies.items()) if tally.differing
    }


def refuted(tests: Tests, lacks: Iterable[str]) -> Tests:
    """Run the failed tests that the CPU judges on this machine's; those that pass here the emulated CPU got wrong.

    Args:
        tests: what the suites of a guest said.
        lacks: the features that its CPU lacks and the real one has, which are hidden here.
    """
    environment = os.environ | {VARIABLE: ",".join(sorted(lacks))}
    wrong = dict(tests.failed)
    for test, name in tests.silicon.items():
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
        done = subprocess.run(command, cwd=work.TOP, env=environment, capture_output=True, check=False)
        if done.returncode == 0:
            del wrong[name]
    return attrs.evolve(
        tests, failed=wrong, refuted={name: why for name, why in tests.failed.items() if name not in wrong}
    )
