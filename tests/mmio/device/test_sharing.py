"""Registers that share bytes: by direction, by the state of another register, and what records call them."""

import json
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from decode import READ
from mmio import (
    AddressSpace,
    DefinitionError,
    Device,
    NoRegister,
    Trace,
    UnmappedAccess,
    array,
    bit,
    block,
    field,
    register,
)
from mmio.device.layout import Layout, RegisterPlace
from mmio.device.sharing import Condition


class Uart(Device):
    """The beginning of a UART: three registers at offset 0, two at 1, one for each direction at 2."""

    lcr = register(3, width=1, fields=[bit("DLAB", 7)])
    rbr = register(0, width=1, access="r", when=lcr.has(DLAB=0), reset=0x41)
    thr = register(0, width=1, access="w", when=lcr.has(DLAB=0))
    dll = register(0, width=1, when=lcr.has(DLAB=1))
    ier = register(1, width=1, when=lcr.has(DLAB=0))
    dlm = register(1, width=1, when=lcr.has(DLAB=1))
    iir = register(2, width=1, access="r", reset=1, fields=[bit("NONE", 0)])
    fcr = register(2, width=1, access="w", fields=[bit("ENABLE", 0)])
    scr = register(7, width=1)

    def __init__(self) -> None:
        self.sent: list[int] = []

    @thr.written
    def _send(self, old: int, new: int) -> None:
        self.sent.append(new)


@pytest.fixture
def uart() -> Uart:
    return Uart()


def test_a_read_and_a_write_reach_different_registers(uart: Uart) -> None:
    """One is only read, the other only written."""
    uart.write(2, 1, 0xC7)
    assert uart.read(2, 1) == 1
    assert (uart.iir.value, uart.fcr.value) == (1, 0xC7)


def test_a_selected_register_is_there_and_the_others_are_not(uart: Uart) -> None:
    """Each keeps what it has while another stands in its place, and handlers are those of the register reached."""
    uart.write(0, 1, 0x55)
    uart.write(3, 1, 0x83)
    uart.write(0, 2, 0x010C)
    assert uart.read(0, 2) == 0x010C
    uart.write(3, 1, 0x03)
    assert uart.read(0, 1) == 0x41
    assert (uart.dll.value, uart.dlm.value, uart.ier.value, uart.sent) == (0x0C, 1, 0, [0x55])


def test_what_selects_may_be_set_from_within(uart: Uart) -> None:
    """By the model's own code, by a reset, by a restored snapshot: only the value counts."""
    before = json.loads(json.dumps(uart.snapshot()))
    uart.lcr.DLAB = 1
    uart.write(0, 1, 7)
    uart.restore(before)
    assert (uart.dll.value, uart.read(0, 1)) == (0, 0x41)
    uart.lcr.DLAB = 1
    uart.reset()
    assert uart.read(0, 1) == 0x41


def test_records_say_which_register_it_was_then(uart: Uart) -> None:
    """The name is that of the access, by direction and state, whatever the state when the trace is looked at."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(0x1000, 8, uart, "uart")
    bus = space.initiator(0)
    for offset, value in ((3, 0x80), (0, 12), (1, 0), (3, 3), (0, 0x41), (2, 0x01)):
        bus.write(0x1000 + offset, 1, value)
    for offset in (0, 2, 1):
        bus.read(0x1000 + offset, 1)
    names = ["LCR", "DLL", "DLM", "LCR", "THR", "FCR", "RBR", "IIR", "IER"]
    uart.lcr.DLAB = 1
    assert [access.register for access in trace] == names
    assert [trace[i].decoded for i in (0, 5, 7)] == ["DLAB=1", "ENABLE=1", "NONE=1"]
    assert {access.region for access in trace} == {"uart"}
    assert len([event for event in trace.events if type(event).__name__ == "Mapped"]) == 1


def test_an_error_says_which_register_it_was() -> None:
    """The access that failed was about one of them."""

    class Broken(Uart):
        @Uart.dll.written
        def _divisor(self, old: int, new: int) -> None:
            raise NoRegister(self, 0, 1)

    space = AddressSpace()
    space.map(0x1000, 8, broken := Broken(), "uart", unmapped="error")
    broken.lcr.DLAB = 1
    with pytest.raises(UnmappedAccess, match=r"'uart' offset 0x0 \(DLL\)"):
        space.initiator(0).write(0x1000, 1, 5)


def test_a_register_may_be_there_only_at_times() -> None:
    """While it is not, its bytes have no register."""

    class Card(Device):
        key = register(0, width=2)
        secret = register(4, width=4, when=key.has(0xBEEF), reset=7)

    card = Card()
    with pytest.raises(NoRegister):
        card.read(4, 4)
    assert card.holes(4, 4) == 0xFFFFFFFF
    assert card.name_at(4, 4) is None
    card.key.value = 0xBEEF
    assert (card.read(4, 4), card.holes(4, 4), card.name_at(4, 4)) == (7, 0, "SECRET")


def test_arrays_take_turns() -> None:
    """A window of a packet memory: pages at the same offsets."""

    class Card(Device):
        ctrl = register(0, width=1, fields=[field("PAGE", 7, 6)])
        low = array(1, count=3, width=1, when=ctrl.has(PAGE=0))
        high = array(1, count=3, width=1, when=ctrl.has(PAGE=1))

    card = Card()
    card.write(1, 2, 0x0201)
    card.ctrl.PAGE = 1
    card.write(2, 2, 0x0403)
    assert [register.value for register in (*card.low, *card.high)] == [1, 2, 0, 0, 3, 4]
    card.ctrl.PAGE = 2
    with pytest.raises(NoRegister):
        card.read(1, 1)


def test_blocks_keep_their_conditions() -> None:
    """Two UARTs in one device select independently of each other."""

    class Both(Device):
        first = block(0, Uart)
        second = block(8, Uart)

    both = Both()
    both.write(3, 1, 0x80)
    both.write(0, 1, 5)
    both.write(8, 1, 6)
    assert (both.first.dll.value, both.first.sent, both.second.dll.value, both.second.sent) == (5, [], 0, [6])
    assert both.naming is not None
    assert both.name_at(0, 1) == "first.DLL"


def test_a_device_that_shares_nothing_has_no_naming() -> None:
    """Its accesses go the short way, as before."""

    class Plain(Device):
        ctrl = register(0)

    assert Plain().naming is None
    assert Plain.layout.shared == frozenset()


BAD: list[tuple[Any, str]] = [
    (lambda a: {"b": register(0, access="w")}, r"B at 0x0\.\.0x4 overlaps A at 0x0\.\.0x4; two registers share bytes"),
    (lambda a: {"b": register(0, when=a.has(MODE=1))}, "overlaps A"),
    (lambda a: {"b": register(4, when=a.has(MODE=1)), "c": register(4, when=a.has(MODE=1))}, "overlaps B"),
    (lambda a: {"b": register(4, when=a.has(MODE=1)), "c": register(4, when=a.has(EN=1))}, "overlaps B"),
    (lambda a: {"b": register(4, access="r"), "c": register(4, width=1, access="w")}, "overlaps"),
    (lambda a: {"b": register(4, when=register(8).has(1))}, "when= is about a register that was never declared"),
]


@pytest.mark.parametrize(("others", "message"), BAD)
def test_an_access_that_could_mean_both_is_refused(others: Any, message: str) -> None:
    """When the class is made, with both registers in the message."""
    a = register(0, fields=[field("MODE", 1, 0), bit("EN", 2)])
    with pytest.raises(DefinitionError, match=message):
        type("Card", (Device,), {"a": a, **others(a)})


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda a: a.has(MOD=1), r"^has\(MOD=1\): the register has MODE, EN$"),
        (lambda a: a.has(MODE=4), r"^has\(MODE=4\): the field holds 0\.\.0x3$"),
        (lambda a: a.has(0x100000000), r"^has\(0x100000000\): the register holds 0\.\.0xffffffff$"),
        (lambda a: a.has(), r"^has\(\) takes"),
        (lambda a: a.has(1, EN=1), r"^has\(\) takes"),
    ],
)
def test_a_condition_that_can_never_hold_is_refused(ask: Any, message: str) -> None:
    """Where it is written."""
    with pytest.raises(DefinitionError, match=message):
        ask(register(0, fields=[field("MODE", 1, 0), bit("EN", 2)]))


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4), st.integers(0, 2)), max_size=8),
    st.integers(0, 2),
    st.integers(0, 12),
    st.sampled_from([1, 2, 4, 8]),
)
def test_a_view_is_a_layout_of_what_is_there(
    rows: list[tuple[int, int, int]], state: int, offset: int, width: int
) -> None:
    """An access to a view is cut as in a layout that has only the registers that are there in that state."""
    selector = RegisterPlace(0x40, 1, "SEL")
    places = [
        RegisterPlace(at, length, f"R{i}", when=Condition("SEL", 3, bank)) for i, (at, length, bank) in enumerate(rows)
    ]
    there = [evolve(place, when=None) for place in places if place.when and place.when.value == state]
    try:
        alone = Layout("Alone", there)
        whole = Layout("Whole", [selector, *places])
    except DefinitionError:
        return
    view = whole.view(READ, tuple(value == state for _, _, value in whole.conditions))
    parts, holes = view.cut(offset, width)
    expected, missing = alone.cut(offset, width)
    assert holes == missing
    assert [(whole.places[i].name, *rest) for i, *rest in parts] == [
        (alone.places[i].name, *rest) for i, *rest in expected
    ]
    assert view.name_at(offset, width) == alone.name_at(offset, width)
