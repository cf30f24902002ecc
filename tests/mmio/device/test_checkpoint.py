"""Devices and their clocks, saved and put back together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Clock, ClockError, Device, checkpoint, line, register, us


class Card(Device):
    """A card that raises its line some time after each write."""

    ctrl = register(0x00)
    done = register(0x04)
    irq = line()

    @ctrl.written
    def _start(self, old: int, new: int) -> None:
        self.clock.after(new, self._finish)

    def _finish(self) -> None:
        self.done.value += 1
        self.irq.set(True)


STEPS = st.lists(st.tuples(st.sampled_from(["start", "run", "every"]), st.integers(1, 50)), max_size=12)


def _do(cards: list[Card], steps: list[tuple[str, int]]) -> list[Any]:
    seen: list[Any] = []
    for number, (what, amount) in enumerate(steps):
        card = cards[number % 2]
        if what == "start":
            card.write(0, 4, amount)
        elif what == "every":
            timer = card.clock.every(amount, card._finish)
            card.clock.after(3 * amount, timer.cancel)
        else:
            card.clock.run_for(amount)
        seen.append((card.clock.now, card.snapshot(), card.clock.next_due))
    return seen


@given(STEPS, STEPS)
def test_what_follows_a_checkpoint_is_the_same_again(
    before: list[tuple[str, int]], after: list[tuple[str, int]]
) -> None:
    """From a checkpoint on, the same calls give the same registers, lines and times, as often as it is restored."""
    clock = Clock()
    cards = [Card(), Card()]
    for card in cards:
        card.clock = clock
    _do(cards, before)
    start = checkpoint(*cards)
    first = _do(cards, after)
    for _ in range(2):
        start.restore()
        assert _do(cards, after) == first


def test_timers_made_since_are_gone_and_those_made_before_are_back() -> None:
    """A timer cancelled after the snapshot is due again, a new one is not, and each says so."""
    clock, seen = Clock(), list[str]()
    old = clock.after(us(5), lambda: seen.append("old"))
    state = clock.snapshot()
    old.cancel()
    new = clock.after(us(1), lambda: seen.append("new"))
    clock.restore(state)
    assert (old.due, new.due, clock.next_due) == (us(5), None, us(5))
    clock.run_for(us(9))
    clock.restore(state)
    clock.run_for(us(9))
    assert seen == ["old", "old"]


def test_wrong_states_are_refused() -> None:
    """The state of another clock, something else, and a restore within a call."""
    clock, other = Clock(), Clock()
    with pytest.raises(ValueError, match="that of another clock, at 0 ns"):
        clock.restore(other.snapshot())
    with pytest.raises(TypeError, match=r"what Clock.snapshot\(\) has returned, not 3"):
        clock.restore(3)  # type: ignore[arg-type]
    state = clock.snapshot()
    clock.after(0, lambda: clock.restore(state))
    with pytest.raises(ClockError, match="restore it later"):
        clock.run_for(0)
    for wrong in ((), (3,), (Card,)):
        with pytest.raises(TypeError, match="a checkpoint is of one or more devices"):
            checkpoint(*wrong)
