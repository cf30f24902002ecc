"""Handlers at the end of lines: when they run, and when they do not."""

import pytest

from mmio import Device, Interrupt, bit, line, register


class Card(Device):
    """Interrupts while an enabled cause is there."""

    cause = register(0, on_write="woclr", fields=[bit("RX", 0), bit("TX", 1)])
    irq = line()

    @cause.written
    def _cause(self, old: int, new: int) -> None:
        self.irq.set(bool(new))

    def happen(self, cause: int) -> None:
        self.cause.value |= cause
        self.irq.set(True)


@pytest.fixture
def card() -> Card:
    return Card()


def test_the_handler_runs_when_the_line_is_asserted(card: Card) -> None:
    """And not when it is released."""
    interrupt = Interrupt(card.irq, lambda: card.write(0, 4, 3))
    card.happen(1)
    assert (interrupt.calls, card.irq.level) == (1, False)


def test_it_runs_again_while_the_line_stays_asserted(card: Card) -> None:
    """A handler that acknowledges one cause is called for the other."""
    interrupt = Interrupt(card.irq, lambda: card.write(0, 4, 1 if card.cause.RX else 2))
    card.happen(3)
    assert (interrupt.calls, card.cause.value) == (2, 0)


def test_it_never_runs_inside_itself(card: Card) -> None:
    """What happens meanwhile is told afterwards."""
    depth: list[int] = []
    todo = [2, 1]

    def handler() -> None:
        depth.append(1)
        assert len(depth) == 1
        card.write(0, 4, 3)
        if todo:
            card.happen(todo.pop())
        depth.pop()

    interrupt = Interrupt(card.irq, handler)
    card.happen(1)
    assert interrupt.calls == 3


def test_a_line_that_is_asserted_already_counts(card: Card) -> None:
    """Hanging a handler on it enables the interrupt."""
    card.happen(1)
    assert Interrupt(card.irq, lambda: card.write(0, 4, 3)).calls == 1


def test_disabled_it_waits(card: Card) -> None:
    """Also when disabled twice over."""
    interrupt = Interrupt(card.irq, lambda: card.write(0, 4, 3))
    with interrupt.disabled():
        with interrupt.disabled():
            card.happen(1)
        assert interrupt.calls == 0
    assert interrupt.calls == 1


def test_closed_it_is_over(card: Card) -> None:
    """However often."""
    interrupt = Interrupt(card.irq, lambda: card.write(0, 4, 3))
    interrupt.close()
    interrupt.close()
    card.happen(1)
    assert interrupt.calls == 0


def test_a_handler_that_acknowledges_nothing_is_found_out(card: Card) -> None:
    """An error names the line; real machines just stand still. The next interrupt works."""
    willing: list[int] = []
    interrupt = Interrupt(card.irq, lambda: card.write(0, 4, 3) if willing else None)
    with pytest.raises(RuntimeError, match=r"^irq is still asserted after 1000 calls of its handler"):
        card.happen(1)
    card.irq.set(False)
    willing.append(1)
    card.happen(1)
    assert interrupt.calls == 1001


def test_an_exception_of_the_handler_comes_out(card: Card) -> None:
    """Of the access that asserted the line; interrupts are not left disabled."""

    def fail() -> None:
        card.write(0, 4, 3)
        raise ValueError("no")

    interrupt = Interrupt(card.irq, fail)
    for calls in (1, 2):
        with pytest.raises(ValueError, match="no"):
            card.happen(1)
        assert interrupt.calls == calls
