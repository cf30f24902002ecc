"""Registers behind an index register and a data register."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, DefinitionError, Device, NoRegister, Trace, array, bit, field, indexed, register


class Crtc(Device):
    """Some registers of a VGA's CRT controller."""

    total = register(0x00, width=1)
    end = register(0x11, width=1, fields=[bit("PROTECT", 7)])
    start = array(0x0C, count=2, width=1)

    @end.written
    def _end(self, old: int, new: int) -> None:
        self.parent.ends.append(new)


class Vga(Device):
    """The two ports."""

    index = register(0x04, width=1, fields=[field("REGISTER", 5, 0), field("UNUSED", 7, 6)])
    crtc = indexed(0x05, Crtc, by=index, field="REGISTER", name="CRTC")

    def __init__(self) -> None:
        self.ends: list[int] = []


def test_the_index_chooses_the_register() -> None:
    """Bits beside the field do not count; handlers run."""
    vga = Vga()
    vga.write(4, 1, 0xD1)
    vga.write(5, 1, 0x8E)
    vga.write(4, 1, 0x0D)
    vga.write(5, 1, 0x55)
    assert (vga.crtc.end.value, vga.crtc.start[1].value, vga.ends) == (0x8E, 0x55, [0x8E])
    vga.write(4, 1, 0x11)
    assert vga.read(5, 1) == 0x8E


def test_records_name_the_register_behind_the_index() -> None:
    """As it was chosen at the time of the access."""
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map_ports(0x3D0, 8, Vga(), name="vga")
    for port, value in ((0x3D4, 0x11), (0x3D5, 0x80), (0x3D4, 0x0C), (0x3D5, 1)):
        space.port_write(port, 1, value)
    assert [access.place for access in trace] == ["vga.INDEX", "vga.CRTC.END", "vga.INDEX", "vga.CRTC.START[0]"]
    assert trace[1].decoded == "PROTECT=1"


def test_a_word_writes_the_index_and_what_it_chooses() -> None:
    """As drivers of VGAs do it: the low byte is the index, the high byte the data."""
    vga = Vga()
    vga.write(4, 2, 0x1234 & 0xFF00 | 0x0C)
    assert (vga.index.value, vga.crtc.start[0].value, vga.crtc.total.value) == (0x0C, 0x12, 0)


def test_no_register_behind_the_index_is_no_register() -> None:
    """The policy of the mapping answers; nothing was done."""
    vga = Vga()
    vga.write(4, 1, 0x3F)
    with pytest.raises(NoRegister, match=r"Vga has no register at offset 0x5, width 1"):
        vga.read(5, 1)
    with pytest.raises(NoRegister):
        vga.write(4, 2, 0x013F)
    assert vga.index == 0x3F


def test_steps_count_registers() -> None:
    """An index of words has one value for each word."""

    class Words(Device):
        one = register(0x0)
        two = register(0x4)

    class Card(Device):
        index = register(0x0)
        bank = indexed(0x4, Words, by=index, step=4)

    card = Card()
    card.write(0, 4, 1)
    card.write(4, 4, 9)
    assert (card.bank.one.value, card.bank.two.value) == (0, 9)


@given(st.lists(st.tuples(st.sampled_from([0x00, 0x0C, 0x0D, 0x11]), st.integers(0, 255)), max_size=20))
def test_it_is_a_table(writes: list[tuple[int, int]]) -> None:
    """Each register keeps what was written to it last, and is in a snapshot."""
    vga, table = Vga(), dict.fromkeys([0x00, 0x0C, 0x0D, 0x11], 0)
    for index, value in writes:
        vga.write(4, 1, index)
        vga.write(5, 1, value)
        table[index] = value
    other = Vga()
    other.restore(vga.snapshot())
    for index, value in table.items():
        other.write(4, 1, index)
        assert other.read(5, 1) == value


def _declare(**changes: Any) -> None:
    """Make a class; `changes` are arguments of `indexed`."""
    index = register(0, width=1, fields=[field("LOW", 2, 0)])
    given_: dict[str, Any] = {"offset": 1, "device": Crtc, "by": index, **changes}
    type("Card", (Device,), {"idx": index, "bank": indexed(**given_)})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"field": "HIGH"}, "field='HIGH', but idx has LOW"),
        ({"field": "LOW"}, "the field LOW of idx cannot hold 0x11, the last index"),
        ({"by": 7}, "by= is a register of this class, not 7"),
        ({"by": register(9)}, "by= is a register that was never declared, which is not a register of this class"),
        ({"step": 0}, "step is 0, expected an int, 1 or more"),
        ({"step": 4}, "at no multiple of the step, 4"),
        ({"device": Vga}, "is not there all the time"),
        ({"device": str}, "a block is made of a Device class"),
        ({"offset": "1"}, "offset is '1', expected an int"),
    ],
)
def test_a_wrong_declaration_is_refused(changes: dict[str, Any], message: str) -> None:
    """When the class is made."""
    with pytest.raises(DefinitionError, match=f"Card.bank: .*{message}"):
        _declare(**changes)
