"""A campaign makes the same cases each time, continues where it was, and tells mismatches simply."""

from __future__ import annotations

import random
from pathlib import Path

import attrs
import pytest
from iced_x86 import Code

from tests.campaign.report import untestable, verification
from tests.campaign.run import Campaign, Stretch, forms, identity, tally_of
from tests.campaign.shrink import shrink
from tests.campaign.tally import State, Tally
from tests.campaign.trial import MODES, Trial, make_case, mode_of_case
from tests.campaign.unicorn_report import departures
from tests.cases.build import random_case
from tests.oracle.case import Case, Outcome
from tests.oracle.host import need_silicon
from tests.oracle.pagetrap import PagetrapEngine

NAME, CODE = "ADD_RM32_R32", Code.ADD_RM32_R32
IDENTITY = {"subject": "pagetrap", "seed": 1, "bits": None, "cpu": "a CPU", "sources": "0"}


class Wrong:
    """The emulator, but EBX is one too many whenever ECX is odd."""

    name = "wrong"

    def run(self, case: Case) -> Outcome:
        """Run a case wrongly."""
        outcome = PagetrapEngine().run(case)
        regs = list(outcome.regs)
        regs[3] += regs[1] & 1
        return attrs.evolve(outcome, regs=tuple(regs))


def wrong_trial() -> Trial:
    """A trial whose subject is wrong; the emulator is the truth here, so it needs no CPU."""
    trial = Trial(PagetrapEngine(), "pagetrap")
    trial.make = Wrong
    return trial


def test_a_case_depends_on_seed_form_and_number_only() -> None:
    """Made in any order, a numbered case is the same; another seed or number makes another."""
    first = [make_case(1, CODE, NAME, number) for number in range(6)]
    random.seed(0)
    assert [make_case(1, CODE, NAME, number) for number in reversed(range(6))] == first[::-1]
    assert len({repr(case) for case in first}) == 6
    assert make_case(2, CODE, NAME, 0) != first[0]


def test_modes_take_turns() -> None:
    """A form's cases are spread over every mode it has."""
    assert [mode_of_case(CODE, number) for number in range(4)] == [64, 32, 16, 64]
    assert {make_case(1, CODE, NAME, number).bits for number in range(3)} == set(MODES)


def test_two_stretches_are_one() -> None:
    """A form's cases in two stretches show what they show in one."""
    trial = wrong_trial()
    whole, first = tally_of(trial, Stretch(CODE, 0, 30), 1, None), tally_of(trial, Stretch(CODE, 0, 12), 1, None)
    first.merge(tally_of(trial, Stretch(CODE, 12, 30), 1, None))
    assert (first.done, first.kinds, first.differing) == (whole.done, whole.kinds, whole.differing)
    assert whole.differing > 0


def test_shrinking_leaves_what_matters() -> None:
    """A shrunk case still fails, and has nothing left that it fails without."""
    case = random_case(random.Random(5), CODE, 64)
    simple = shrink(attrs.evolve(case, regs={**case.regs, "rcx": 0x1236}), lambda c: c.registers()[1] & 3 == 2)
    assert (simple.regs, simple.window.patches, simple.rflags) == ({"rcx": 2}, {}, 0x202)


def test_a_state_is_kept_and_found_again(tmp_path: Path) -> None:
    """What was found is read back as it was; the campaign of other sources begins anew."""
    state = State(dict(IDENTITY), {NAME: tally_of(wrong_trial(), Stretch(CODE, 0, 30), 1, None)})
    path = tmp_path / "state.json"
    state.save(path)
    assert State.load(path, dict(IDENTITY)) == state
    assert State.load(path, {**IDENTITY, "sources": "1"}).tallies == {}


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    """Asked for more cases, a campaign makes those that are missing, and finds no mismatch in ADD."""
    need_silicon()
    path, codes = tmp_path / "state.json", {NAME: CODE}
    marks = identity("pagetrap", 1, None)
    Campaign(State.load(path, marks), path, 5, codes).run()
    assert State.load(path, marks).tallies[NAME].done == 5
    state = State.load(path, marks)
    Campaign(state, path, 60, codes).run()
    assert (state.cases, state.tallies[NAME].verified_in_all, state.tallies[NAME].differing) == (60, 60, 0)


@pytest.mark.parametrize("kinds", [{"illegal": 5}, {"equal #UD": 5}])
def test_what_the_cpu_lacks_is_not_verified(kinds: dict[str, int]) -> None:
    """A form that always raises #UD here is not counted as compared, and the page says why."""
    tally = Tally(5)
    tally.kinds[64].update(kinds)
    assert (tally.verified_in_all, tally.why_not()) == (0, "this CPU does not have it")
    assert "- this CPU does not have it (1): `ADD_RM32_R32`" in verification(State(dict(IDENTITY), {NAME: tally}))


def test_the_page_shows_mismatches() -> None:
    """A mismatch stands on the page with its case and its difference."""
    tally = tally_of(wrong_trial(), Stretch(CODE, 0, 30), 1, None)
    page = verification(State(dict(IDENTITY), {NAME: tally}))
    assert f"- `{NAME}`, {tally.differing} times mismatch" in page
    assert "    - rbx: pagetrap " in page


def test_every_emulated_form_is_compared_or_listed() -> None:
    """What is emulated has cases made for it, or stands among the untestable with a reason."""
    page = verification(State(dict(IDENTITY), {NAME: Tally(1)}))
    assert all(f"`{name}`" in page for name in untestable(forms()))


def test_departures_of_unicorn_are_grouped_by_mnemonic() -> None:
    """The page about Unicorn has a row a mnemonic and kind, with the simplest case."""
    tally = tally_of(wrong_trial(), Stretch(CODE, 0, 30), 1, None)
    tally.mismatches = {"wrong result": tally.mismatches["mismatch"]}
    page = departures(State(dict(IDENTITY), {NAME: tally}))
    assert f"| add | {tally.differing} of {tally.verified_in_all} | `add " in page
