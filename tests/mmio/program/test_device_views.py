"""Devices as a mapping shows them."""

from mmio import AddressSpace, Device, Trace, bit, register
from mmio.program.device_views import shifted


class Card(Device):
    """A register for each direction behind 16 others."""

    ctrl = register(0x10, width=1, fields=[bit("EN", 0)])
    data = register(0x11, width=1, access="r", reset=5)
    cmd = register(0x11, width=1, access="w")


def test_a_shifted_device_has_its_names() -> None:
    """Those that depend on the direction, too; it reads, writes and describes from the shift on."""
    card, trace = Card(), Trace()
    space = AddressSpace(trace)
    space.map(0x1000, 2, shifted(card, 0x10), "card")
    bus = space.initiator(0)
    bus.write(0x1000, 1, 1)
    bus.read(0x1001, 1)
    bus.write(0x1001, 1, 7)
    bus.read(0x1001, 1)
    assert [(access.register, access.value, access.decoded) for access in trace] == [
        ("CTRL", 1, "EN=1"),
        ("DATA", 5, ""),
        ("CMD", 7, ""),
        ("DATA", 5, ""),
    ]
    assert card.cmd == 7
    places = [row.place for row in trace.summary()]
    assert sorted(places) == ["card.CMD", "card.CTRL", "card.DATA"]


def test_a_device_that_shares_nothing_stays_on_the_short_way() -> None:
    """A shifted device has no naming where the device has none."""

    class Plain(Device):
        ctrl = register(0x10)

    assert getattr(shifted(Plain(), 0x10), "naming", None) is None
