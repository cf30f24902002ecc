"""Faults put in front of what is mapped already."""

from ctypes import c_uint32
from pathlib import Path

import pytest

import mmio
from mmio import ioremap
from mmio.faults import FaultError, FaultWarning, inject, parse, wrap
from mmio.faults.wrapping import by_device
from mmio.pci import Bar, PciFunction
from tests.mmio.faults.card import Card

SVD = """<device schemaVersion="1.1"><name>C</name><size>32</size><peripherals>
<peripheral><name>USART2</name><baseAddress>0x40004400</baseAddress><addressBlock><offset>0</offset><size>0x400</size>
<usage>registers</usage></addressBlock><registers><register><name>SR</name><addressOffset>0</addressOffset>
<resetValue>0xC0</resetValue><fields><field><name>TXE</name><bitOffset>7</bitOffset><bitWidth>1</bitWidth></field>
</fields></register></registers></peripheral>
<peripheral derivedFrom="USART2"><name>USART3</name><baseAddress>0x40004800</baseAddress></peripheral>
</peripherals></device>"""


def test_a_mapping_has_faults_for_a_while() -> None:
    """The same address, names and trace."""
    with ioremap(Card(), name="card0") as mapping:
        stat = c_uint32.from_address(mapping.address + 4)
        with inject(mapping, "card0.STAT stuck RDY=0") as (faulty,):
            assert stat.value == 0
            assert faulty.fired
        assert stat.value == 1
        assert [str(access.place) for access in mapping.trace] == ["card0.STAT"] * 2


def test_ports_have_faults_for_a_while() -> None:
    """As memory has."""
    with mmio.map_ports(0x300, 0x50, Card()) as ports:
        with inject(ports, "STAT stuck RDY=0"):
            assert ports.space.port_read(0x304, 4) == 0
        assert ports.space.port_read(0x304, 4) == 1


@pytest.fixture
def svd(tmp_path: Path) -> Path:
    path = tmp_path / "chip.svd"
    path.write_text(SVD)
    return path


def test_peripherals_of_a_board_have_faults(svd: Path) -> None:
    """Each by its name; the other one of the same class has none."""
    with mmio.board(svd) as board:
        read = board.space.read
        with inject(board, "USART2.SR stuck TXE=0 after 1 read"):
            assert [read(0x40004400, 4) for _ in range(2)] == [0xC0, 0x40]
            assert read(0x40004800, 4) == 0xC0
        assert read(0x40004400, 4) == 0xC0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("USART4.SR stuck TXE=0", r"no device is named 'USART4'; did you mean 'USART\d'\?"),
        ("Frobnicator.SR stuck TXE=0", "no device is named 'Frobnicator'; there are "),
        ("USART2.SR stuck TEX=0", "SR has no field 'TEX'; did you mean 'TXE'"),
        ("USART2.SR stuck TXE=0 from -3us", "times are from 0"),
    ],
)
def test_a_board_says_what_it_has_not(svd: Path, line: str, told: str) -> None:
    """And is as it was."""
    with mmio.board(svd) as board:
        with pytest.raises(FaultError, match=told), inject(board, ["USART3.SR stuck TXE=0", line]):
            pass
        assert board.space.read(0x40004800, 4) == 0xC0


def test_unfired_faults_are_told_unless_asked_not_to() -> None:
    """Where the statement ends."""
    with ioremap(Card()) as mapping:
        with pytest.warns(FaultWarning, match="a fault has never happened"), inject(mapping, "irq lost"):
            pass
        with inject(mapping, "irq lost", warn=False):
            pass


@pytest.mark.parametrize("faults", [None, 3, [3], [["STAT stuck RDY=0"]]])
def test_what_is_no_schedule_is_refused(faults: object) -> None:
    """With what one is."""
    with pytest.raises(TypeError, match="such as '"):
        wrap(Card(), faults)  # type: ignore[arg-type]


@pytest.mark.parametrize("device", [Card, None, 3])
def test_what_is_no_device_is_refused(device: object) -> None:
    """As a mapping does."""
    with pytest.raises(TypeError, match=r"is not a device|map a device, not a class"):
        wrap(device, "STAT stuck RDY=0")


def test_a_card() -> None:
    """A device of a PCI function has its faults wherever it answers, as long as they are wanted."""
    card = Card()
    function = PciFunction(0x1234, 1, 0, bars=[Bar(0, card, size=0x10), Bar(1, card, kind="io", size=0x10)])
    function.config.write(4, 2, 3)
    card.stat.RDY = 1
    with inject(function, "Card.STAT stuck RDY=0") as (faulty,):
        assert [function.bar(index).read(4, 4) & 1 for index in (0, 1)] == [0, 0]
        assert faulty.device is card
    assert [function.bar(index).read(4, 4) & 1 for index in (0, 1)] == [1, 1]
    with (
        pytest.raises(FaultError, match=r"no register or line 'Cart\.STAT'"),
        inject(function, "Cart.STAT stuck RDY=0"),
    ):
        pass


@pytest.mark.parametrize("target", [Card(), None, 3])
def test_faults_are_injected_into_what_is_mapped(target: object) -> None:
    """Another thing is told where to go."""
    with (
        pytest.raises(TypeError, match="injected into a mapping, a board or a card"),
        inject(target, "irq lost"),
    ):
        pass


def test_the_longest_name_that_fits_is_meant() -> None:
    """Where one device's name begins as another's, with a dot."""
    schedule = parse("a.b.C stuck 1", "a.X stuck 1", "a removed")
    assert {name: len(own) for name, own in by_device(schedule, ["a", "a.b"]).items()} == {"a.b": 1, "a": 2}
