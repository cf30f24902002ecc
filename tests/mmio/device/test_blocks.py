"""Arrays of blocks: equal devices in a device, whose handlers know which of them they are about."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import AddressSpace, DefinitionError, Device, Trace, array, bit, block, blocks, line, register


class Queue(Device):
    """A ring."""

    head = register(0x00, access="r")
    tail = register(0x04)
    ctrl = register(0x08, fields=[bit("EN", 0)])
    stats = array(0x10, count=2, width=8)
    irq = line()

    def __init__(self) -> None:
        self.born = self.index, self.parent

    @ctrl.written
    def _enable(self, old: int, new: int) -> None:
        self.parent.enabled.append(self.index)


class Nic(Device):
    """Many rings, and one by itself."""

    stat = register(0x00)
    queue = blocks(0x1000, Queue, count=64, stride=0x40, name="QUEUE")
    admin = block(0x4000, Queue)

    def __init__(self) -> None:
        self.enabled: list[int | None] = []
        self.kicked: list[tuple[int, int, int]] = []

    @queue.written(Queue.tail)
    def _kick(self, index: int, old: int, new: int) -> None:
        self.kicked.append((index, old, new))

    @queue.reads(Queue.head)
    def _head(self, index: int) -> int:
        return 100 + index

    @admin.written(Queue.tail)
    def _admin(self, old: int, new: int) -> None:
        self.stat.value = new


def test_each_block_has_its_registers_under_its_index() -> None:
    """At its multiple of the stride, in one layout."""
    names = {place.name: place.offset for place in Nic.layout.places}
    assert (names["QUEUE[0].HEAD"], names["QUEUE[3].TAIL"], names["QUEUE[63].STATS[1]"]) == (0x1000, 0x10C4, 0x1FD8)
    assert Nic().name_at(0x10C8, 4) == "QUEUE[3].CTRL"


def test_handlers_of_the_outer_device_get_the_index() -> None:
    """After a write, and on a read, of one register of one block."""
    nic = Nic()
    nic.write(0x1000 + 0x40 * 5 + 4, 4, 7)
    assert nic.kicked == [(5, 0, 7)]
    assert nic.read(0x1000 + 0x40 * 63, 4) == 163
    assert nic.queue[63].head.value == 163
    assert nic.queue[62].head.value == 0


def test_a_block_knows_its_parent_and_index() -> None:
    """From `__init__` on; a block that is alone has no index, a device by itself neither."""
    nic = Nic()
    nic.write(0x1000 + 0x40 * 9 + 8, 4, 1)
    nic.write(0x4008, 4, 1)
    assert nic.enabled == [9, None]
    assert nic.queue[9].born == (9, nic)
    assert (nic.admin.parent, nic.parent, nic.index) == (nic, None, None)


def test_a_single_block_has_outer_handlers_too() -> None:
    """Without an index."""
    nic = Nic()
    nic.write(0x4004, 4, 9)
    assert nic.stat == 9


def test_the_inner_handler_comes_first() -> None:
    """Then that of the device around."""
    order: list[str] = []

    class Part(Device):
        ctrl = register(0)

        @ctrl.written
        def _own(self, old: int, new: int) -> None:
            order.append("inner")

    class Whole(Device):
        part = blocks(0, Part, count=2)

        @part.written(Part.ctrl)
        def _outer(self, index: int, old: int, new: int) -> None:
            order.append(f"outer {index}")

    Whole().write(4, 4, 1)
    assert order == ["inner", "outer 1"]


def test_a_subclass_overrides_a_handler_by_its_name() -> None:
    """As it does with any method."""

    class Loud(Nic):
        def _kick(self, index: int, old: int, new: int) -> None:
            self.kicked.append((-index, old, new))

    nic = Loud()
    nic.write(0x1044, 4, 3)
    assert nic.kicked == [(-1, 0, 3)]


def test_registers_may_be_called_parent_and_index() -> None:
    """And so may attributes of a model: what a class or a device puts there hides what is around it."""

    class Own(Device):
        index = register(0)
        parent = register(4)

    class Plain(Device):
        ctrl = register(0)

        def __init__(self) -> None:
            self.index = "mine"

    own = Own()
    own.write(0, 4, 5)
    assert (own.index.value, own.parent.value, Plain().index) == (5, 0, "mine")


@given(st.dictionaries(st.integers(0, 63), st.integers(0, 0xFFFFFFFF), max_size=5))
def test_state_goes_into_a_snapshot_and_back(tails: dict[int, int]) -> None:
    """Through JSON; a reset clears all blocks."""
    nic = Nic()
    for number, value in tails.items():
        nic.write(0x1000 + 0x40 * number + 4, 4, value)
    nic.queue[2].irq.set(True)
    state = json.loads(json.dumps(nic.snapshot()))
    nic.reset()
    assert not any(queue.tail.value for queue in nic.queue)
    assert not nic.queue[2].irq.level
    nic.restore(state)
    assert {number: queue.tail.value for number, queue in enumerate(nic.queue) if queue.tail.value} == {
        number: value for number, value in tails.items() if value
    }
    assert nic.queue[2].irq.level


def test_a_snapshot_of_another_count_is_refused() -> None:
    """And nothing has changed."""
    nic = Nic()
    nic.stat.value = 7
    state = nic.snapshot()
    state["blocks"]["queue"].pop()
    with pytest.raises(ValueError, match=r"Nic.queue has 64 blocks, the state has 63"):
        nic.restore(state)
    assert nic.stat == 7


def test_records_name_the_block() -> None:
    """With its index."""
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map(0x10000, 0x5000, Nic(), name="nic")
    space.write(0x11044, 4, 1)
    assert trace[-1].place == "nic.QUEUE[1].TAIL"


def test_an_index_outside_says_what_there_is() -> None:
    """Elements are counted from 0."""
    with pytest.raises(IndexError, match=r"there are elements 0..63, not 64"):
        _ = Nic().queue[64]


def test_an_element_cannot_be_assigned() -> None:
    """Neither can the whole."""
    nic: Any = Nic()
    with pytest.raises(TypeError, match="write to the registers"):
        nic.queue[0] = Queue()
    with pytest.raises(AttributeError, match=r"Nic.queue cannot be assigned: write to the registers of queue\[i\]"):
        nic.queue = []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count 0, expected 1 or more"),
        ({"count": "2"}, "count is '2', expected an int"),
        ({"count": True}, "count is True, expected an int"),
        ({"count": 2, "stride": 0}, "stride 0, expected 1 or more"),
        ({"count": 2, "stride": 4.0}, "stride is 4.0, expected an int"),
        ({"count": 2, "stride": 4}, "overlaps"),
        ({"count": 2, "offset": -4}, "offset -4, expected 0 or more"),
        ({"count": 2, "device": int}, "a block is made of a Device class"),
    ],
)
def test_a_wrong_declaration_is_refused(arguments: dict[str, Any], message: str) -> None:
    """When the class is made, naming class and attribute."""
    given_: dict[str, Any] = {"offset": 0, "device": Queue, **arguments}
    with pytest.raises(DefinitionError, match=message) as caught:
        type("Card", (Device,), {"queue": blocks(**given_)})
    assert "Card" in str(caught.value)


def test_a_handler_is_for_a_register_of_the_block() -> None:
    """Another one is an error, and so is a second reads handler, and wrong arguments."""
    with pytest.raises(DefinitionError, match="is for stat, which is not a register of Queue"):

        class _Bad1(Device):
            queue = blocks(0, Queue, count=2)

            @queue.written(Nic.stat)
            def _x(self, index: int, old: int, new: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"must take \(self, index, old, new\)"):

        class _Bad2(Device):
            queue = blocks(0, Queue, count=2)

            @queue.written(Queue.tail)
            def _x(self, old: int, new: int) -> None: ...

    class Own(Device):
        head = register(0)

        @head.reads
        def _head(self) -> int:
            return 0

    with pytest.raises(DefinitionError, match=r"Own.head has a reads handler of its own"):

        class _Bad3(Device):
            queue = blocks(0, Own, count=2)

            @queue.reads(Own.head)
            def _x(self, index: int) -> int:
                return 0

    with pytest.raises(DefinitionError, match="would never be called: no bit of the register can be written"):

        class _Bad4(Device):
            queue = blocks(0, Queue, count=2)

            @queue.written(Queue.head)
            def _x(self, index: int, old: int, new: int) -> None: ...
