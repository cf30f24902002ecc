"""What places mean in a device."""

import pytest

from mmio import Spaced
from mmio.faults import FaultError, wrap
from mmio.faults.places import Places
from mmio.models import Uart16550
from tests.mmio.faults.card import Bytes, Card


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("STTA stuck RDY=0", "Card has no register or line 'STTA'; did you mean 'STAT'?"),
        ("stat stuck RDY=0", "Card has no register or line 'stat'; did you mean 'STAT'?"),
        ("Crad.STAT stuck RDY=0", "Card has no register or line 'Crad.STAT'"),
        ("STAT stuck RYD=0", "STAT has no field 'RYD'; did you mean 'RDY'?"),
        ("STAT stuck RDY=2", "STAT.RDY holds 0..0x1, not 0x2"),
        ("STAT stuck bit32=1", "STAT has no field 'bit32'; it has RDY, ERR, LEVEL"),
        ("STAT stuck RDY=0 bit0=1", "bit0=1 is about bits that are set already"),
        ("STAT stuck 0x100000000", "does not fit in STAT, 4 bytes"),
        ("STAT stuck 0x3/0x1", "0x3/0x1 does not fit in STAT, 4 bytes"),
        ("CTRL stuck MODE=FASR", "CTRL.MODE has no value 'FASR'; did you mean 'FAST'?"),
        ("Card stuck RDY=1", "stuck is about a register, not all of Card"),
        ("Card overrun", "overrun is about a register, not all of Card"),
        ("DATA overrun STAT.ORE=1", "STAT has no field 'ORE'"),
        ("STAT stuck RDY=0 when CTLR.EN=1", "Card has no register or line 'CTLR'; did you mean 'CTRL'?"),
        ("irq stuck RDY=0", "a line has no stuck, but lost and spurious interrupts"),
        ("irq removed", "a line has no removed"),
        ("irq lost at write 1", "what is lost of a line is counted in interrupts"),
        ("IRQ lost", "Card has no register or line 'IRQ'; did you mean 'irq'?"),
        ("CTRL lost at interrupt 1", "only of a line interrupts are lost; its lines are dma.done, irq"),
        ("CTRL spurious", "spurious is about a line, and 'CTRL' is none; its lines are dma.done, irq"),
        ("IDENT garbage", "software can write nothing there"),
        ("+0x10/65 stuck bit1=1", "a place is 1 to 64 bytes wide, not 65"),
    ],
)
def test_what_a_device_has_not_is_refused(line: str, told: str) -> None:
    """By one error, with the nearest name that there is; and nothing has been changed."""
    card = Card()
    with pytest.raises(FaultError) as caught:
        wrap(card, ["irq spurious", "Card garbage seed 1", line])
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"fault {line!r}: ")
    assert card.snapshot() == Card().snapshot()
    assert "reset" not in vars(card)
    assert type(card.irq).__name__ == "Line"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("STAT stuck bit0=0", "declares no registers; name bytes of it: +0x10 (four), +0x10/1"),
        ("+0 stuck RDY=0", "+0x0 has no field 'RDY'"),
        ("+0 stuck bit0=0 when +4=1", "cannot be asked what +4 holds without an access"),
        ("+0 stuck bit0=0 from 3us", "a Bytes has no clock; say wrap(device, …, clock=Clock())"),
        ("Bytes garbage", "a Bytes declares no registers that could be random"),
        ("irq spurious", "Bytes has no lines"),
    ],
)
def test_a_device_without_registers_says_how_to_name_bytes(line: str, told: str) -> None:
    """And what it cannot have."""
    with pytest.raises(FaultError) as caught:
        wrap(Bytes(), line)
    assert told in str(caught.value)


def test_names_with_and_without_the_device() -> None:
    """A register of that name comes first."""
    places = Places(Card(), "card0")
    assert [spot.start for spot in places.register("", "card0.STAT")] == [4]
    assert [spot.start for spot in places.register("", "Card.STAT")] == [4]
    assert [spot.start for spot in places.register("", "dma.CTRL")] == [0x40]
    assert [spot.start for spot in places.register("", "FIFO")] == [0x20, 0x24, 0x28, 0x2C]
    assert [spot.start for spot in places.register("", "FIFO[2]")] == [0x28]
    assert [(spot.start, spot.width) for spot in places.register("", "card0+0x10/2")] == [(0x10, 2)]
    assert set(places.lines) == {"dma.done", "irq"}


def test_spaced_registers_are_where_they_are_spaced_to() -> None:
    """With their own width."""
    places = Places(Spaced(Uart16550(), 4), None)
    assert [(spot.start, spot.width) for spot in places.register("", "LSR")] == [(20, 1)]
    assert "irq" in places.lines
