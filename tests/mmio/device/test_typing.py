"""What type checkers make of a device class. mypy, which `make test` runs over the tests, is what checks this module.

Where something must be refused there is an `ignore`; with --strict, one that ignores nothing is itself an error.
"""

from typing import TYPE_CHECKING, assert_type

from mmio import Device, Line, array, bit, block, field, ioremap, line, register
from mmio.device.bound import BoundArray, BoundRegister


class Dma(Device):
    """A part."""

    ctrl = register(0)


class Card(Device):
    """One of each kind of member, and of each kind of handler."""

    ctrl = register(0, fields=[bit("EN", 0), field("MODE", 2, 1, enum={0: "SLOW"})])
    extra = register(4, width=1, when=ctrl.has(EN=1))
    fifo = array(0x10, count=4)
    dma = block(0x100, Dma)
    irq = line()

    @ctrl.written
    def _ctrl(self, old: int, new: int) -> None: ...

    @ctrl.reads
    def _read_ctrl(self) -> int:
        return 1

    @fifo.written
    def _fifo(self, index: int, old: int, new: int) -> None: ...

    @fifo.reads
    def _read_fifo(self, index: int) -> int:
        return index


def test_members_have_their_types() -> None:
    """Registers, fields, arrays, blocks and lines are what they are on a device, not what declares them."""
    card = Card()
    assert_type(card.ctrl, BoundRegister)
    assert_type(card.ctrl.EN, int)
    assert_type(card.ctrl.value, int)
    assert_type(card.ctrl.read(), int)
    assert_type(card["CTRL"], BoundRegister)
    assert_type(card.fifo, BoundArray)
    assert_type(card.fifo[0], BoundRegister)
    assert_type(card.dma, Dma)
    assert_type(card.dma.ctrl.value, int)
    assert_type(card.irq, Line)
    card.ctrl.EN = 1
    assert card.ctrl.MODE == 0


if TYPE_CHECKING:

    def refused(card: Card) -> None:
        card.ctrl.EN = "x"  # type: ignore[assignment]
        register(0, access="ro")  # type: ignore[arg-type]
        register(0, on_write="w1c")  # type: ignore[arg-type]
        ioremap(card, unmapped="one")  # type: ignore[arg-type]

    def refused_and_never_returns(card: Card) -> None:
        card.ctrl = 5  # type: ignore[assignment]

    def refused_in_arrays(card: Card) -> None:
        card.fifo[0] = 5  # type: ignore[assignment]

    class Bad(Device):
        ctrl = register(0)
        fifo = array(4, count=2)

        @ctrl.written  # type: ignore[type-var]
        def _too_few(self, new: int) -> None: ...

        @ctrl.reads  # type: ignore[type-var]
        def _no_value(self) -> None: ...

        @fifo.written  # type: ignore[type-var]
        def _no_index(self, old: int, new: int) -> None: ...
