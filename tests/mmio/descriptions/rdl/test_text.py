"""Devices written as SystemRDL."""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from systemrdl.compiler import RDLCompiler
from systemrdl.node import RegNode

from mmio import (
    DefinitionError,
    DescriptionWarning,
    Device,
    array,
    bit,
    block,
    field,
    from_rdl,
    from_svd,
    line,
    register,
    to_rdl,
)
from tests.mmio.descriptions.devices import behaviour, devices


def back(text: str) -> type[Device]:
    """Compile a text and make a device of it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "device.rdl")
        path.write_text(text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DescriptionWarning)  # of attributes, which are not what this is about
            made: type[Device] = from_rdl(path)
        return made


@settings(deadline=None, max_examples=40)
@given(devices())
def test_what_is_written_is_the_same_device(device: type[Device]) -> None:
    """The text compiles, and its device has the same names, places, fields, resets and effects."""
    assert behaviour(back(to_rdl(device))) == behaviour(device)


class Dma(Device):
    count = register(0, width=2)
    flags = register(2, width=1, fields=[bit("ON", 0), field("MODE", 2, 1, enum={0: "OFF", 1: "SLOW", 2: "FAST"})])


class Card(Device):
    """A card with a bit of everything."""

    ctrl = register(0x00, reset=2, fields=[bit("EN", 0), field("PSC", 15, 8)], doc='Control: "all" of it')
    stat = register(0x04, on_write="woclr", access="rw", on_read="rset", name="Status word")
    fifo = array(0x40, count=2, stride=8, width=1, access="r")
    dma = block(0x80, Dma)
    irq = line()

    @ctrl.written
    def _start(self, old: int, new: int) -> None: ...


def test_the_text_reads_well() -> None:
    """A comment says what is not there; what SystemRDL has words for is in its words; the rest in one property."""
    assert (
        to_rdl(Card)
        == r"""// Written by pagetrap from the device class Card.
// Not here, because it is Python: lines irq.
// Not here, because it is Python: handlers _start.

property pagetrap { component = all; type = string; };  // what SystemRDL has no word for

addrmap Card {
    reg {
        desc = "Control: \"all\" of it";
        regwidth = 32;
        field { sw = rw; } EN[0:0] = 1'h0;
        field { sw = rw; } PSC[15:8] = 8'h0;
        field { sw = rw; } _7_1[7:1] = 7'h1;
        field { sw = rw; } _31_16[31:16] = 16'h0;
    } CTRL @ 0x0;
    reg {
        pagetrap = "{\"name\": \"Status word\"}";
        regwidth = 32;
        field { sw = rw; onread = rset; onwrite = woclr; } _31_0[31:0] = 32'h0;
    } Status_word @ 0x4;
    reg {
        regwidth = 8;
        field { sw = r; } _7_0[7:0] = 8'h0;
    } FIFO[2] @ 0x40 += 0x8;
    regfile {
        reg {
            regwidth = 16;
            field { sw = rw; } _15_0[15:0] = 16'h0;
        } COUNT @ 0x0;
        reg {
            regwidth = 8;
            field { sw = rw; } ON[0:0] = 1'h0;
            enum MODE_values { OFF = 0x0; SLOW = 0x1; FAST = 0x2; };
            field { sw = rw; encode = MODE_values; } MODE[2:1] = 2'h0;
            field { sw = rw; } _7_3[7:3] = 5'h0;
        } FLAGS @ 0x2;
    } \dma @ 0x80;
};
"""
    )


def test_a_device_may_be_given_as_well_as_its_class() -> None:
    """What it holds at the moment is not written, its reset values are."""
    card = Card()
    card.ctrl.EN = 1
    assert to_rdl(card) == to_rdl(Card)


def test_the_compiler_agrees_about_addresses() -> None:
    """Read back by the compiler itself, each register is where the device has it."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "card.rdl")
        path.write_text(to_rdl(Card))
        compiler = RDLCompiler()
        compiler.compile_file(str(path))
        nodes = compiler.elaborate().top.descendants(unroll=True)
        found = sorted((node.absolute_address, node.size) for node in nodes if isinstance(node, RegNode))
    assert found == [(place.offset, place.width) for place in Card.layout.places]


def test_registers_in_the_gaps_of_others_stand_singly() -> None:
    """SystemRDL gives all bytes from the first to the last of an array or regfile to it."""

    class Laced(Device):
        even = array(0, count=2, stride=8)
        odd = array(4, count=2, stride=8)

    text = to_rdl(Laced)
    assert [line.split("}")[1].strip() for line in text.splitlines() if line.startswith("    } ")] == [
        "EVEN_0 @ 0x0;",
        "ODD_0 @ 0x4;",
        "EVEN_1 @ 0x8;",
        "ODD_1 @ 0xc;",
    ]
    assert behaviour(back(text)) == behaviour(Laced)


def test_nothing_in_a_name_is_taken_for_code(tmp_path: Path) -> None:
    """The compiler runs what stands between <% and %> as Perl, and replaces macros."""
    marker = tmp_path / "ran"
    evil = f"<% open(my $f, '>', '{marker}'); %>`define X"

    card: type[Device] = type(
        "Card", (Device,), {"a": register(0, name=evil, doc=evil, fields=[bit("F", 0, enum={0: evil, 1: '"; }'})])}
    )
    assert behaviour(back(to_rdl(card))) == behaviour(card)
    assert not marker.exists()


def test_registers_may_share_a_place_in_both() -> None:
    """One that is read and one that is written: SystemRDL knows that too, of registers with hidden bits as well."""

    class Uart(Device):
        rbr = register(0, width=1, access="r", fields=[bit("F", 3, access="na")])
        thr = register(0, width=1, access="w", fields=[bit("F", 3, access="na")])

    made = back(to_rdl(Uart))
    assert [(place.offset, place.name) for place in made.layout.places] == [(0, "RBR"), (0, "THR")]
    device = made()
    device.write(0, 1, 0xFF)
    assert (device["THR"].value, device["RBR"].value) == (0xF7, 0)


def test_registers_that_come_and_go_cannot_be_written() -> None:
    """SystemRDL has them there all the time."""

    class Uart(Device):
        lcr = register(3, width=1, fields=[bit("DLAB", 7)])
        dll = register(0, width=1, when=lcr.has(DLAB=1))

    with pytest.raises(DefinitionError, match=r"^Uart.DLL is there only when LCR says so, for which SystemRDL has no"):
        to_rdl(Uart)


def test_a_device_without_registers_cannot_be_written() -> None:
    """An address map has at least one; an empty block is passed over."""

    class Empty(Device):
        irq = line()

    class Outer(Device):
        inner = block(0, Empty)
        ctrl = register(0)

    with pytest.raises(DefinitionError, match=r"^Empty has no registers, and SystemRDL has no empty address map$"):
        to_rdl(Empty)
    assert behaviour(back(to_rdl(Outer))) == behaviour(Outer)


@pytest.mark.parametrize("name", ["UART1", "GPIOB"])
def test_svd_becomes_systemrdl(name: str) -> None:
    """What came from one format goes into the other, effects and names of values included."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DescriptionWarning)
        device = from_svd(Path(__file__).parents[1] / "data" / "sensor.svd", name)
    assert behaviour(back(to_rdl(device))) == behaviour(device)
