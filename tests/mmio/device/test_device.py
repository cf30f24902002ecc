"""Declarative devices: what the bus sees, what comes back, state in and out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ
from mmio import (
    AddressSpace,
    Device,
    DeviceError,
    NoRegister,
    UnmappedAccess,
    array,
    bit,
    block,
    field,
    line,
    register,
)
from tests.mmio.doubles import Log


class Counter(Device):
    """A part with one register."""

    count = register(0)


class Timer(Device):
    """A bit of everything."""

    ctrl = register(0x00, fields=[bit("EN", 0), field("PSC", 15, 8)])
    stat = register(0x04, on_write="woclr", reset=0xF0F0)
    cause = register(0x08, on_read="rclr", reset=0x1234)
    key = register(0x0C, width=2, access="rw1")
    narrow = register(0x0E, width=1)
    fifo = array(0x40, count=8)
    irq = line()
    counter = block(0x80, Counter)

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    @ctrl.written
    def _ctrl(self, old: int, new: int) -> None:
        self.calls.append(("ctrl", old, new))
        self.irq.set(bool(self.ctrl.EN))

    @stat.written
    def _stat(self, old: int, new: int) -> None:
        self.calls.append(("stat", old, new))

    @fifo.written
    def _push(self, index: int, old: int, new: int) -> None:
        self.calls.append(("fifo", index, old, new))

    @fifo.reads
    def _pop(self, index: int) -> int:
        self.calls.append(("pop", index))
        return 0x100 + index


@pytest.fixture
def timer() -> Timer:
    return Timer()


def test_registers_are_there_without_super() -> None:
    """A model's `__init__` need not call `super().__init__()`, and may use registers."""

    class Card(Device):
        ctrl = register(0)

        def __init__(self, value: int) -> None:
            self.ctrl.value = value

    assert Card(5).read(0, 4) == 5


def test_a_device_without_init_takes_no_arguments() -> None:
    """As any class without one."""
    with pytest.raises(TypeError, match=r"^Counter\(\) takes no arguments$"):
        Counter(5)


def test_a_register_cannot_be_assigned(timer: Timer) -> None:
    """`timer.ctrl = 5` is not guessed at; the error says how to mean it."""
    with pytest.raises(AttributeError, match=r"^Timer.ctrl cannot be assigned: set ctrl.value, or a field ctrl.NAME$"):
        timer.ctrl = 5  # type: ignore[assignment]


def test_a_whole_register_is_read_and_written(timer: Timer) -> None:
    """The handler runs after every write, with the values before and after, of an unchanged value too."""
    timer.write(0, 4, 0x301)
    timer.write(0, 4, 0x301)
    assert timer.read(0, 4) == 0x301
    assert timer.calls == [("ctrl", 0, 0x301), ("ctrl", 0x301, 0x301)]
    assert timer.irq.level


def test_device_code_does_not_trigger_its_own_handlers(timer: Timer) -> None:
    """Setting a value from within is no access."""
    timer.ctrl.value = 1
    timer.fifo[0].value = 2
    assert timer.calls == []


def test_elements_know_their_index(timer: Timer) -> None:
    """Handlers of an array are told which; what a `reads` handler returns is answered and kept."""
    timer.write(0x4C, 4, 7)
    assert timer.read(0x4C, 4) == 0x103
    assert timer.calls == [("fifo", 3, 0, 7), ("pop", 3)]
    assert timer.fifo[3] == 0x103


def test_a_read_handler_comes_before_the_read_effect() -> None:
    """The handler makes the value, the bus gets it, then rclr clears it."""

    class Card(Device):
        cause = register(0, on_read="rclr", access="rw", fields=[bit("HIDDEN", 31, access="w")])

        @cause.reads
        def _cause(self) -> int:
            return 0x80000005

    card = Card()
    assert card.read(0, 4) == 5
    assert card.cause.value == 0x80000000


def test_a_narrow_write_reaches_its_bytes_only(timer: Timer) -> None:
    """The others keep their value and suffer no effect; the handler gets whole values."""
    timer.ctrl.value = 0x11223344
    timer.write(2, 1, 0x99)
    assert timer.ctrl == 0x11993344
    timer.write(5, 1, 0xFF)
    assert timer.stat == 0x00F0
    assert timer.calls == [("ctrl", 0x11223344, 0x11993344), ("stat", 0xF0F0, 0x00F0)]


def test_a_narrow_read_is_a_read_of_the_register(timer: Timer) -> None:
    """Its effect happens once and in full; the handler is called once."""
    assert timer.read(9, 1) == 0x12
    assert timer.cause == 0
    assert timer.read(0x46, 2) == 0
    assert timer.calls == [("pop", 1)]


def test_a_wide_access_goes_register_by_register(timer: Timer) -> None:
    """Ascending, each with its own effects."""
    timer.write(0, 8, 0xF0000000_00000301)
    assert timer.calls == [("ctrl", 0, 0x301), ("stat", 0xF0F0, 0xF0F0)]
    assert timer.read(4, 8) == 0x1234_0000F0F0
    assert timer.read(8, 4) == 0


def test_a_straddling_access_takes_parts(timer: Timer) -> None:
    """The end of one register and the beginning of the next."""
    timer.ctrl.value = 0xAABB0000
    assert timer.read(2, 4) == 0xF0F0AABB
    timer.write(2, 4, 0x00F01122)
    assert (timer.ctrl.value, timer.stat.value) == (0x11220000, 0xF000)


def test_a_missing_byte_stops_everything(timer: Timer) -> None:
    """An access that touches an offset without register does nothing at all."""
    for access in (lambda: timer.read(0xC, 4), lambda: timer.write(0xC, 4, 0), lambda: timer.read(0x200, 4)):
        with pytest.raises(NoRegister, match=r"^Timer has no register at offset 0x\w+, width 4$"):
            access()
    with pytest.raises(NoRegister):
        timer.write(4, 16, 0xFFFF)
    assert (timer.stat.value, timer.calls) == (0xF0F0, [])


def test_holes_are_the_bytes_without_register(timer: Timer) -> None:
    """A mask, as the mapping's `unmapped` policy needs it."""
    assert timer.holes(0, 8) == 0
    assert timer.holes(0xC, 4) == 0xFF000000
    assert timer.holes(0x200, 2) == 0xFFFF


def test_holes_in_a_space() -> None:
    """By default an error that names the offset; under a policy one record of the full width, marked."""
    timer = Timer()
    space = AddressSpace(log := Log())
    space.map(0x1000, 0x1000, timer, "timer")
    with pytest.raises(UnmappedAccess) as caught:
        space.read(0x100C, 4)
    assert str(caught.value) == (
        "Timer has no register at offset 0xf; read of 4 bytes at address 0x100c, 'timer' offset 0xc (KEY..NARROW)"
    )
    with pytest.raises(UnmappedAccess, match="Timer has no register at offset 0xf; write of 8 bytes"):
        space.write(0x1008, 8, 0)
    space.map(0x8000, 0x1000, timer, "lenient", unmapped="ones")
    assert space.read(0x800C, 4) == 0xFF000000
    space.write(0x800C, 4, 0x11223344)
    assert (timer.key.value, timer.narrow.value) == (0x3344, 0x22)
    assert space.read(0x8200, 2) == 0xFFFF
    assert [(record.width, record.flags) for record in log] == [(4, 8), (4, 8), (2, 8)]


def test_another_device_s_missing_register_is_not_filled() -> None:
    """A model that gets NoRegister from a device it asks lets it pass: the mapping's policy is not about that one."""
    inner = Counter()

    class Bridge(Device):
        window = register(0)

        @window.reads
        def _window(self) -> int:
            return inner.read(0x40, 4)

        @window.written
        def _forward(self, old: int, new: int) -> None:
            inner.write(0x40, 4, new)

    space = AddressSpace()
    space.map(0, 4, Bridge(), unmapped="ones")
    message = "Counter has no register at offset 0x40, width 4; {} of 4 bytes at address 0x0, 'Bridge' offset 0x0"
    with pytest.raises(NoRegister, match=message.format("read")):
        space.read(0, 4)
    with pytest.raises(NoRegister, match=message.format("write")):
        space.write(0, 4, 0)


@pytest.mark.parametrize("answer", [None, -1, 1 << 32, "5"])
def test_a_wrong_answer_names_the_register(answer: Any) -> None:
    """The handler's mistake comes out with the device, the register and the access."""

    class Card(Device):
        data = register(4)

        @data.reads
        def _data(self) -> int:
            return answer  # type: ignore[no-any-return]

    space = AddressSpace()
    space.map(0x1000, 0x10, Card(), "card")
    with pytest.raises(DeviceError) as caught:
        space.read(0x1004, 4)
    assert str(caught.value) == (
        f"the reads handler of DATA returned {answer!r}, expected an int in 0..0xffffffff; "
        "read of 4 bytes at address 0x1004, 'card' offset 0x4 (DATA)"
    )


def test_an_answer_may_be_a_register() -> None:
    """What is as good as an int is answered as one."""

    class Card(Device):
        data = register(0)
        shadow = register(4, reset=7)

        @data.reads
        def _data(self) -> int:
            return self.shadow  # type: ignore[return-value]

    assert Card().read(0, 4) == 7


@pytest.mark.parametrize("value", [-1, 1 << 32])
def test_a_caller_must_write_what_fits(timer: Timer, value: int) -> None:
    """A test that calls the device directly is told of its mistake."""
    with pytest.raises(ValueError, match=f"^value {value:#x} does not fit in 4 bytes$"):
        timer.write(0, 4, value)


def test_accesses_name_and_describe_themselves(timer: Timer) -> None:
    """For records: the register and, for a value, its fields."""
    assert timer.name_at(0x4C, 4) == "FIFO[3]"
    assert timer.name_at(0x80, 4) == "counter.COUNT"
    assert timer.describe(0, 4, 0x301) == "EN=1 PSC=0x03"
    log = Log()
    space = AddressSpace(log)
    space.map(0x1000, 0x100, timer)
    space.read(0x1000, 4)
    region = log[0].region
    assert (log[0].direction, region and region.name_at(log[0].offset, 4)) == (READ, "CTRL")


def test_dump_is_a_line_a_register(timer: Timer) -> None:
    """Equal neighbours of an array share one."""
    timer.ctrl.value = 0x301
    timer.fifo[2].value = 5
    timer.counter.count.value = 9
    assert timer.dump().splitlines() == [
        "0x00  CTRL           0x00000301 EN PSC=0x03",
        "0x04  STAT           0x0000f0f0",
        "0x08  CAUSE          0x00001234",
        "0x0c  KEY            0x0000",
        "0x0e  NARROW         0x00",
        "0x40  FIFO[0..1]     0x00000000",
        "0x48  FIFO[2]        0x00000005",
        "0x4c  FIFO[3..7]     0x00000000",
        "0x80  counter.COUNT  0x00000009",
    ]
    assert Device().dump() == ""


def test_reset_is_power_on(timer: Timer) -> None:
    """Registers, blocks and lines; no handler runs."""
    timer.write(0, 4, 1)
    timer.write(0x80, 4, 5)
    timer.calls.clear()
    timer.reset()
    assert (timer.ctrl.value, timer.stat.value, timer.counter.count.value) == (0, 0xF0F0, 0)
    assert not timer.irq.level
    assert timer.calls == []


def test_a_snapshot_is_plain_and_complete(timer: Timer) -> None:
    """It survives JSON, and a device restored from it behaves like the first: lines, locks and blocks too."""
    timer.write(0, 4, 0x301)
    timer.write(0x0C, 1, 0x55)
    timer.write(0x48, 4, 5)
    timer.write(0x80, 4, 6)
    state = timer.snapshot()
    assert state["registers"]["ctrl"] == 0x301
    other = Timer()
    heard: list[bool] = []
    other.irq.subscribe(heard.append)
    other.restore(json.loads(json.dumps(state)))
    assert (other.calls, heard) == ([], [])
    assert other.snapshot() == state
    assert other.dump() == timer.dump()
    other.write(0x0C, 2, 0x6666)
    assert other.key == 0x6655


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state["registers"].pop("stat"),
            "Timer has 'stat', which is not among the registers of the state",
        ),
        (lambda state: state["lines"].clear(), "Timer has 'irq', which is not among the lines of the state"),
        (lambda state: state["blocks"].clear(), "Timer has 'counter', which is not among the blocks of the state"),
        (lambda state: state["registers"].update(foo=1), "the state has registers that Timer has not: foo"),
        (lambda state: state["registers"]["fifo"].pop(), "Timer.fifo takes 8 values, the state has 7"),
        (lambda state: state["registers"].update(key=1 << 16), "KEY holds 0..0xffff, not 0x10000"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(timer: Timer, change: Any, message: str) -> None:
    """The state of another class, or a damaged one, is refused as a whole."""
    state = timer.snapshot()
    timer.ctrl.value = 0x77
    timer.counter.count.value = 5
    timer.irq.set(True)
    before = timer.snapshot()
    change(state)
    with pytest.raises(ValueError, match=f"^{message}$"):
        timer.restore(state)
    assert timer.snapshot() == before


def test_a_model_can_add_its_own_state() -> None:
    """Keys of its own pass through."""

    class Queue(Device):
        head = register(0)

        def __init__(self) -> None:
            self.items = [1, 2]

        def snapshot(self) -> dict[str, Any]:
            return {**super().snapshot(), "items": list(self.items)}

        def restore(self, state: Any) -> None:
            super().restore(state)
            self.items = list(state["items"])

    class Card(Device):
        queue = block(0, Queue)

    card, other = Card(), Card()
    card.queue.items.append(3)
    other.restore(card.snapshot())
    assert other.queue.items == [1, 2, 3]


class Storage(Device):
    """Plain registers of every width, side by side, declared in no order."""

    b = register(8, width=1)
    c = register(9, width=1)
    d = register(10, width=2)
    e = array(12, count=5)
    a = register(0, width=8)
    f = register(32, width=16)
    z = register(48, width=16, name="Z", fields=[field("TOP", 127, 120)])


@given(st.lists(st.tuples(st.integers(0, 63), st.sampled_from([1, 2, 4, 8, 16, 32, 64]), st.binary(min_size=64))))
def test_plain_registers_are_bytes(writes: list[tuple[int, int, bytes]]) -> None:
    """Whatever widths the registers have and the accesses come in, storage is storage."""
    device = Storage()
    naive = bytearray(64)
    for offset, width, data in writes:
        width = min(width, 64 - offset)
        value = int.from_bytes(data[:width], "little")
        device.write(offset, width, value)
        naive[offset : offset + width] = data[:width]
        assert device.read(offset, width) == value
    assert device.read(0, 64).to_bytes(64, "little") == naive
    last = naive[63]
    assert last == device.z.TOP


def test_registers_go_by_their_names_in_records(timer: Timer) -> None:
    """Those of arrays and blocks, too: for models that were generated, and for tests in a loop."""
    timer["CTRL"].EN = 1
    timer["FIFO[3]"].value = 7
    assert (timer.ctrl.value, timer.fifo[3].value) == (1, 7)
    assert timer["counter.COUNT"] == 0
    assert list(timer)[:3] == ["CTRL", "STAT", "CAUSE"]
    assert "FIFO[7]" in timer
    with pytest.raises(KeyError, match=r"Timer has no register 'CTLR'; did you mean 'CTRL'\?"):
        timer["CTLR"]


@pytest.mark.parametrize("state", [{}, {"registers": {"ctrl": "1"}}, {"registers": 5}])
def test_what_is_no_snapshot_is_refused(timer: Timer, state: dict[str, Any]) -> None:
    """And nothing has changed."""
    timer.ctrl.value = 3
    with pytest.raises(ValueError, match=r"^no snapshot of a Timer: "):
        timer.restore(state)
    assert timer.ctrl == 3
