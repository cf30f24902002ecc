"""Who is right where a guest's result differs: the same case, by its number, is run on the real CPU of this machine."""

from __future__ import annotations

import enum
from pathlib import Path

from tests.campaign.run import Campaign, forms, identity
from tests.campaign.tally import State, Tally
from tests.campaign.trial import MODES


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
