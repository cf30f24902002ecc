"""Connect the lines of devices with the interrupts of a core."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

from mmio.arguments import integer
from mmio.cortex_m.core import Core
from mmio.device.line import Line

Wiring = int | str | dict[str, int | str] | None
"""What a model's lines drive: the number or name of an interrupt for `irq`, or a dict by the attributes of lines."""


def wire(
    device: Any, irq: Wiring, own: Collection[int], number_of: Callable[[str], int], core: Callable[[], Core]
) -> Iterator[Callable[[], None]]:
    """Connect the lines of a device, one after the other; yield what disconnects each.

    Args:
        device: the device.
        irq: what its lines drive. None: `irq` drives the interrupt of the peripheral, if that has just one.
        own: the numbers of the peripheral's interrupts.
        number_of: returns the number of an interrupt, by its name.
        core: returns the core, or raises.
    """
    if irq is None and len(own) == 1 and isinstance(getattr(device, "irq", None), Line):
        irq = next(iter(own))
    wiring = {} if irq is None else irq if isinstance(irq, dict) else {"irq": irq}
    for attribute, number in wiring.items():
        line = getattr(device, attribute, None)
        if not isinstance(line, Line):
            raise TypeError(f"{type(device).__name__} has no line {attribute!r} to drive an interrupt with")
        wired = number_of(number) if isinstance(number, str) else integer("irq", number)
        yield core().connect(line, wired)


def length_of(device: Any) -> int:
    """Return how many bytes of addresses a device takes. Raises ValueError when it does not say."""
    length = getattr(device, "length", None) or getattr(getattr(device, "layout", None), "extent", None)
    if length is None:
        raise ValueError(f"{type(device).__name__} has no length of its own; call board.add(…, length=…)")
    return int(length)
