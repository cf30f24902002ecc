"""Members: the declaration on the class, the thing itself on a device."""

from mmio import Device, Line, block, line, register
from mmio.device.block import Block
from mmio.device.bound import BoundRegister
from mmio.device.line import LineDeclaration
from mmio.device.register import Register


class Inner(Device):
    """One register."""

    stat = register(0)


class Outer(Device):
    """One of each."""

    ctrl = register(0)
    irq = line()
    inner = block(0x10, Inner)


def test_on_the_class_it_is_the_declaration() -> None:
    """Which is what decorators and tools work with."""
    ctrl: Register = Outer.ctrl
    irq: LineDeclaration = Outer.irq
    inner: Block[Inner] = Outer.inner
    assert (ctrl.attribute, irq.attribute, inner.attribute) == ("ctrl", "irq", "inner")


def test_on_a_device_it_is_the_thing() -> None:
    """The same thing every time, and type checkers know which (the annotations are checked)."""
    outer = Outer()
    ctrl: BoundRegister = outer.ctrl
    irq: Line = outer.irq
    inner: Inner = outer.inner
    assert ctrl is outer.ctrl
    assert irq is outer.irq
    assert inner is outer.inner
    assert isinstance(inner, Inner)
    assert outer.ctrl is not Outer().ctrl
