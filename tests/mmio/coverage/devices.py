"""A device that has everything coverage looks at, and accesses to devices by hypothesis."""

from typing import Any

from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE
from mmio import Access, Device, array, bit, block, field, register

MODES = {0: "OFF", 1: "SLOW", 2: "FAST"}


class Part(Device):
    """A part of the card."""

    ctrl = register(0x0, fields=[bit("GO", 0)])


class Card(Device):
    """A card."""

    id = register(0x00, access="r", fields=[field("REV", 3, 0)])
    ctrl = register(0x04, fields=[bit("EN", 0), field("MODE", 3, 2, enum=MODES), bit("RESET", 31, singlepulse=True)])
    stat = register(0x08, on_write="woclr", fields=[bit("DONE", 0), bit("ERR", 1)])
    kick = register(0x0C, access="w", width=2)
    errors = register(0x10, access="r", on_read="rclr", fields=[field("COUNT", 7, 0)])
    fifo = array(0x20, count=4, stride=4, width=1)
    dma = block(0x40, Part)


def access(letter: str, offset: int, width: int, value: int, old: int | None = None, **others: Any) -> Access:
    """A record of an access to the card, named as the layout has it."""
    direction = {"R": READ, "W": WRITE, "RW": READ_WRITE}[letter]
    given = {"region": "card", "register": Card.layout.name_at(offset, width), **others}
    return Access(0, 0, 0, direction, "memory", 0x1000 + offset, width, value, old, offset=offset, **given)


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    """An access that the card may see, registers in part and holes included."""
    letter = draw(st.sampled_from(["R", "R", "W", "W", "RW"]))
    offset = draw(st.sampled_from([0, 4, 8, 0xC, 0x10, 0x20, 0x24, 0x40]) | st.integers(0, 0x48))
    width = draw(st.sampled_from([1, 2, 4, 4, 8]))
    values = st.sampled_from([0, 1, 3, 0xC]) | st.integers(0, (1 << 8 * width) - 1)
    old = draw(values) if letter == "RW" else None
    return access(letter, offset, width, draw(values) & (1 << 8 * width) - 1, old)


traces = st.lists(accesses(), max_size=12)
