"""Lost and spurious interrupts."""

from mmio import Interrupt, us
from mmio.faults import wrap
from mmio.models import Uart16550
from tests.mmio.faults.card import Card


def test_a_lost_interrupt_is_not_told_and_the_line_stays_low() -> None:
    """Until the device has released the line and asserts it again."""
    card = Card()
    told: list[bool] = []
    card.irq.subscribe(told.append)
    with wrap(card, "irq lost at interrupt 2"):
        for _ in range(3):
            card.irq.set(True)
            card.irq.set(True)  # no edge, and so not another chance
            told.append(card.irq.level)
            card.irq.set(False)
    assert told == [True, True, False, False, True, True, False]


def test_a_spurious_interrupt_calls_the_handler_once() -> None:
    """Though the handler acknowledges nothing, and finds the line low."""
    card = Card()
    levels: list[bool] = []
    Interrupt(card.irq, lambda: levels.append(card.irq.level))
    with wrap(card, "irq spurious at write 2") as faulty:
        for _ in range(3):
            faulty.write(0, 4, 0x100)
    assert levels == [False]


def test_a_spurious_interrupt_may_come_at_a_time() -> None:
    """Of the device's clock, and each subscriber sees the level."""
    card = Card()
    told: list[tuple[int, bool, bool]] = []
    for number in range(2):
        card.irq.subscribe(lambda level, number=number: told.append((number, level, card.irq.level)))  # type: ignore[misc]
    with wrap(card, "irq spurious at 50us"):
        card.clock.run_for(us(49))
        assert told == []
        card.clock.run_for(us(1))
    assert told == [(0, True, True), (1, True, True), (0, False, False), (1, False, False)]


def test_a_line_that_is_high_has_no_spurious_interrupt() -> None:
    """It is asserted already."""
    card = Card()
    card.irq.set(True)
    told: list[bool] = []
    card.irq.subscribe(told.append)
    with wrap(card, "irq spurious") as faulty:
        faulty.read(0, 4)
    assert told == []


def test_what_has_been_removed_interrupts_no_more() -> None:
    """None of its lines, whatever the model does."""
    card = Card()
    told: list[bool] = []
    card.irq.subscribe(told.append)
    card.dma.done.subscribe(told.append)
    with wrap(card, "Card removed after 1 access") as faulty:
        card.irq.set(True)
        card.irq.set(False)
        faulty.read(0, 4)
        faulty.read(0, 4)
        card.irq.set(True)
        card.dma.done.set(True)
        assert not card.irq.level
    assert told == [True, False]


def test_at_the_end_the_line_is_as_the_device_drives_it() -> None:
    """Quietly, and of its own class."""
    card = Card()
    told: list[bool] = []
    with wrap(card, "irq lost"):
        card.irq.subscribe(told.append)
        card.irq.set(True)
    assert card.irq.level
    assert told == []
    assert type(card.irq).__name__ == "Line"


def test_an_interrupt_made_before_is_lost_as_well() -> None:
    """Whatever holds the line holds the one with the fault."""
    uart = Uart16550()
    calls: list[int] = []
    Interrupt(uart.irq, lambda: calls.append(uart["RBR"].read()))
    uart["IER"].write(1)
    with wrap(uart, "irq lost at interrupt 1"):
        uart.receive(b"a")
    assert calls == []
