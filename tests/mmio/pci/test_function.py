"""A PCI function as one object."""

import json
from ctypes import addressof, create_string_buffer
from typing import Any

import pytest

from mmio import AddressSpace, Clock, Device, register
from mmio.faults import wrap
from mmio.pci import Bar, Msi, MsiX, NotBusMaster, PcieEndpoint, PciFunction, PowerManagement


class Card(Device):
    """A device that copies what it is given the address of."""

    source = register(0x00, width=8)
    data = register(0x08, width=8)

    @source.written
    def _fetch(self, old: int, new: int) -> None:
        self.data.value = int.from_bytes(self.memory.read(new, 8), "little")


def _function(card: Device | None = None, **arguments: Any) -> PciFunction:
    capabilities = [PcieEndpoint(), PowerManagement(**arguments), Msi(maskable=True), MsiX(vectors=3, table=(1, 0))]
    bars = [Bar(0, Card() if card is None else card), Bar(1, size=0x1000)]
    return PciFunction(0x8086, 0x100E, 0x020000, bars=bars, capabilities=capabilities)


def test_dma() -> None:
    """A device reaches memory once software has made the function a bus master, and not before."""
    buffer = create_string_buffer(b"\x01\x02\x03\x04\x05\x06\x07\x08")
    function = _function(card := Card())
    function.config.command.MEMORY = 1
    with pytest.raises(
        NotBusMaster, match="by PciFunction: it is not a bus master; the driver has not set bit 2 of COMMAND"
    ) as e:
        function.bar(0).write(0, 8, addressof(buffer))
    assert (e.value.address, e.value.length) == (addressof(buffer), 8)
    function.config.write(4, 2, 6)
    function.bar(0).write(0, 8, addressof(buffer))
    assert card.data == 0x0807060504030201


def test_memory_is_the_functions() -> None:
    """The memory that a function is given is that of its devices."""

    class Memory:
        """Memory that has the same bytes everywhere."""

        def read(self, address: int, length: int) -> bytes:
            """Return them."""
            return b"\x11" * length

        def write(self, address: int, data: object) -> None:
            """Do nothing."""

    function = _function(card := Card())
    function.memory = Memory()
    function.config.write(4, 2, 4)
    assert card.memory.read(0, 2) == b"\x11\x11"
    card.memory.write(0, b"")
    with pytest.raises(TypeError, match="the memory of PciFunction is something with read"):
        function.memory = 5  # type: ignore[assignment]


def test_dma_of_a_device_with_faults() -> None:
    """A model behind faults has the memory of the function."""
    buffer = create_string_buffer(b"\x01\x02\x03\x04\x05\x06\x07\x08")
    with wrap(card := Card(), "DATA stuck 0x0 for 1 read") as faulty:
        function = PciFunction(0x8086, 0x100E, 0x020000, bars=[Bar(0, faulty)])
        function.config.write(4, 2, 6)
        function.bar(0).write(0, 8, addressof(buffer))
        assert (function.bar(0).read(8, 8), function.bar(0).read(8, 8)) == (0, 0x0807060504030201)
    assert card.memory.__class__.__name__ == "_BusMaster"


@pytest.mark.parametrize(("policy", "now"), [("access:1us", 2000), ("still", 0)])
def test_the_clock_of_a_model(policy: str, now: int) -> None:
    """Accesses to a region move the clock of its model as the clock's policy says."""
    card = Card()
    card.clock = Clock(policy=policy)
    function = _function(card)
    function.config.command.MEMORY = 1
    space = AddressSpace()
    space.map(0x1000, 0x1000, function.bar(0))
    space.write(0x1008, 8, 5)
    assert space.read(0x1008, 8) == 5
    assert card.clock.now == now


def test_reset() -> None:
    """A function-level reset is all of it: registers, the device, the table, what is pending."""
    function = _function(card := Card())
    fresh = _function().snapshot()
    function.place(0, 0x1000)
    function.config.write(4, 2, 0x406)
    function.bar(1).write(0, 8, 0xFEE00000)
    card.data.value = 5
    function.interrupt()
    function.config["PCIE.DEVCTL"].write(0x8000)
    assert function.snapshot() == fresh
    assert not function.intx.level


def test_snapshot() -> None:
    """A snapshot is data, and brings everything back."""
    function = _function(card := Card())
    function.config.write(4, 2, 6)
    function.place(0, 0x1000)
    function.bar(1).write(0, 8, 0xFEE00000)
    card.data.value = 5
    function.interrupt()
    state = json.loads(json.dumps(function.snapshot()))
    function.reset()
    function.restore(state)
    assert (function.address(0), card.data.value, function.intx.level) == (0x1000, 5, True)
    assert function.snapshot() == state
    with pytest.raises(ValueError, match="no snapshot of PciFunction"):
        function.restore({})


def test_d3hot() -> None:
    """In D3hot the function answers in configuration space only."""
    function = _function(card := Card())
    function.config.write(4, 2, 2)
    card.data.value = 5
    function.config["PM.PMCSR"].write(3)
    assert function.bar(0).read(8, 4) == 0xFFFFFFFF
    function.config["PM.PMCSR"].write(0)
    assert function.bar(0).read(8, 4) == 5


def test_soft_reset() -> None:
    """A function that does not keep its registers is reset on the way from D3hot to D0."""
    function = _function(card := Card(), no_soft_reset=False)
    function.config.write(4, 2, 2)
    card.data.value = 5
    function.config["PM.PMCSR"].write(3)
    assert card.data.value == 5
    function.config["PM.PMCSR"].write(0)
    assert (card.data.value, function.config.command.MEMORY) == (0, 0)


@pytest.mark.parametrize(("d1", "kept"), [(False, 0), (True, 1)])
def test_power_states_that_are_not_there(d1: bool, kept: int) -> None:
    """A power state that the function has not is not taken."""
    function = _function(d1=d1)
    function.config["PM.PMCSR"].write(1)
    assert kept == function.config["PM.PMCSR"].STATE


def test_subclass() -> None:
    """A class of one's own is named in records and messages."""

    class Nic(PciFunction):
        """A card."""

        def __init__(self) -> None:
            super().__init__(1, 2, 3, bars=[Bar(0, Card())])

    nic = Nic()
    assert repr(nic) == "<Nic 0001:0002, 1 regions>"
    with pytest.raises(ValueError, match="Nic has no BAR1"):
        nic.bar(1)


def test_device_in_two_regions() -> None:
    """A device may answer in two regions, of memory and of ports; a reset resets it once."""

    class Counting(Card):
        """A card that counts."""

        resets = 0

        def reset(self) -> None:
            """Count."""
            self.resets += 1

    card = Counting()
    PciFunction(1, 2, 3, bars=[Bar(0, card), Bar(1, card, kind="io")]).reset()
    assert card.resets == 1
