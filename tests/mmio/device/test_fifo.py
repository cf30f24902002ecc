"""FIFO registers: a write pushes, a read pops, and flags say when that went wrong."""

import json
from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, DefinitionError, Device, Trace, bit, fifo_register, register

DEPTH = 4


class Port(Device):
    """Two queues at one offset, and one both ways."""

    rx = fifo_register(0x00, depth=DEPTH, width=1, access="r")
    tx = fifo_register(0x00, depth=DEPTH, width=1, access="w")
    loop = fifo_register(0x04, depth=2, empty=0xFFFF, width=2, fields=[bit("LAST", 15)])

    def __init__(self) -> None:
        self.told: list[tuple[str, int | None]] = []

    @tx.pushed
    def _sent(self, value: int) -> None:
        self.told.append(("pushed", value))

    @rx.popped
    def _taken(self, value: int) -> None:
        self.told.append(("popped", value))

    @tx.overran
    def _lost(self, value: int) -> None:
        self.told.append(("overrun", value))

    @rx.underran
    def _early(self) -> None:
        self.told.append(("underrun", None))


def test_reads_pop_what_the_model_pushed() -> None:
    """In order; from an empty one comes what was read last, and the flag rises."""
    port = Port()
    assert port.rx.extend(b"abc") == 3
    assert (port.rx.level, [port.read(0, 1) for _ in range(4)]) == (3, [*b"abcc"])
    assert (port.rx.level, port.rx.underrun, port.rx.overrun) == (0, True, False)
    assert port.told == [("popped", 0x61), ("popped", 0x62), ("popped", 0x63), ("underrun", None)]


def test_writes_push_what_the_model_drains() -> None:
    """What comes when it is full is lost, and the flag rises."""
    port = Port()
    for value in b"vwxyz":
        port.write(0, 1, value)
    assert (port.tx.full, port.tx.overrun) == (True, True)
    assert port.tx.drain() == deque(b"vwxy")
    assert (port.tx.level, port.told[-1]) == (0, ("overrun", 0x7A))
    port.tx.clear_flags()
    assert not port.tx.overrun


def test_one_queue_can_be_both_ways() -> None:
    """And an empty one answers what is declared."""
    port = Port()
    port.write(4, 2, 0x8001)
    port.write(4, 2, 2)
    assert [port.read(4, 2) for _ in range(3)] == [0x8001, 2, 0xFFFF]


def test_the_model_can_take_and_fill() -> None:
    """`push` says whether there was room, `pop` raises when there is nothing."""
    port = Port()
    assert [port.rx.push(value) for value in range(5)] == [True] * 4 + [False]
    assert (port.rx.pop(), list(port.rx.items), port.rx.overrun) == (0, [1, 2, 3], True)
    port.rx.drain()
    with pytest.raises(IndexError, match="RX is empty"):
        port.rx.pop()
    with pytest.raises(ValueError, match=r"RX holds 0..0xff, not 0x100"):
        port.rx.push(0x100)
    with pytest.raises(TypeError, match="RX takes an int, not 'a'"):
        port.rx.push("a")  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 255) | st.none(), max_size=30))
def test_it_is_a_bounded_deque(steps: list[int | None]) -> None:
    """Any sequence of pushes and reads gives what a deque would."""
    port, plain = Port(), deque[int]()
    last = 0
    for step in steps:
        if step is None:
            last = plain.popleft() if plain else last
            assert port.read(0, 1) == last
        else:
            assert port.rx.push(step) == (len(plain) < DEPTH)
            if len(plain) < DEPTH:
                plain.append(step)
    assert port.rx.items == plain


def test_state_goes_into_a_snapshot_and_back() -> None:
    """Contents and flags, through JSON; a reset empties it."""
    port = Port()
    port.rx.extend(b"hello")
    state = json.loads(json.dumps(port.snapshot()))
    port.reset()
    assert (port.rx.level, port.rx.overrun) == (0, False)
    port.restore(state)
    assert (bytes(port.rx.items), port.rx.overrun) == (b"hell", True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"items": [1] * 5, "overrun": False, "underrun": False}, "room for 4, the state has 5"),
        ({"items": [256], "overrun": False, "underrun": False}, "RX holds"),
        ({"items": [1]}, "no snapshot of a Port"),
        (None, "no snapshot of a Port"),
    ],
)
def test_a_wrong_state_changes_nothing(change: Any, message: str) -> None:
    """The FIFO is as it was."""
    port = Port()
    port.rx.extend(b"ab")
    state = port.snapshot()
    state["fifo_registers"]["rx"] = change
    with pytest.raises(ValueError, match=message):
        port.restore(state)
    assert bytes(port.rx.items) == b"ab"


def test_it_shows_what_is_in_it() -> None:
    """With its flags."""
    port = Port()
    port.rx.extend(b"abcde")
    assert repr(port.rx) == "RX 4/4 ['0x61', '0x62', '0x63', '0x64'] OVERRUN"


def test_records_name_it() -> None:
    """By direction where two share an offset, with the fields of the value."""
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map(0x1000, 8, Port(), name="port")
    space.write(0x1000, 1, 5)
    space.write(0x1004, 2, 0x8000)
    space.read(0x1000, 1)
    assert [access.place for access in trace] == ["port.TX", "port.LOOP", "port.RX"]
    assert trace[1].decoded == "LAST=1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth is 0, expected an int, 1 or more"),
        ({"depth": "8"}, "depth is '8'"),
        ({"depth": 8, "access": "rw1"}, "access 'rw1', expected of a FIFO one of r, w, rw"),
        ({"depth": 8, "empty": -1}, "empty is -1, expected None or an int that fits in 4 bytes"),
        ({"depth": 8, "empty": "no"}, "empty is 'no'"),
        ({"depth": 8, "fields": [bit("level", 0)]}, "field 'level': a FIFO has an attribute like it"),
        ({"depth": 8, "fields": [bit("X", 0, on_read="rclr")]}, "field 'X': the bits of a FIFO have no effects"),
        ({"depth": 8, "width": 3}, "width 3"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: dict[str, Any], message: str) -> None:
    """When the class is made."""
    with pytest.raises(DefinitionError, match=message):
        type("Card", (Device,), {"fifo": fifo_register(0, **arguments)})


def test_a_handler_that_is_never_called_is_refused() -> None:
    """A queue that no driver reads has no underrun."""
    with pytest.raises(DefinitionError, match="underrun handler _x would never be called"):

        class _Bad(Device):
            tx = fifo_register(0, depth=1, access="w")

            @tx.underran
            def _x(self) -> None: ...


def test_an_assignment_says_what_to_do() -> None:
    """Push."""
    port: Any = Port()
    with pytest.raises(AttributeError, match=r"call rx.push\(value\)"):
        port.rx = 1


def test_snapshots_of_devices_without_one_are_as_before() -> None:
    """They have no such key."""

    class Plain(Device):
        ctrl = register(0)

    assert "fifo_registers" not in Plain().snapshot()
