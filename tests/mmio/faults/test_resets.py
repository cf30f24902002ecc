"""Registers that a reset leaves undefined."""

import pytest

from mmio.faults import wrap
from tests.mmio.faults.card import Card


def test_fields_are_random_within_what_they_may_be() -> None:
    """Enumerations have one of their values, bits of no field and what software cannot write are as after reset."""
    seen = set()
    for seed in range(40):
        card = Card()
        with wrap(card, f"Card garbage seed {seed}"):
            assert card.ctrl.MODE in (0, 2)
            assert card.ctrl.value & ~0b1101 == 0x100
            assert card.ident.value == 0xCAFE
            seen.add((card.ctrl.value, card.data.value))
    assert len(seen) > 30


def test_each_reset_makes_other_values_and_the_seed_says_which() -> None:
    """From the start, after a reset from outside, and after one that the model does."""
    values = []
    for _ in range(2):
        card = Card()
        with wrap(card, "DATA garbage seed 5"):
            values.append([card.data.value])
            for _ in range(2):
                card.reset()
                values[-1].append(card.data.value)
            assert card.ctrl.value == 0x100
    assert values[0] == values[1]
    assert len(set(values[0])) == 3


@pytest.mark.filterwarnings("error")
def test_at_the_end_a_reset_is_a_reset() -> None:
    """As the class has it, or the object had."""
    card = Card()
    with wrap(card, "Card garbage"):
        pass
    card.reset()
    assert card.snapshot() == Card().snapshot()
    assert "reset" not in vars(card)
