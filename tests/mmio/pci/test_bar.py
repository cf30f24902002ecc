"""Base address registers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import Device, NoRegister, register
from mmio.pci import Bar, PciFunction
from mmio.pci.bar import Rom

ONES = 0xFFFFFFFF


class Card(Device):
    """A device of two registers."""

    ctrl = register(0x00)
    stat = register(0x04)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """Draw a region of any kind, size and place."""
    kind = draw(st.sampled_from(("io", "memory", "wide")))
    least, most = {"io": (2, 8), "memory": (4, 31), "wide": (4, 62)}[kind]
    return Bar(
        draw(st.integers(0, 4)),
        size=1 << draw(st.integers(least, most)),
        kind="io" if kind == "io" else "memory",
        wide=kind == "wide",
        prefetchable=kind != "io" and draw(st.booleans()),
    )


def _function(*found: Bar, **arguments: Any) -> PciFunction:
    return PciFunction(0x8086, 0x100E, 0x020000, bars=found, **arguments)


@given(bars())
def test_sizing(bar: Bar) -> None:
    """Software that writes all ones reads back the kind and the size, whatever they are."""
    config = _function(bar).config
    offset = 0x10 + 4 * bar.index
    kind = 1 if bar.kind == "io" else 4 * bar.wide | 8 * bar.prefetchable
    assert config.read(offset, 4) == kind
    found = 0
    for index in bar.indices:
        config.write(0x10 + 4 * index, 4, ONES)
        found |= config.read(0x10 + 4 * index, 4) << 32 * (index - bar.index)
    info = 3 if bar.kind == "io" else 15
    assert found & info == kind
    assert (1 << (64 if bar.wide else 32)) - (found & ~info) == bar.size


@given(bars(), st.integers(0, 1 << 62), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 0xFF)), max_size=8))
def test_address(bar: Bar, wanted: int, bytes_: list[tuple[int, int]]) -> None:
    """The address is what software wrote last, to the register or its bytes, down to the size."""
    function = _function(bar)
    registers = 4 * len(bar.indices)
    address = wanted & (1 << 8 * registers) - 1
    for index in bar.indices:
        function.config.write(0x10 + 4 * index, 4, address >> 32 * (index - bar.index) & ONES)
    for at, value in bytes_:
        at %= registers
        function.config.write(0x10 + 4 * bar.index + at, 1, value)
        address = address & ~(0xFF << 8 * at) | value << 8 * at
    assert function.address(bar.index) == address & ~(bar.size - 1)


@given(bars(), st.integers(0, 1 << 63))
def test_place(bar: Bar, wanted: int) -> None:
    """What firmware places lies there."""
    function = _function(bar)
    most = 1 << (64 if bar.wide else 32)
    address = wanted % most // bar.size * bar.size
    function.place(bar.index, address)
    assert function.address(bar.index) == address


def test_registers_beside_are_empty() -> None:
    """A register without a region reads as zero, whatever is written."""
    config = _function(Bar(1, size=0x1000)).config
    for index in (0, 2, 3, 4, 5):
        config.write(0x10 + 4 * index, 4, ONES)
        assert config.read(0x10 + 4 * index, 4) == 0


@pytest.mark.parametrize(("length", "kind", "size"), [(8, "memory", 16), (8, "io", 8), (0x1001, "memory", 0x2000)])
def test_size_of_the_device(length: int, kind: Any, size: int) -> None:
    """A region without a size is as long as its device, rounded up to what a register can say."""
    card = Card()
    card.length = length  # type: ignore[attr-defined]
    assert Bar(0, card, kind=kind).size == size


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"size": 3}, "the size of BAR0, memory, is a power of two in 0x10..0x80000000, not 0x3"),
        ({"size": 8}, "0x10..0x80000000, not 0x8"),
        ({"size": 512, "kind": "io"}, "of BAR0, io, is a power of two in 0x4..0x100, not 0x200"),
        ({"size": 1 << 32}, "not 0x100000000"),
        ({}, "BAR0 has no device, so it needs a size"),
        ({"size": 16, "kind": "mem"}, "kind is one of memory, io, not 'mem'"),
        ({"size": 16, "kind": "io", "wide": True}, "BAR0 is of IO ports, so it is neither wide nor prefetchable"),
        ({"size": 16, "index": 6}, "index is an int, 0..0x5, not 6"),
        ({"size": 16, "index": 5, "wide": True}, "BAR5 is the last register"),
    ],
)
def test_mistakes(arguments: dict[str, Any], problem: str) -> None:
    """A region that cannot be is refused, and the message says what can."""
    with pytest.raises(ValueError, match=problem):
        Bar(**{"index": 0} | arguments)


@pytest.mark.parametrize("device", [Card, 5, "card"])
def test_no_device(device: object) -> None:
    """What is no device does not answer in a region."""
    with pytest.raises(TypeError, match="device"):
        Bar(0, device, size=16)


def test_two_at_a_register() -> None:
    """Two regions do not share a register, and one of 64 bits has two."""
    with pytest.raises(ValueError, match="register 1 of BAR1 is taken by BAR0, whose address of 64 bits takes two"):
        _function(Bar(0, size=16, wide=True), Bar(1, size=16))
    with pytest.raises(ValueError, match="register 0 of BAR0 is taken by another"):
        _function(Bar(0, size=16), Bar(0, size=16))


def test_decodes() -> None:
    """A region answers while COMMAND lets it; until then reads are ones and writes are lost."""
    card = Card()
    function = _function(Bar(0, card), Bar(1, card, kind="io"))
    for index, enable in ((0, 2), (1, 1)):
        window = function.bar(index)
        function.config.command.value = 3 & ~enable
        window.write(0, 4, 5)
        assert (window.read(0, 4), card.ctrl.value) == (ONES, 0)
        function.config.command.value = enable
        window.write(0, 4, 5)
        assert (window.read(0, 4), card.ctrl.value) == (5, 5)
        card.reset()


def test_names() -> None:
    """A region's accesses have the names of the device in it, and its missing registers."""
    function = _function(Bar(0, Card(), size=0x1000))
    function.config.command.MEMORY = 1
    window = function.bar(0)
    assert (window.name_at(4, 4), window.holes(6, 4)) == ("STAT", 0xFFFF0000)
    with pytest.raises(NoRegister):
        window.read(8, 4)
    assert window.length == 0x1000


def test_no_such_region() -> None:
    """A region that is not there is named with those that are."""
    with pytest.raises(ValueError, match="PciFunction has no BAR3; it has BAR0"):
        _function(Bar(0, size=16)).bar(3)
    with pytest.raises(ValueError, match="PciFunction has no BAR3; it has none"):
        _function().address(3)


@pytest.mark.parametrize("address", [8, 1 << 32])
def test_place_where_it_cannot_be(address: int) -> None:
    """A region lies at a multiple of its size, within what its register can say."""
    with pytest.raises(ValueError, match=r"BAR0|address"):
        _function(Bar(0, size=16)).place(0, address)


def test_rom() -> None:
    """The image of a ROM reads as it is, and as ones behind its end; its register tells its size."""
    function = _function(option_rom=b"\x55\xaa" + bytes(3000))
    config, rom = function.config, function.rom
    assert rom is not None
    config.write(0x30, 4, ONES)
    assert config.read(0x30, 4) == 0xFFFFF001
    assert (rom.read(0, 2), rom.read(3001, 2), rom.read(4094, 2)) == (0xAA55, 0xFF00, 0xFFFF)


@pytest.mark.parametrize("image", [b"", "text", 5])
def test_no_image(image: Any) -> None:
    """A ROM has bytes."""
    with pytest.raises((TypeError, ValueError), match="an expansion ROM"):
        Rom(image)
