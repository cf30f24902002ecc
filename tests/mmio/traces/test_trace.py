"""The record store."""

import ctypes
import io
import re
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from time import time_ns
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE, Instruction
from mmio import Access, AddressSpace, Symbols, Trace
from mmio.records.access import Space
from mmio.records.events import Event, Located, Loss, Mapped, Mark, Record, Started
from mmio.records.flags import ATOMIC, SPLIT
from mmio.records.spot import Spot
from mmio.records.symbols import Location
from mmio.space.region import Region
from mmio.traces.selection import Selection
from tests.mmio.sample_traces import ADD, MOV, OUT, START, machine


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, record: Record) -> None:
        self.records.append(record)

    @property
    def accesses(self) -> list[Access]:
        return [record for record in self.records if isinstance(record, Access)]


def record(trace: Trace, address: int = 0x1000, value: int = 0, **other: object) -> None:
    """Record a read of four bytes where nothing is mapped, or what `other` makes of it."""
    arguments: dict[str, object] = {"direction": READ, "space": "memory", "address": address, "width": 4}
    arguments |= {"value": value, "ip": 0x401000, "instruction": MOV, "region": None, "offset": 0}
    trace.record(**(arguments | {"flags": 0, "thread": 0} | other))  # type: ignore[arg-type]


def test_keeps_what_the_initiator_says() -> None:
    """Every argument of `record` comes back in the Access, with the names the region and its device give."""
    trace = Trace()
    initiator = machine(trace, thread=7)
    initiator.write(START + 4, 2, 0x55)
    made = trace[0]
    assert made == Access(
        sequence=0,
        time=made.time,
        thread=7,
        direction=WRITE,
        space="memory",
        address=START + 4,
        width=2,
        value=0x55,
        ip=0x401000,
        instruction=MOV,
        region="timer",
        offset=4,
        register="STATUS",
    )
    assert made.decoded == "EN=1"


def test_atomic_keeps_both_values() -> None:
    """An atomic is one record with the value that was read and the one that was written."""
    trace = Trace()
    initiator = machine(trace)
    initiator.write(START, 4, 0x11)
    initiator.update(START, 4, lambda old: old + 1)
    assert [(a.direction, a.old, a.value, a.flags) for a in trace] == [
        (WRITE, None, 0x11, 0),
        (READ_WRITE, 0x11, 0x12, ATOMIC),
    ]


@given(
    st.lists(
        st.tuples(
            st.sampled_from((READ, WRITE, READ_WRITE)),
            st.sampled_from(("memory", "port")),
            st.integers(0, (1 << 64) - 1),
            st.sampled_from((1, 2, 3, 8, 10, 16, 64)),
            st.integers(0, (1 << 512) - 1),
            st.sampled_from((0, 0x401000, 0x401003)),
            st.sampled_from((MOV, ADD, OUT, None)),
            st.sampled_from((0, SPLIT, ATOMIC)),
            st.sampled_from((0, 7, 1 << 40)),
        )
    )
)
def test_gives_back_any_sequence(
    calls: list[tuple[int, Space, int, int, int, int, Instruction | None, int, int]],
) -> None:
    """Whatever is recorded, in whatever order sites alternate, comes back unchanged and in order."""
    trace = Trace()
    expected = []
    for direction, space, address, width, bits, ip, instruction, flags, thread in calls:
        value = bits % (1 << 8 * width)
        old = value ^ 1 if direction == READ_WRITE else None
        trace.record(
            direction,  # type: ignore[arg-type]
            space,
            address,
            width,
            value,
            ip,
            instruction,
            None,
            address,
            flags,
            thread,
            old,
        )
        expected.append((direction, space, address, width, value, old, ip, instruction, flags, thread))
    assert [
        (a.direction, a.space, a.address, a.width, a.value, a.old, a.ip, a.instruction, a.flags, a.thread)
        for a in trace
    ] == expected
    assert [a.sequence for a in trace] == list(range(len(calls)))


@pytest.mark.parametrize(
    "other",
    [
        {"direction": WRITE},
        {"space": "port"},
        {"width": 2},
        {"instruction": ADD},
        {"flags": SPLIT},
        {"thread": 7},
        {"old": 1, "direction": READ_WRITE},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_one_thing_is_told_apart(other: dict[str, Any]) -> None:
    """Of two records that are alike but for one thing, each has its own, whichever comes first."""
    trace = Trace()
    for _ in range(2):
        record(trace)
        record(trace, **other)
    for name, value in other.items():
        plain, changed = getattr(trace[0], name), getattr(trace[1], name)
        assert changed == value != plain
        assert [getattr(access, name) for access in trace[2:]] == [plain, changed]


def test_wide_value_beside_narrow_one() -> None:
    """One instruction may move small and large values; both come back."""
    trace = Trace()
    for value in (5, 1 << 500, 6):
        record(trace, value=value, width=64)
    assert [a.value for a in trace] == [5, 1 << 500, 6]


@pytest.mark.parametrize(
    "wrong",
    [{"address": -1}, {"address": 1 << 64}, {"value": -1}, {"value": 1 << 64, "width": 8}, {"old": -1}],
    ids=str,
)
def test_refuses_what_is_no_unsigned_number(wrong: dict[str, int]) -> None:
    """A negative or oversized address or value is a ValueError, and records nothing."""
    trace = Trace()
    with pytest.raises(ValueError, match="is not an unsigned"):
        record(trace, **wrong)
    assert len(trace) == 0


def test_time_counts_from_the_beginning() -> None:
    """Times are in ns since the trace began, never fall, and `started` is the wall clock then."""
    before = time_ns()
    trace = Trace()
    for _ in range(10):
        record(trace)
    times = [a.time for a in trace]
    assert times == sorted(times)
    assert 0 <= times[0] < 10**10
    assert before <= trace.started <= time_ns()


def test_a_record_takes_little_memory() -> None:
    """A recorded access takes at most 150 bytes of memory, however many there are."""
    trace = Trace()
    region = Region(0, 1 << 20, object(), "card", None)  # type: ignore[arg-type]
    count = 20_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for n in range(count):
        trace.record(READ, "memory", n * 4, 4, n * n, 0x401000 + n % 50, MOV, region, n * 4, 0, 7)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / count <= 150


def test_threads_lose_nothing() -> None:
    """Threads that record at the same time lose no record, and each stays in its own order."""
    trace = Trace()

    def run(thread: int) -> None:
        for n in range(3000):
            record(trace, value=n, thread=thread, ip=n % 3)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert len(trace) == 12_000
    for t in range(4):
        assert [a.value for a in trace if a.thread == t] == list(range(3000))


def test_disabled_records_nothing() -> None:
    """While `enabled` is False nothing is recorded."""
    trace = Trace()
    record(trace, value=1)
    trace.enabled = False
    record(trace, value=2)
    trace.enabled = True
    record(trace, value=3)
    assert [a.value for a in trace] == [1, 3]


@pytest.mark.parametrize("made", [0, 1, 4, 5, 9, 10, 11, 103])
def test_bounded_trace_keeps_the_last(made: int) -> None:
    """`keep=5` holds the last five with their numbers, and says at their beginning how many are gone."""
    trace = Trace(keep=5)
    for n in range(made):
        record(trace, value=n, **({"old": 0, "direction": READ_WRITE} if n % 3 == 0 else {}))
    kept = list(range(max(0, made - 5), made))
    assert [a.value for a in trace] == [a.sequence for a in trace] == kept
    assert [trace[i].value for i in range(len(trace))] == kept
    assert trace.dropped == max(0, made - 5)
    losses = [event for event in trace.events if isinstance(event, Loss)]
    assert [(loss.sequence, loss.count) for loss in losses] == ([(made - 5, made - 5)] if made > 5 else [])


def test_what_was_dropped_stands_before_what_is_left() -> None:
    """The loss in a bounded trace comes after the marks among what was dropped and before all later ones."""
    trace = Trace(keep=2)
    for text in "abcd":
        record(trace)
        trace.mark(text)
    order = [r.text if isinstance(r, Mark) else type(r).__name__ for r in trace.records() if not isinstance(r, Started)]
    assert order == ["a", "Loss", "b", "Access", "c", "Access", "d"]


def test_bounded_trace_forgets_side_values() -> None:
    """Values kept aside go with the rows that named them."""
    trace = Trace(keep=5)
    for n in range(1000):
        record(trace, value=1 << 100 | n, width=16)
    assert len(trace._extras) <= 10


def test_view_of_bounded_trace_stays() -> None:
    """A view of a bounded trace keeps its accesses when the trace drops them."""
    trace = Trace(keep=5)
    for n in range(5):
        record(trace, value=n)
    view = trace[1:3]
    for n in range(100):
        record(trace, value=n)
    assert [a.value for a in view] == [1, 2]


def test_keep_is_a_positive_number() -> None:
    """A trace that keeps nothing is refused."""
    with pytest.raises(ValueError, match="from 1, not 0"):
        Trace(keep=0)


def test_sink_gets_everything_in_order() -> None:
    """A sink hears when the trace began, of each region before its first access, of every access and mark in order."""
    sink = Collector()
    trace = Trace(sinks=[sink])
    initiator = machine(trace)
    initiator.write(START, 4, 1)
    assert sink.accesses == list(trace)
    trace.mark("now")
    initiator.port_read(0x71, 1)
    trace.lose(3)
    kinds = [type(record) for record in sink.records]
    assert kinds == [Started, Mapped, Access, Mark, Mapped, Access, Loss]
    assert sink.accesses == list(trace)


def test_late_sink_learns_the_regions() -> None:
    """A sink attached later hears of the regions there are, and gets accesses until it is detached."""
    trace = Trace()
    initiator = machine(trace)
    initiator.write(START, 4, 1)
    sink = Collector()
    trace.attach(sink)
    initiator.write(START, 4, 2)
    trace.detach(sink)
    initiator.write(START, 4, 3)
    assert [type(record) for record in sink.records] == [Started, Mapped, Access]
    assert sink.accesses == [trace[1]]


def test_detaching_a_stranger() -> None:
    """Detaching a sink that is not attached is an error."""
    with pytest.raises(ValueError, match="not attached"):
        Trace().detach(Collector())


def test_failing_sink_stops_the_access() -> None:
    """What a sink raises comes out of `record`; the trace itself has the access."""

    class Failing:
        def write(self, record: Record) -> None:
            if isinstance(record, Access):
                raise OSError("disk full")

    trace = Trace(sinks=[Failing()])
    with pytest.raises(OSError, match="disk full"):
        record(trace)
    assert len(trace) == 1


def test_sink_may_cause_an_access() -> None:
    """A sink that touches a device makes another record and does not hang."""

    class Touching:
        def write(self, record: Record) -> None:
            if isinstance(record, Access) and record.address == START:
                initiator.read(START + 4, 4)

    trace = Trace()
    initiator = machine(trace)
    trace.attach(Touching())
    initiator.read(START, 4)
    assert [a.address for a in trace] == [START, START + 4]


def test_live_prints_each_access() -> None:
    """`live` prints an access as soon as it happens, with the name of its instruction pointer."""
    stream = io.StringIO()
    trace = Trace()
    printer = trace.live(stream, resolve=lambda ip: f"driver+{ip & 0xFFF:#x}")
    initiator = machine(trace)
    initiator.write(START, 4, 1)
    _, line = stream.getvalue().split(maxsplit=1)
    assert re.split("  +", line) == [
        "W",
        "4",
        "0xfe000000",
        "timer.CTRL",
        "0x00000001 EN=1",
        "driver+0x0",
        "mov eax,[rdi+10h]\n",
    ]
    initiator.read(START + 4, 4)
    assert len(stream.getvalue().splitlines()) == 2
    trace.detach(printer)
    initiator.read(START + 4, 4)
    assert len(stream.getvalue().splitlines()) == 2


def test_marks_stand_at_their_place() -> None:
    """A mark is found between the accesses it was made between."""
    trace = Trace()
    record(trace, value=1)
    trace.mark("between")
    record(trace, value=2)
    order = [r.value if isinstance(r, Access) else r.text for r in trace.records() if isinstance(r, Access | Mark)]
    assert order == [1, "between", 2]


def test_region_is_announced_once() -> None:
    """Each region is one event, before its first access."""
    trace = Trace()
    initiator = machine(trace)
    for _ in range(3):
        initiator.read(START, 4)
        initiator.port_read(0x70, 1)
    mapped: list[Event] = [event for event in trace.events if isinstance(event, Mapped)]
    assert [(m.number, m.space, m.name, m.start, m.length) for m in mapped if isinstance(m, Mapped)] == [
        (1, "memory", "timer", START, 0x100),
        (2, "port", "cmos", 0x70, 2),
    ]
    assert [m.sequence for m in mapped] == [0, 1]


def test_nothing_mapped_has_no_place() -> None:
    """An access where nothing is mapped has an address, but no region, offset or register."""
    trace = Trace()
    AddressSpace(trace, unmapped="ones").read(0x5000, 4)
    made = trace[0]
    assert (made.address, made.value) == (0x5000, 0xFFFFFFFF)
    assert (made.region, made.offset, made.register) == (None, None, None)
    assert not any(isinstance(event, Mapped) for event in trace.events)


def test_instructions_are_located_once() -> None:
    """A trace that knows where instructions are says it before their first access, and to a late sink, too."""
    asked: list[int] = []

    def locate(ip: int) -> Location | None:
        asked.append(ip)
        return Location("driver.so", 0x10, "poll", 4, "driver.c:42") if ip == 0x401000 else None

    trace = Trace(locate=locate)
    timer = machine(trace)
    for ip in (0x401000, 0x402000) * 3:
        timer.ip = ip
        timer.read(START, 4)
        timer.read(START, 2)
    assert asked == [0x401000, 0x402000]
    (located,) = (event for event in trace.events if isinstance(event, Located))
    assert (located.sequence, located.ip, located.location) == (0, 0x401000, locate(0x401000))
    late = Collector()
    trace.attach(late)
    assert located in late.records
    assert "poll+0x4 (driver.so) driver.c:42" in str(trace)
    assert "poll+0x4 (driver.so) driver.c:42 (6), 0x402000 (6)" in str(trace.summary())
    assert len(trace.select(Selection.parse(ip=["poll"]))) == 6


def test_real_instruction_is_located() -> None:
    """With `Symbols().locate`, what a library function does is traced to that function."""
    address = ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value
    assert address is not None
    trace = Trace(locate=Symbols().locate)
    timer = machine(trace)
    timer.ip = address
    timer.read(START, 4)
    (located,) = (event for event in trace.events if isinstance(event, Located))
    assert located.module.startswith("libc")
    assert trace.select(Selection.parse(ip=["libc*"])) == trace


def test_sink_that_takes_is_told_the_same() -> None:
    """A sink with `take` is told by it of every access, and what it is told builds the same accesses."""
    taken: list[Access] = []

    class Taker:
        def write(self, record: Record) -> None:
            assert not isinstance(record, Access)

        def take(self, spot: Spot, sequence: int, time: int, value: int, old: int | None) -> None:
            taken.append(spot.access(sequence, time, value, old))

    trace = Trace(sinks=[Taker()])
    timer = machine(trace)
    timer.write(START, 4, 1)
    timer.update(START, 4, lambda value: value + 1)
    timer.read(START + 0x10, 16)
    timer.port_read(0x71, 1)
    assert taken == list(trace)
    assert [a.decoded for a in taken] == [a.decoded for a in trace]
